"""Connections to addresses that were checked: the way out for everything whose address a script may choose.

A name is resolved, every address it has is judged, and the connection goes to the very address that passed: were
it resolved again, a hostile name server would give another answer the second time. TLS still asks for the name.
The pool knows only connections that were made so.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import AsyncIterator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import TypeAlias

import anyio
import httpcore2

from daemon.addresses import Address, Allowed, read_address

# The system's resolver blocks a thread for as long as a name server is silent. These threads are nobody else's, and
# one name is asked once, however many wait for it: so a dead name server delays only those who need it.
RESOLVER_THREADS = 32
ADDRESSES_TRIED_MAX = 4
IDLE_CONNECTIONS_MAX = 1_000
IDLE_SECONDS_MAX = 15.0

_Server: TypeAlias = tuple[bytes, bytes, int]  # scheme, host, port


class AddressRefused(Exception):
    """The host may not be asked: every address it has is private, or of another kind no script may reach."""


class NameUnknown(Exception):
    """There is no host of that name."""


class Resolver:
    """Resolves names in threads of its own."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(RESOLVER_THREADS, thread_name_prefix="resolver")
        self._asked: dict[tuple[str, int], asyncio.Future[list[str]]] = {}

    async def resolve(self, host: str, port: int) -> list[Address]:
        """Return the addresses of a host, in the system's order. Raises NameUnknown, OSError."""
        key = (host, port)
        answer = self._asked.get(key)
        if answer is None:
            loop = asyncio.get_running_loop()
            answer = self._asked[key] = loop.run_in_executor(self._threads, _addresses_of, host, port)
            answer.add_done_callback(lambda done: self._forget(key, done))
        found = await asyncio.shield(answer)  # one who gives up takes the answer from nobody
        return [read_address(text) for text in found]

    def _forget(self, key: tuple[str, int], done: asyncio.Future[list[str]]) -> None:
        self._asked.pop(key, None)
        if not done.cancelled():
            done.exception()  # seen: whoever asked may have given up

    def close(self) -> None:
        """Give up what is still being resolved."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _addresses_of(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        # Only this answer is final; "try again" is what a network that is down says.
        if error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)):
            raise NameUnknown(f"there is no host “{host}”") from None
        raise
    except UnicodeError:
        raise NameUnknown(f"“{host}” cannot be the name of a host") from None
    return list(dict.fromkeys(str(address[4][0]) for address in found))


class CheckedBackend(httpcore2.AsyncNetworkBackend):
    """Connects to hosts whose addresses pass; `allowed` None lets every address pass (a configured host)."""

    def __init__(self, resolver: Resolver, allowed: Allowed | None) -> None:
        self._resolver = resolver
        self._allowed = allowed
        self._network = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to one of the host's addresses that pass. Raises AddressRefused, NameUnknown, ConnectError."""
        try:
            found = await self._resolver.resolve(host, port)
        except OSError as error:
            raise httpcore2.ConnectError(f"the name “{host}” could not be resolved: {error.strerror}") from error
        passing = self._passing(host, port, found)[:ADDRESSES_TRIED_MAX]
        loop = asyncio.get_running_loop()
        end = None if timeout is None else loop.time() + timeout
        failed: Exception = httpcore2.ConnectError(f"“{host}” has no address")
        for index, address in enumerate(passing):
            left = None if end is None else (end - loop.time()) / (len(passing) - index)
            try:
                return await self._network.connect_tcp(str(address), port, left, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failed = error
        raise failed

    def _passing(self, host: str, port: int, found: list[Address]) -> list[Address]:
        """Return the addresses that may be reached. Raises AddressRefused where there is none."""
        if self._allowed is None or self._allowed.host(host, port):
            return found
        judged = [(address, self._allowed.refusal(address)) for address in found]
        passing = [address for address, refusal in judged if refusal is None]
        if judged and not passing:
            address, refusal = judged[0]
            where = f"“{host}”" if host == str(address) else f"“{host}” has the address {address}, which"
            raise AddressRefused(f"{where} is {refusal}; web.allow_hosts names what may be asked all the same")
        return passing

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Refuse: no address of the web is a file."""
        raise OSError(errno.EPERM, "no address of the web is a file")

    async def sleep(self, seconds: float) -> None:
        """Sleep, as the pool asks between attempts of its own (it makes none)."""
        await asyncio.sleep(seconds)


class Pool:
    """Open connections, kept for the next request to the same server: the one used last is used first.

    Connections of httpcore2, but not its pool, which looks at all its connections to begin a request and again to end
    it: with thousands under way it would do nothing else. How many there may be is for the limits of requests to say.
    And not a client: a client keeps the cookies of one conversation for the next, writes whole addresses to the log,
    and follows the environment's proxies, which would resolve the name out of our sight.
    """

    def __init__(self, resolver: Resolver, allowed: Allowed | None, tls: ssl.SSLContext) -> None:
        self._backend = CheckedBackend(resolver, allowed)
        self._tls = tls
        self._busy: set[httpcore2.AsyncHTTPConnection] = set()
        self._idle: dict[_Server, list[httpcore2.AsyncHTTPConnection]] = {}
        self._idle_count = 0
        self._tidied = monotonic()
        self._closed = False

    @property
    def connections(self) -> tuple[int, int]:
        """How many connections carry a request, and how many wait for one."""
        return len(self._busy), self._idle_count

    @asynccontextmanager
    async def stream(
        self, method: str, url: httpcore2.URL, headers: Sequence[tuple[bytes, bytes]], content: bytes | None
    ) -> AsyncIterator[httpcore2.Response]:
        """Send a message and give its answer, whose body is still to be read. Raises what httpcore2 raises, and what
        the backend does."""
        server = (url.scheme, url.host, url.origin.port)
        connection = await self._take(server) or self._open(url.origin)
        self._busy.add(connection)
        try:
            async with connection.stream(method, url, headers=headers, content=content) as response:
                yield response
        finally:
            self._busy.discard(connection)
            with anyio.CancelScope(shield=True):
                await self._keep(server, connection)

    async def close(self) -> None:
        """Close all connections."""
        self._closed = True
        left = [*self._busy, *(c for kept in self._idle.values() for c in kept)]
        self._idle.clear()
        self._idle_count = 0
        for connection in left:
            await _close(connection)

    def _open(self, origin: httpcore2.Origin) -> httpcore2.AsyncHTTPConnection:
        return httpcore2.AsyncHTTPConnection(
            origin, self._tls, keepalive_expiry=IDLE_SECONDS_MAX, network_backend=self._backend
        )

    async def _take(self, server: _Server) -> httpcore2.AsyncHTTPConnection | None:
        """Return a connection that waits for a request, if there is one that the server has not closed."""
        kept = self._idle.get(server)
        while kept:
            connection = kept.pop()
            self._idle_count -= 1
            if not kept:
                del self._idle[server]
            if not connection.has_expired():
                return connection
            await _close(connection)
        return None

    async def _keep(self, server: _Server, connection: httpcore2.AsyncHTTPConnection) -> None:
        """Keep a connection whose answer was read to its end; close any other."""
        if connection.is_closed():
            return
        if self._closed or not connection.is_idle() or self._idle_count >= IDLE_CONNECTIONS_MAX:
            await _close(connection)
            return
        self._idle.setdefault(server, []).append(connection)
        self._idle_count += 1
        if monotonic() - self._tidied > IDLE_SECONDS_MAX:
            self._tidied = monotonic()
            for old in self._expired():
                await _close(old)

    def _expired(self) -> list[httpcore2.AsyncHTTPConnection]:
        """Take out what was not used for so long, or was closed by its server."""
        expired = [c for kept in self._idle.values() for c in kept if c.has_expired()]
        gone = set(expired)
        for server, kept in list(self._idle.items()):
            kept[:] = [connection for connection in kept if connection not in gone]
            if not kept:
                del self._idle[server]
        self._idle_count -= len(expired)
        return expired


async def _close(connection: httpcore2.AsyncHTTPConnection) -> None:
    """Close a connection; one that cannot be closed properly is closed all the same."""
    with suppress(httpcore2.NetworkError, OSError):
        await connection.aclose()
