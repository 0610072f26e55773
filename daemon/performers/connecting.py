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
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import httpcore2

from daemon.addresses import Address, Allowed, read_address

# The system's resolver blocks a thread for as long as a name server is silent. These threads are nobody else's, and
# one name is asked once, however many wait for it: so a dead name server delays only those who need it.
RESOLVER_THREADS = 32
ADDRESSES_TRIED_MAX = 4
IDLE_CONNECTIONS_MAX = 100
IDLE_SECONDS_MAX = 15.0
# Connections are searched one by one for each request, so they are shared out by host.
POOLS = 64


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
    """Open connections, kept for the next request to the same host, in shares by host.

    httpcore2's own pool and not a client: a client keeps the cookies of one conversation for the next, writes whole
    addresses to the log, and follows the environment's proxies, which would resolve the name out of our sight.
    """

    def __init__(self, resolver: Resolver, allowed: Allowed | None, tls: ssl.SSLContext, connections_max: int) -> None:
        backend = CheckedBackend(resolver, allowed)
        self._shares = [
            httpcore2.AsyncConnectionPool(
                tls,
                max_connections=connections_max,
                max_keepalive_connections=IDLE_CONNECTIONS_MAX,
                keepalive_expiry=IDLE_SECONDS_MAX,
                network_backend=backend,
            )
            for _ in range(POOLS)
        ]

    def of(self, host: bytes) -> httpcore2.AsyncConnectionPool:
        """Return the share in which a host's connections are."""
        return self._shares[sum(host) % POOLS]

    async def close(self) -> None:
        """Close all connections."""
        for share in self._shares:
            await share.aclose()
