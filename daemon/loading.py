"""Brings executions into memory: their rows, their plans, where they stand. What cannot be read is put aside."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from random import Random
from time import perf_counter
from uuid import UUID

import structlog

from daemon.backoff import Backoff
from daemon.committer import Committer
from daemon.cues import Standing
from daemon.metrics import Metrics
from daemon.plans import NewerPlan, Plans
from daemon.rows import LoadedExecution
from daemon.store import EVERY_BOT, Store
from daemon.turns import standing_of, start_failed
from engine.codec import UnreadablePlan
from engine.errors import ScriptError
from engine.plan import Plan
from engine.state import UnreadableCheckpoint
from engine.values import Value

SLICE_SECONDS = 0.001  # of reading checkpoints, until others have their turn

log = structlog.get_logger(__name__)


class Loading:
    """From ids to what actors begin with."""

    def __init__(self, store: Store, plans: Plans, committer: Committer, metrics: Metrics, random: Random) -> None:
        self._store = store
        self._plans = plans
        self._committer = committer
        self._metrics = metrics
        self._random = random

    async def load(self, ids: Sequence[UUID], present: Collection[UUID]) -> tuple[list[Standing], set[UUID]]:
        """Return where those of the executions stand that may run here, and which ones run no more, here or at all.

        `present` are those in memory already. What is in neither is put aside, or a newer daemon's.
        """
        rows = await self._store.load_executions(ids)
        ended = set(ids).difference([row.id for row in rows if row.status in ("running", "waiting")])
        plans = await self._plans.load({row.plan_hash for row in rows})
        if any(row.mode == "direct" and row.turn > 0 for row in rows):
            # Its state was in the memory of an actor that is gone; whoever looks at the row shall see it.
            await self._store.mark_lost(present)
        given = await self._bot_parameters(rows)
        found = []
        until = perf_counter() + SLICE_SECONDS
        for row in rows:
            if perf_counter() > until:
                await asyncio.sleep(0)
                until = perf_counter() + SLICE_SECONDS
            if row.status in ("running", "waiting") and (row.mode != "direct" or row.turn == 0):
                standing = await self._stand(row, plans[row.plan_hash], given.get(row.bot_id, {}))
                if standing is not None:
                    found.append(standing)
        return found, ended

    async def _bot_parameters(self, rows: list[LoadedExecution]) -> dict[UUID | None, dict[str, Value]]:
        """Return, by bot, the variables that the bot server's configuration gives to scripts that begin now."""
        bots = {row.bot_id for row in rows if row.turn == 0 and row.bot_id is not None and row.bot_id != EVERY_BOT}
        return {bot: await self._store.load_bot_parameters(bot) for bot in bots}

    async def _stand(
        self, row: LoadedExecution, plan: Plan | UnreadablePlan, given: dict[str, Value]
    ) -> Standing | None:
        if isinstance(plan, NewerPlan):
            self._defer(row, plan)
            return None
        if isinstance(plan, UnreadablePlan):
            await self.park(row.id, row.revision, plan)
            return None
        try:
            return standing_of(row, plan, given)
        except UnreadableCheckpoint as error:
            if error.newer:
                self._defer(row, error)
            else:
                await self.park(row.id, row.revision, error)
        except ScriptError as error:
            await self._committer.settle(start_failed(row, plan, error))
        return None

    def _defer(self, row: LoadedExecution, error: Exception) -> None:
        """Leave an execution to a newer daemon, which is there or will be: it is looked at again in every sweep."""
        log.info("execution_deferred", execution=str(row.id), reason=str(error))

    async def still_live(self, ids: Collection[UUID]) -> Collection[UUID]:
        """Return which of them may still run; all, where that cannot be told now."""
        try:
            rows = await self._store.load_executions(ids)
        except Exception as error:  # it is looked at again, and an error here must not end the actors
            log.info("executions_not_checked", error=str(error) or type(error).__name__)
            return ids
        return [row.id for row in rows if row.status in ("running", "waiting")]

    async def park(self, execution_id: UUID, revision: int, error: Exception) -> None:
        """Put an execution aside with its error, for the operator to see; its state stays as it is. For as long as
        the database is away, this goes on trying."""
        problem = f"{type(error).__name__}: {error}"
        log.error("execution_parked", execution=str(execution_id), problem=problem, exc_info=error)
        unreadable = isinstance(error, UnreadableCheckpoint | UnreadablePlan)
        self._metrics.count_error("checkpoint" if unreadable else "poison")
        backoff = Backoff(0.05, 5.0, self._random)
        while True:
            try:
                await self._store.park(execution_id, revision, problem)
                return
            except Exception as trouble:
                log.warning("park_repeated", execution=str(execution_id), error=str(trouble))
                await backoff.pause()
