"""Compiles scripts that came as rows (workflow_deploy), and says what came of each.

States: *sleeping* (until somebody says that sources came, at most `look_seconds_max` of the schedules), *compiling*
(in a thread, all pending scripts of a bot together with what the bot runs already). What compiles is stored with its
outcome in one transaction; what does not leaves everything as it was. Two daemons may compile the same: storing it
twice is as good as once, and a row has one outcome.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from random import Random
from uuid import UUID

import structlog

from daemon.backoff import Backoff
from daemon.bell import Bell
from daemon.deploy import Deployment, compile_sources, stored_plans
from daemon.metrics import Metrics
from daemon.settings import Settings
from daemon.store_deploy import BotPlans, DeployStore, PendingSource, RunningSource, SourceOutcome
from daemon.store_faults import Fault, fault_of
from engine.errors import Problem

log = structlog.get_logger(__name__)


class Sources:
    """The one task of a daemon that compiles what came as rows. `bell` wakes it."""

    def __init__(self, store: DeployStore, settings: Settings, metrics: Metrics, random: Random) -> None:
        self._store = store
        self._settings = settings
        self._metrics = metrics
        self._trouble = Backoff(0.05, 10.0, random)
        self.bell = Bell()
        self.looking = False

    async def run(self) -> None:
        """Compile what comes until cancelled."""
        pause = 0.0
        while True:
            await self.bell.wait(pause)
            try:
                await self._look()
                self._trouble.reset()
                pause = self._settings.schedules.look_seconds_max
            except Exception as error:
                if fault_of(error) is Fault.REFUSED:
                    raise
                self._metrics.count_error("connection")
                log.warning("sources_repeated", error=str(error) or type(error).__name__)
                pause = self._trouble.next_pause()

    async def due(self) -> bool:
        """Return whether something is to be compiled."""
        return bool(await self._store.pending())

    async def _look(self) -> None:
        self.looking = True
        try:
            pending: dict[UUID, list[PendingSource]] = {}
            for source in await self._store.pending():
                pending.setdefault(source.bot_id, []).append(source)
            for bot_id, sources in pending.items():
                await self._settle(bot_id, sources)
        finally:
            self.looking = False

    async def _settle(self, bot_id: UUID, pending: Sequence[PendingSource]) -> None:
        """Deploy the sources of one bot that compile, without those that do not."""
        running = await self._store.running(bot_id)
        wanted = {source.path: source for source in pending}
        refused: list[SourceOutcome] = []
        while True:
            compiled = await asyncio.to_thread(self._compile, wanted, running)
            errors = [p for p in compiled.problems if p.severity == "error"]
            blamed = {p.file for p in errors} & wanted.keys() if errors else set()
            if not errors:
                break
            # Where only others that call them do not compile with them any more, all of them are to blame.
            for path in sorted(blamed or wanted):
                own = tuple(p for p in compiled.problems if not blamed or p.file == path)
                refused.append(SourceOutcome(wanted.pop(path).id, "refused", None, own))
        hashes = {plan.script: plan.hash for plan in compiled.plans}
        done = [
            SourceOutcome(s.id, "deployed", hashes[s.path], _about(s.path, compiled.problems)) for s in wanted.values()
        ]
        origins = {r.path: r.origin for r in running if r.own and r.path not in wanted}
        plans = stored_plans(compiled.plans)
        await self._store.store(
            [
                BotPlans(bot_id, tuple(p for p in plans if origins.get(p.script, "sql") == origin), origin=origin)
                for origin in ("sql", "folder")
            ],
            [*done, *refused],
        )
        if refused:
            self._metrics.count_error("compile")
        log.info("sources_deployed", bot=str(bot_id), deployed=sorted(wanted), refused=len(refused))

    def _compile(self, wanted: Mapping[str, PendingSource], running: Sequence[RunningSource]) -> Deployment:
        """Compile what is wanted, and the bot's scripts whose plans hold an older text of it."""
        sources = {r.path: r.source for r in running} | {path: s.source for path, s in wanted.items()}
        callers = [r.path for r in running if r.own and r.path not in wanted and r.sources.keys() & wanted.keys()]
        return compile_sources(sources, self._settings, [*wanted, *callers])


def _about(path: str, problems: Sequence[Problem]) -> tuple[Problem, ...]:
    return tuple(p for p in problems if p.file == path)
