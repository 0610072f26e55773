"""LISTEN on a connection of its own, outside every pool. A notification is a hint; the row is the truth.

States: *connecting* (with growing pauses, for ever), *listening* (every insert may be silent: the daemon looks for
itself), *dozing* (the locks of the doze protocol are held, so every insert notifies), *deaf* (the connection cannot
carry notifications, because a pooler stands between or LISTEN was refused: the daemon polls), *lost* (the
connection ended, or a heartbeat was not answered in time: it is terminated, and connecting follows). After every
LISTEN comes a sweep, because what was notified before it was heard by nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from random import Random
from typing import Any, TypeAlias

import asyncpg
import structlog

from daemon.backoff import Backoff
from daemon.bell import Bell
from daemon.metrics import Metrics
from daemon.statements import query
from daemon.store import Store
from daemon.store_faults import Fault, fault_of

RECONNECT_SECONDS_FIRST = 0.05
RECONNECT_SECONDS_MAX = 5.0

Connect: TypeAlias = Callable[[], Awaitable["asyncpg.Connection[Any]"]]

_TROUBLE = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)

log = structlog.get_logger(__name__)


class Listener:
    """Hears what the triggers say and keeps the doze protocol."""

    def __init__(
        self,
        connect: Connect,
        store: Store,
        metrics: Metrics,
        random: Random,
        *,
        heartbeat_seconds: float,
        on_wake: Callable[[int | None, bool], None],
        on_change: Mapping[str, Callable[[], None]],
        on_listen: Callable[[], None],
    ) -> None:
        """`on_wake` is told the partition of every notification (None: any may have something), and whether an
        execution of it is due (its number has a sign then), `on_listen` that LISTEN was just done. `on_change` has
        what is called for payloads that stand for no partition: schedules, sources or daemons have changed.

        A half-dead connection is found after at most two `heartbeat_seconds`.
        """
        self._connect = connect
        self._store = store
        self._metrics = metrics
        self._backoff = Backoff(RECONNECT_SECONDS_FIRST, RECONNECT_SECONDS_MAX, random)
        self._heartbeat_seconds = heartbeat_seconds
        self._on_wake = on_wake
        self._on_change = on_change
        self._on_listen = on_listen
        self._connection: asyncpg.Connection[Any] | None = None
        self._one_at_a_time = asyncio.Lock()
        self._ended = Bell()
        self.deaf = False
        self.dozing = False
        self.beds: frozenset[int] = frozenset()  # the partitions that it dozes for, while it does

    @property
    def listening(self) -> bool:
        """Whether notifications arrive."""
        return self._connection is not None and not self.deaf

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            try:
                await self._listen_once()
            except _TROUBLE as error:
                log.warning("listener_lost", error=str(error) or type(error).__name__)
            finally:
                self._drop()
            self._metrics.reconnects.inc()
            await self._backoff.pause()

    async def _listen_once(self) -> None:
        async with asyncio.timeout(2 * self._heartbeat_seconds):
            connection = await self._connect()
        ended = self._ended = Bell()
        connection.add_termination_listener(lambda _: ended.ring())
        try:
            channel = await self._begin(connection)
        except BaseException:
            connection.terminate()
            raise
        self._connection = connection  # not before: from now on doze and wake_up use it too, each in its turn
        self._on_listen()
        while not await ended.wait(self._heartbeat_seconds):
            async with self._one_at_a_time, asyncio.timeout(self._heartbeat_seconds):
                await self._check(connection, channel)
            self._backoff.reset()
        log.warning("listener_lost", error="the server closed the connection")

    async def _begin(self, connection: asyncpg.Connection[Any]) -> str:
        """Have a new connection listen; return on which channel."""
        async with asyncio.timeout(self._heartbeat_seconds):
            channel = await self._store.channel("wake")
            try:
                await connection.add_listener(channel, self._heard)
                await self._check(connection, channel)
            except asyncpg.PostgresError as error:
                if fault_of(error) is not Fault.REFUSED:
                    raise
                self._become_deaf(str(error))
        return channel

    async def _check(self, connection: asyncpg.Connection[Any], channel: str) -> None:
        """Ask for a sign of life. A pooler shows by a backend that is not the one that answered at the start."""
        row = await connection.fetchrow(query("check_listening"), channel)
        assert row is not None
        if row["pid"] != connection.get_server_pid():
            self._become_deaf("a connection pooler stands between, and it does not keep a session's LISTEN")
        elif not row["listening"]:
            self._become_deaf("the session no longer listens")
        elif self.deaf:
            self.deaf = False

    def _become_deaf(self, reason: str) -> None:
        if not self.deaf:
            log.error("notifications_unavailable", reason=reason, instead="polling")
            self._metrics.count_error("database")
        self.deaf = True
        self.dozing = False

    def _heard(self, connection: object, pid: int, channel: str, payload: object) -> None:
        """Pass a notification on. Called by asyncpg, which only logs what is raised here."""
        try:
            self._metrics.notifications.inc()
            if (changed := self._on_change.get(str(payload))) is not None:
                changed()
                return
            self._on_wake(int(str(payload)), str(payload).startswith("+"))
        except Exception:
            log.exception("notification_mishandled", payload=str(payload)[:50])
            self._metrics.count_error("internal")
            self._on_wake(None, True)

    # ── the doze protocol ──

    async def doze(self, partitions: frozenset[int]) -> bool:
        """Have rows of these partitions notify from now on. False: not yet (transactions are in flight, or another's
        locks are in the way), or nobody would hear it."""
        connection = self._connection
        if connection is None or self.deaf:
            return False
        try:
            async with self._one_at_a_time, asyncio.timeout(self._heartbeat_seconds):
                self.dozing = await self._store.try_doze(connection, partitions)
            self.beds = partitions
        except _TROUBLE as error:
            self._terminate(connection, error)
        return self.dozing

    async def wake_up(self) -> None:
        """Let rows come silently again: the daemon looks for itself."""
        connection, self.dozing = self._connection, False
        if connection is None:
            return
        try:
            async with self._one_at_a_time, asyncio.timeout(self._heartbeat_seconds):
                await self._store.wake_up(connection)
        except _TROUBLE as error:
            self._terminate(connection, error)

    def _terminate(self, connection: asyncpg.Connection[Any], error: Exception) -> None:
        log.warning("listener_lost", error=str(error) or type(error).__name__)
        connection.terminate()
        if connection is self._connection:  # else it was replaced while its answer was waited for
            self.dozing = False
            self._ended.ring()

    def _drop(self) -> None:
        """Leave the connection without a word: on a black hole, close() would wait for an answer."""
        connection, self._connection = self._connection, None
        self.dozing = False
        self.deaf = False
        if connection is not None and not connection.is_closed():
            connection.terminate()
        self._on_wake(None, False)
