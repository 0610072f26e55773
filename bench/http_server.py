"""The HTTP server that is asked, a process of its own: `python -m bench.http_server [DELAY_SECONDS]`.

It prints its port. Every GET is answered {"rate": 5.25} on a connection that is kept, after the delay, but /held not
before /release was asked. /count answers how many /held wait, and how many requests were answered.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress

import uvloop

BACKLOG = 8_192
RATE = {"rate": 5.25}


class Server:
    """The state of one server."""

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._released = asyncio.Event()
        self._held = 0
        self._answered = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection until its other end closes it."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                answer = json.dumps(await self._answer(head.split(b" ", 2)[1].decode("ascii"))).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
                writer.write(b"Content-Length: %d\r\n\r\n%s" % (len(answer), answer))
                await writer.drain()
        writer.close()

    async def _answer(self, path: str) -> dict[str, float]:
        if path == "/count":
            return {"held": self._held, "answered": self._answered}
        if path == "/release":
            self._released.set()
            return {"held": self._held}
        if path == "/held":
            self._held += 1
            try:
                await self._released.wait()
            finally:
                self._held -= 1
        elif self._delay:
            await asyncio.sleep(self._delay)
        self._answered += 1
        return RATE


async def main() -> None:
    """Serve until killed."""
    held = Server(float(sys.argv[1]) if len(sys.argv) > 1 else 0.0)
    server = await asyncio.start_server(held.serve, "127.0.0.1", 0, backlog=BACKLOG)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
