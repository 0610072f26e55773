"""Three addresses for machines: /metrics, /healthz (the loop answers), /readyz (conversations move).

In the daemon's own event loop on purpose: a loop that hangs must not look healthy. h11 reads and writes HTTP,
we hold the limits: one request a connection, HEADER_BYTES_MAX, REQUEST_SECONDS_MAX, CONNECTIONS_MAX.
prometheus-client's own server runs in threads, which would answer for a hanging loop; its ASGI application
needs a server around it whose limits on slow clients are fewer than these.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from http import HTTPStatus

import h11
import structlog

from daemon.metrics import Metrics

HEADER_BYTES_MAX = 8_192
REQUEST_SECONDS_MAX = 5
CONNECTIONS_MAX = 32
CHUNK_BYTES = 4_096
TEXT = "text/plain; charset=utf-8"


class Readiness:
    """Why the daemon cannot move conversations right now: sentences by what they are about.

    Not ready until every reason is cleared; it begins with one, `start`.
    """

    def __init__(self) -> None:
        self._reasons = {"start": "The daemon is starting."}
        self.notes: tuple[str, ...] = ()  # what an operator should know of a daemon that is ready

    def hold(self, about: str, sentence: str) -> None:
        """Be not ready because of `about` until it is cleared."""
        self._reasons[about] = sentence

    def clear(self, about: str) -> None:
        """Take the reason away, if it was there."""
        self._reasons.pop(about, None)

    @property
    def reasons(self) -> tuple[str, ...]:
        """All reasons why not; empty when ready."""
        return tuple(self._reasons.values())

    def __bool__(self) -> bool:
        return not self._reasons


class HealthError(Exception):
    """The address for metrics and health cannot be listened on; the text says why and what to do."""


class _Server:
    def __init__(self, metrics: Metrics, readiness: Readiness) -> None:
        self._metrics = metrics
        self._readiness = readiness
        self._open = 0

    def answer(self, method: str, path: str) -> tuple[HTTPStatus, str, bytes]:
        """Return status, content type and body."""
        if method not in ("GET", "HEAD"):
            return HTTPStatus.METHOD_NOT_ALLOWED, TEXT, b"Only GET and HEAD.\n"
        match path.partition("?")[0]:
            case "/metrics":
                body, kind = self._metrics.render()
                return HTTPStatus.OK, kind, body
            case "/healthz":
                return HTTPStatus.OK, TEXT, b"ok\n"
            case "/readyz" if self._readiness:
                return HTTPStatus.OK, TEXT, "".join(f"{s}\n" for s in ("ready", *self._readiness.notes)).encode()
            case "/readyz":
                return (
                    HTTPStatus.SERVICE_UNAVAILABLE,
                    TEXT,
                    "".join(f"{r}\n" for r in self._readiness.reasons).encode(),
                )
            case _:
                return HTTPStatus.NOT_FOUND, TEXT, b"Here are /metrics, /healthz and /readyz.\n"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request and close."""
        self._open += 1
        try:
            if self._open <= CONNECTIONS_MAX:
                async with asyncio.timeout(REQUEST_SECONDS_MAX):
                    await self._exchange(reader, writer)
        except (TimeoutError, OSError):
            pass  # a client that is slow or gone has nobody to tell
        except Exception:
            # A mistake of ours here must not end the conversations.
            self._metrics.count_error("internal")
            structlog.get_logger().exception("health request failed")
        finally:
            self._open -= 1
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=HEADER_BYTES_MAX)
        head = False
        try:
            while (event := connection.next_event()) is h11.NEED_DATA:
                connection.receive_data(await reader.read(CHUNK_BYTES))
            if not isinstance(event, h11.Request):
                return
            head = event.method == b"HEAD"
            status, kind, body = self.answer(event.method.decode("ascii"), event.target.decode("ascii", "replace"))
        except h11.RemoteProtocolError as error:
            status, kind, body = HTTPStatus(error.error_status_hint), TEXT, f"{error}\n".encode()
        if connection.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        headers = [("content-type", kind), ("content-length", str(len(body))), ("connection", "close")]
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            headers.append(("allow", "GET, HEAD"))
        response = h11.Response(status_code=status, headers=headers, reason=status.phrase)
        writer.write(connection.send(response) or b"")
        if not head:
            writer.write(connection.send(h11.Data(data=body)) or b"")
        writer.write(connection.send(h11.EndOfMessage()) or b"")
        await writer.drain()


@contextlib.asynccontextmanager
async def serve_health(
    group: asyncio.TaskGroup, listen: tuple[str, int] | None, metrics: Metrics, readiness: Readiness
) -> AsyncIterator[tuple[str, int] | None]:
    """Serve the three addresses while the block runs; give the address in use (port 0 picks a free one).

    Requests are tasks of `group`, which must outlive the block; none of them ever fails it.
    `listen` None serves nowhere. Raises HealthError when the address cannot be had.
    """
    if listen is None:
        yield None
        return
    handler = _Server(metrics, readiness)
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = group.create_task(handler.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    try:
        server = await asyncio.start_server(accept, *listen, limit=HEADER_BYTES_MAX)
    except OSError as error:
        raise HealthError(
            f"Metrics and health cannot listen on {listen[0]}:{listen[1]}: {error.strerror or error}. "
            'Set [http] listen to another address, or to "" for none.'
        ) from None
    try:
        host, port = server.sockets[0].getsockname()[:2]
        yield host, port
    finally:
        server.close()
        for task in tasks:
            task.cancel()
