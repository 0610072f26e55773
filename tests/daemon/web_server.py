"""A server of the web for tests: real sockets on the loopback, kind or hostile as a test needs it."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import h11


@dataclass(frozen=True)
class Got:
    """A request as it arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Say:
    """An answer: its status, its body (bytes and texts as they are, everything else as JSON), its headers."""

    status: int = 200
    body: Any = b""
    headers: dict[str, str] = field(default_factory=dict)

    def head_and_body(self) -> tuple[list[tuple[str, str]], bytes]:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.body
        if isinstance(body, str):
            body = body.encode()
        elif not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers.setdefault("content-type", "application/json")
        headers.setdefault("content-length", str(len(body)))
        return list(headers.items()), body


Hostile: TypeAlias = Callable[[asyncio.StreamWriter], Awaitable[None]]
Route: TypeAlias = "Say | Hostile | Callable[[Got], Say]"


@dataclass
class WebServer:
    """Answers by path; `got` is everything that arrived, in order."""

    port: int = 0
    scheme: str = "http"
    routes: dict[str, Any] = field(default_factory=dict)
    got: list[Got] = field(default_factory=list)
    connections: int = 0

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            connection = h11.Connection(h11.SERVER)
            while await self.exchange(connection, reader, writer):
                connection.start_next_cycle()
        except (ConnectionError, h11.RemoteProtocolError, ssl.SSLError, asyncio.CancelledError):
            pass  # the client has gone, or the test is over
        finally:
            writer.close()

    async def exchange(
        self, connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Take one request and answer it; return whether another may follow."""
        head, body = None, b""
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await reader.read(65536))
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                break
            else:
                return False
        assert head is not None
        headers = {name.decode(): value.decode() for name, value in head.headers}
        got = Got(head.method.decode(), head.target.decode(), headers, body)
        self.got.append(got)
        route = self.routes.get(got.target.partition("?")[0], Say(404, {"error": "nothing here"}))
        if asyncio.iscoroutinefunction(route):
            await route(writer)
            return False
        say = route(got) if callable(route) else route
        answer_headers, answer_body = say.head_and_body()
        writer.write(connection.send(h11.Response(status_code=say.status, headers=answer_headers)) or b"")
        if got.method != "HEAD" and say.status not in (204, 304):
            writer.write(connection.send(h11.Data(data=answer_body)) or b"")
        writer.write(connection.send(h11.EndOfMessage()) or b"")
        await writer.drain()
        return connection.our_state is h11.DONE and connection.their_state is h11.DONE


@asynccontextmanager
async def web_server(tls: ssl.SSLContext | None = None, **routes: Any) -> AsyncIterator[WebServer]:
    """Serve on a free port of 127.0.0.1; routes by name are paths (`a_b` is /a_b)."""
    web = WebServer(scheme="https" if tls else "http", routes={f"/{name}": route for name, route in routes.items()})
    server = await asyncio.start_server(web.serve, "127.0.0.1", 0, ssl=tls)
    web.port = server.sockets[0].getsockname()[1]
    try:
        yield web
    finally:
        server.close()
