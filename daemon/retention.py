"""Deletes what is past: in small portions, with long pauses, one daemon at a time; and makes the months of history.

States: *sleeping* (until the next look), *looking* (months are made; is it due, and does nobody else do it?), *pruning*
(portion after portion; the lease on the chore is prolonged meanwhile). Whatever interrupts it leaves whole portions,
and the next who comes begins anew: what is gone is not found again. A portion that took long, because it was large or
because the database is busy, makes the next ones smaller and the pause before them longer.
"""

from __future__ import annotations

from asyncio import get_running_loop, sleep
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from random import Random

import structlog

from daemon.bell import Bell
from daemon.metrics import Metrics
from daemon.settings_model import Retention as RetentionSettings
from daemon.store import Pool
from daemon.store_retention import Aged, Portion, RetentionStore

DAY_SECONDS = 86_400.0
LOOK_SECONDS = 600.0
DUE_SECONDS = 21_600.0  # between two passes, whoever makes them: ages are in days
HELD_SECONDS = 4_000.0  # longer than the longest portion
PORTION_ROWS_FIRST = 200
PORTION_ROWS_MIN, PORTION_ROWS_MAX = 10, 1_000
SLOW_SECONDS, FAST_SECONDS = 0.25, 0.05
REST_TIMES = 9  # at most a tenth of the time is spent deleting
REST_SECONDS_MIN, REST_SECONDS_MAX = 0.02, 60.0

log = structlog.get_logger(__name__)


def aged_by(settings: RetentionSettings, ended_seconds: float | None = None) -> list[Aged]:
    """Return what is past by the configuration, in the order in which it goes; `ended_seconds` replaces ended_days."""

    def seconds(days: int) -> float | None:
        return days * DAY_SECONDS or None

    executions = seconds(settings.ended_days) if ended_seconds is None else ended_seconds
    ended, live = seconds(settings.history_days), seconds(settings.live_history_days)
    found: list[Aged] = []
    # Months first: what goes with its table need not go row by row with its execution.
    if ages := [age for age in (executions, ended, live) if age is not None]:
        found.append(Aged("history", min(ages), ended, live))
    if executions is not None:
        found.append(Aged("executions", executions))
    if ages:
        found.append(Aged("history_default", min(ages), ended, live))
    if replies := [age for age in (ended, live) if age is not None]:
        found.append(Aged("replies", min(replies), ended, live))
    if unheard := seconds(settings.unheard_days):
        found.append(Aged("unheard", unheard))
    if events := seconds(settings.events_days):
        found.append(Aged("events", events))
    if ids := seconds(settings.message_ids_days):
        found.append(Aged("message_ids", ids))
    if plans := seconds(settings.plans_days):
        found.append(Aged("plans", plans))
    return found


async def portions(
    store: RetentionStore, aged: list[Aged], *, really: bool, rest: Callable[[float], Awaitable[None]]
) -> AsyncIterator[Portion]:
    """Delete, or only count, all that is past, portion by portion; `rest` is told the seconds that each took.

    Raises what the store raises; what was given until then is done.
    """
    loop = get_running_loop()
    for one in aged:
        after: str | None = ""
        rows = PORTION_ROWS_FIRST
        while after is not None:
            began = loop.time()
            portion = await store.prune(one, after, rows, really=really)
            took = loop.time() - began
            yield portion
            if took > SLOW_SECONDS:
                rows = max(PORTION_ROWS_MIN, rows // 2)
            elif took < FAST_SECONDS:
                rows = min(PORTION_ROWS_MAX, rows * 2)
            after = portion.next
            await rest(took)


class Retention:
    """The one task of a daemon that deletes what is past. `bell` makes it look at once."""

    def __init__(self, pool: Pool, settings: RetentionSettings, holder: str, metrics: Metrics, random: Random) -> None:
        self._store = RetentionStore(pool, holder)
        self._aged = aged_by(settings)
        self._metrics = metrics
        self._random = random
        self.bell = Bell()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                await self._look()
            except Exception as error:  # whatever it is: what is past can wait until the next look
                self._metrics.count_error("database")
                log.warning("retention_put_off", error=str(error) or type(error).__name__, seconds=LOOK_SECONDS)
            # Never two daemons in step.
            await self.bell.wait(LOOK_SECONDS * (0.5 + self._random.random()))

    async def _look(self) -> None:
        """Make months; delete, if it is due and nobody else does."""
        made = await self._store.make_history()
        if made:
            log.info("history_made", months=made)
        if self._aged and await self._store.take(HELD_SECONDS, DUE_SECONDS):
            await self._prune()
        done_at = await self._store.done_at()
        if done_at is not None:
            self._metrics.pruned_timestamp_seconds.set(done_at)

    async def _prune(self) -> None:
        """Delete all that is past."""
        deleted: Counter[str] = Counter()
        kept_at = get_running_loop().time()
        async for portion in portions(self._store, self._aged, really=True, rest=self._rest):
            deleted.update(portion.deleted)
            for table, rows in portion.deleted.items():
                self._metrics.pruned_rows.labels(table=table).inc(rows)
            if get_running_loop().time() - kept_at > HELD_SECONDS / 100:
                kept_at = get_running_loop().time()
                if not await self._store.keep(HELD_SECONDS):
                    return
        told = {table: rows for table, rows in deleted.items() if rows}
        await self._store.end(told)
        if told:
            log.info("retention_done", rows=sum(told.values()), tables=len(told))

    async def _rest(self, seconds: float) -> None:
        """Leave the database to the others for a multiple of what the last portion took."""
        await sleep(min(REST_SECONDS_MAX, max(REST_SECONDS_MIN, seconds * REST_TIMES)))
