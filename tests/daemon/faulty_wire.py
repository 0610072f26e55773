"""A wire to PostgreSQL that fails on demand: a unix-socket proxy in the test's own loop."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit

CHUNK_BYTES = 65_536


class Wire:
    """States: *whole*, *hole* (bytes vanish, nothing is closed), or per connection *cut* (closed both ways)."""

    def __init__(self, path: str, dsn: str) -> None:
        self.dsn = dsn
        self.hole = False
        self.refuse = False
        self.lose_answer_to: bytes | None = None  # cut before the answer to the request that holds these bytes
        self.change: Callable[[bytes], bytes] = lambda answer: answer
        self.lost = 0
        self._path = path
        self._open: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection."""
        if self.refuse:
            writer.close()
            return
        to_server: asyncio.StreamWriter | None = None
        self._open.add(writer)
        doomed = asyncio.Event()
        with suppress(OSError, asyncio.CancelledError):
            from_server, to_server = await asyncio.open_unix_connection(self._path)
            self._open.add(to_server)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._ask(reader, to_server, doomed))
                tasks.create_task(self._answer(from_server, writer, doomed))
        for end in (writer, to_server):
            if end is not None:
                self._open.discard(end)
                end.close()

    async def _ask(self, reader: asyncio.StreamReader, to_server: asyncio.StreamWriter, doomed: asyncio.Event) -> None:
        while data := await reader.read(CHUNK_BYTES):
            if self.hole:
                continue
            if self.lose_answer_to is not None and self.lose_answer_to in data:
                self.lose_answer_to = None
                doomed.set()
            to_server.write(data)
        to_server.close()

    async def _answer(
        self, from_server: asyncio.StreamReader, writer: asyncio.StreamWriter, doomed: asyncio.Event
    ) -> None:
        while data := await from_server.read(CHUNK_BYTES):
            if self.hole:
                continue
            if doomed.is_set():
                self.lost += 1
                break
            writer.write(self.change(data))
        writer.transport.abort()

    def cut(self) -> None:
        """Close every connection without a word."""
        for end in list(self._open):
            end.transport.abort()


@asynccontextmanager
async def wire_to(dsn: str) -> AsyncIterator[Wire]:
    """Put a wire in front of a server that is reached by a unix socket; its `dsn` leads through it."""
    parts = urlsplit(dsn)
    query = {key: values[0] for key, values in parse_qs(parts.query).items()}
    folder = tempfile.mkdtemp(prefix="wire-")
    name = f".s.PGSQL.{query['port']}"
    query["host"], path = folder, str(Path(query["host"]) / name)
    replaced = parts._replace(query="&".join(f"{k}={quote(v, safe='')}" for k, v in query.items()))
    wire = Wire(path, urlunsplit(replaced))
    server = await asyncio.start_unix_server(wire.serve, str(Path(folder) / name))
    try:
        yield wire
    finally:
        server.close()
        wire.cut()
        await asyncio.sleep(0)
        shutil.rmtree(folder, ignore_errors=True)
