"""The composition root: every part of the daemon, wired once, living in one TaskGroup.

States: *opening* (the database is reached and its schema checked), *running* (parts that only look and hand on
are started anew when one of them fails), *stopping* (nothing new is taken; turns under way end or, after
`stop_seconds_max`, are dropped uncommitted), *closed* (the partitions are given back, the connections closed).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random, SystemRandom
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog

from daemon.asking import Asking
from daemon.backoff import Backoff
from daemon.committer import Committer
from daemon.deploy import Deployment, deploy
from daemon.fetcher import Fetcher
from daemon.gauges import keep_gauges
from daemon.health import Readiness
from daemon.listener import Listener
from daemon.metrics import Metrics, create_metrics, measure_loop_lag
from daemon.owner import herald_of, is_gone, owner_name
from daemon.partitions import Partitions
from daemon.performers import open_performers
from daemon.performing import Performer
from daemon.plans import Plans
from daemon.policies import files_of, policy_of
from daemon.pressure import Pressure
from daemon.requests import Requests
from daemon.retention import Retention
from daemon.scheduler import Scheduler
from daemon.schedules import Schedules
from daemon.settings import Settings, SqlTool
from daemon.sources import Sources
from daemon.stopping import hand_over, release, stop_requests
from daemon.store import EVERY_BOT, Pool, Store
from daemon.store_clients import ClientStore
from daemon.store_connections import Connections, open_connections
from daemon.store_deploy import DeployStore
from daemon.store_operators import OperatorStore
from daemon.store_partitions import PartitionStore
from daemon.store_requests import RequestStore
from daemon.store_schedules import ScheduleStore
from daemon.store_tools import ToolStore
from daemon.supervisor import Supervisor
from daemon.turns import World

READINESS_SECONDS = 0.25
IDLE_POLL_SECONDS = 0.002

log = structlog.get_logger(__name__)


class Daemon:
    """Everything that runs conversations. Made by run_daemon."""

    def __init__(
        self,
        settings: Settings,
        connections: Connections,
        metrics: Metrics,
        readiness: Readiness,
        random: Random,
        owner: str,
        performers: Sequence[Performer] = (),
    ) -> None:
        self.settings = settings
        self.metrics = metrics
        self.readiness, self.connections = readiness, connections
        self._random = random
        self._owner = owner
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.store = self._store(connections.looking)
        self.clients = ClientStore(connections.looking)
        self.operators = OperatorStore(connections.looking)
        self.partitions = Partitions(
            PartitionStore(connections.leasing, herald_of(owner)),
            self._chance(),
            lease_seconds=settings.daemon.lease_seconds,
            on_gain=self._take_over,
            on_owned=self.look,
            on_loss=self._let_go,
            is_gone=is_gone,
            in_memory=lambda: self.supervisor.present_count,
            pinned=lambda: self.supervisor.pinned_partitions,
        )
        self.committer = Committer(
            self._store(connections.committing),
            metrics,
            self._chance(),
            turns_max=settings.limits.commit_turns_max,
            may_write=self.partitions.may_write,
        )
        self.supervisor = self._make_supervisor()
        self.pressure = Pressure(metrics, settings.limits, lambda: self.committer.pending, self.supervisor.hand)
        self.schedules = self._make_schedules()
        self.sources = Sources(DeployStore(connections.looking), settings, metrics, self._chance())
        self.listener = self._make_listener()
        self.requests = self._make_requests(performers)
        self.fetcher = self._make_fetcher()
        self.retention = Retention(connections.asking, settings.retention, owner, metrics, self._chance())
        self.scheduler = self._make_scheduler()

    # ── the parts ──

    def _store(self, pool: Pool) -> Store:
        return Store(pool, self.settings.database.schema, self._owner)

    def _chance(self) -> Random:
        """Return randomness of its own for a part, repeatable where the daemon's is."""
        return Random(self._random.getrandbits(64))

    def _make_supervisor(self) -> Supervisor:
        settings = self.settings
        asking = Asking(
            self._store(self.connections.asking),
            self.committer,
            self._chance(),
            connections_max=settings.database.pool_max,
            tools={name.lower(): t.function for name, t in settings.tools.items() if isinstance(t, SqlTool)},
            files=files_of(settings),
            data=settings.data.manner(settings.scripts.time_zone),
            may_write=self.partitions.may_write,
        )
        return Supervisor(
            self.store,
            Plans(self.store, settings.limits.plans_max),
            self.committer,
            asking,
            World(policy_of(settings), ZoneInfo(settings.scripts.time_zone)),
            self.metrics,
            self._chance(),
            actors_max=settings.limits.actors_max,
            idle_seconds_max=settings.limits.idle_seconds_max,
        )

    def _make_schedules(self) -> Schedules:
        zone = ZoneInfo(self.settings.scripts.time_zone)
        store = ScheduleStore(self.connections.looking)
        return Schedules(store, self.settings.schedules, zone, self.metrics, self._chance())

    def _make_listener(self) -> Listener:
        return Listener(
            self.connections.listen,
            self.store,
            self.metrics,
            self._chance(),
            heartbeat_seconds=self.settings.daemon.heartbeat_seconds,
            on_wake=self._wake,
            on_change={
                "schedules": self.schedules.bell.ring,
                "sources": self.sources.bell.ring,
                "daemons": self.partitions.look,
            },
            on_listen=self.look,
        )

    def _make_fetcher(self) -> Fetcher:
        return Fetcher(
            self.store,
            self.supervisor,
            self.listener,
            self.partitions,
            self.metrics,
            self._chance(),
            self.pressure,
            self.committer,
            batch_max=self.settings.limits.message_batch_max,
            bot_held_max=self.settings.limits.bot_messages_held_max,
            sweep_seconds=self.settings.daemon.sweep_seconds,
        )

    def _make_scheduler(self) -> Scheduler:
        return Scheduler(
            self.store,
            self.supervisor,
            self.partitions,
            self.metrics,
            self._chance(),
            self.pressure,
            batch_max=self.settings.limits.due_batch_max,
            sweep_seconds=self.settings.daemon.sweep_seconds,
        )

    def _make_requests(self, performers: Sequence[Performer]) -> Requests:
        return Requests(
            RequestStore(self.connections.requesting, self._owner),
            performers,
            self.partitions,
            self.metrics,
            self._chance(),
            self.settings.requests,
            self.supervisor.requests_bell,
            sweep_seconds=self.settings.daemon.sweep_seconds,
            on_answered=self.supervisor.due_bell.ring,
        )

    # ── what others call ──

    async def deploy(
        self, scripts: Path | Mapping[str, str], bot_id: UUID = EVERY_BOT, *, withdraw: bool = False
    ) -> Deployment:
        """Compile and store scripts; see daemon.deploy."""
        store = DeployStore(self.connections.looking)
        return await deploy(store, scripts, self.settings, bot_id=bot_id, withdraw=withdraw)

    def look(self) -> None:
        """Look for messages and for what is due now, as a sweep does: the clock may have been moved."""
        self.supervisor.sweep()
        self.supervisor.wake(None)
        self.supervisor.due_bell.ring()
        self.schedules.bell.ring()
        self.sources.bell.ring()
        self.requests.sweep()

    async def idle(self) -> None:
        """Return when nothing moves: no turn or request under way, no message that can be heard, nothing due."""
        while True:
            if not self._moving():
                supervisor = self.supervisor
                messages = await self.store.fetch_messages(supervisor.held, 1)
                due = await self.store.fetch_due(supervisor.held_due, 1)
                signals = await self.store.fetch_signals(supervisor.held, 1)
                told = await self.store.tell_events(supervisor.events_awaited.names)
                fires = await self.schedules.due() or await self.sources.due()
                if not (messages or due or signals or told or fires or self._moving()):
                    return
                self.look()
            await asyncio.sleep(IDLE_POLL_SECONDS)

    def _moving(self) -> bool:
        looking = self.fetcher.looking or self.scheduler.looking or self.schedules.looking
        return (
            looking
            or self.requests.moving
            or bool(self.supervisor.busy)
            or self.supervisor.short_of_room
            or not self.committer.idle
            or not self.partitions.owned
        )

    async def keep_settings(self) -> None:
        """Have the database know what its own functions need of the configuration."""
        approvals, mail = self.settings.approvals, self.settings.mail
        mails = bool(mail.host and approvals.url)
        await self.store.keep_approval_settings(approvals.url, approvals.timeout_seconds, mails, approvals.secret)

    # ── life ──

    def start(self, tasks: asyncio.TaskGroup) -> None:
        """Start every part, in a group that outlives the daemon."""
        parts: dict[str, Callable[[], Awaitable[None]]] = {
            "partitions": self.partitions.run,
            "committer": self.committer.run,
            "supervisor": self.supervisor.run,
            "listener": self.listener.run,
            "fetcher": self.fetcher.run,
            "scheduler": self.scheduler.run,
            "schedules": self.schedules.run,
            "sources": self.sources.run,
            "requests": self.requests.run,
            "retention": self.retention.run,
            "gauges": lambda: keep_gauges(self),
            "lag": lambda: measure_loop_lag(self.metrics),
            "readiness": self._watch_readiness,
        }
        for name, part in parts.items():
            self._tasks[name] = tasks.create_task(self._supervised(name, part), name=name)

    async def stop(self) -> None:
        """End gracefully, within `stop_seconds_max`; what is not committed by then did not happen."""
        self.readiness.hold("stop", "The daemon is stopping.")
        self.partitions.leave()
        seconds_max = self.settings.daemon.stop_seconds_max
        if alone := self.partitions.alone:  # conversations go on meanwhile: nobody else would move them
            await stop_requests(self.requests, seconds_max)
            await self._cancel("requests")
        await self._cancel("fetcher", "scheduler", "schedules", "sources", "listener", "gauges", "readiness")
        await hand_over(self.supervisor, self.committer, self.partitions, seconds_max)
        if not alone:
            await stop_requests(self.requests, seconds_max)
            await self._cancel("requests")
        await self._cancel("supervisor", "committer", "partitions", "retention", "lag")
        await release(self.partitions)

    async def _cancel(self, *names: str) -> None:
        tasks = [self._tasks.pop(name) for name in names if name in self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _supervised(self, name: str, part: Callable[[], Awaitable[None]]) -> None:
        """Run a part; one that fails by a mistake of ours is started anew, visibly, and nothing is lost by it."""
        backoff = Backoff(0.05, 5.0, self._random)
        while True:
            try:
                await part()
                return
            except Exception:
                self.metrics.count_error("internal")
                log.exception("part_restarted", part=name)
            await backoff.pause()
            self.look()

    async def _take_over(self, gained: frozenset[int]) -> None:
        lost = await self.store.mark_lost(self.supervisor.present, gained)
        if lost:
            log.warning("direct_executions_lost", executions=len(lost))

    def _let_go(self, lost: frozenset[int]) -> None:
        self.supervisor.let_go(lost)
        self.supervisor.wake(None)  # the fetcher may sleep: it is to leave its beds to whoever took over

    def _wake(self, partition: int | None, due: bool) -> None:
        """Pass on what was notified, unless it is another daemon's: that one has heard it too."""
        if partition is not None and partition not in self.partitions.owned:
            return
        if due:
            self.supervisor.due_bell.ring()
        self.supervisor.wake(partition)

    async def _watch_readiness(self) -> None:
        while True:
            listener = self.listener
            away = not (listener.listening or listener.deaf)  # deaf, it polls, and conversations move
            for about, reason in (
                ("partitions", self.partitions.reason),
                ("listener", "The listening connection is being made." if away else None),
            ):
                if reason is None:
                    self.readiness.clear(about)
                else:
                    self.readiness.hold(about, reason)
            self.readiness.clear("start")
            self.readiness.notes = self.pressure.notes
            await asyncio.sleep(READINESS_SECONDS)


@asynccontextmanager
async def run_daemon(
    settings: Settings,
    *,
    dsn: str | None = None,
    metrics: Metrics | None = None,
    readiness: Readiness | None = None,
    seed: int | None = None,
    owner: str | None = None,
    wait: bool = False,
    performers: Sequence[Performer] | None = None,
) -> AsyncIterator[Daemon]:
    """Run a daemon while the block runs; leaving the block stops it gracefully.

    `dsn` replaces the configured address. `seed` makes the randomness of scripts and pauses repeatable. With
    `wait`, a database that is away is waited for. `performers` perform the requests of scripts; None stands for
    those that the configuration makes. Raises SchemaProblem for an older or newer schema and, without `wait`, what
    connecting raises. To be used inside one task: never across the `yield` of a fixture.
    """
    random = Random(SystemRandom().getrandbits(64) if seed is None else seed)
    failure: Exception | None = None
    async with AsyncExitStack() as stack:
        connections = await stack.enter_async_context(
            open_connections(settings, dsn or settings.database.url, wait=wait, random=random)
        )
        readiness = Readiness() if readiness is None else readiness  # one that is not ready is false
        metrics = metrics or create_metrics()
        if performers is None:
            find_script = ToolStore(connections.looking).find_script
            performers = await stack.enter_async_context(open_performers(settings, metrics, find_script))
        daemon = Daemon(settings, connections, metrics, readiness, random, owner or owner_name(), performers)
        await daemon.keep_settings()
        async with asyncio.TaskGroup() as tasks:
            daemon.start(tasks)
            try:
                yield daemon
            except Exception as error:  # told after the daemon has stopped, and not inside of an ExceptionGroup
                failure = error
            await daemon.stop()
    if failure is not None:
        raise failure
