"""Finds executions whose time has come, and signals to them; hands out published events.

Starts, deadlines, resumes and retries are all `wake_at <= now`; a signal is a row of its own.

States: *sleeping* (until the next wake_at by the database's clock, at most one sweep; a commit of ours with an
earlier one, or a notification, wakes it), *handing out* (of each lane in turn, until no more is due; where many are
due at once, in slices, at the pace of daemon.pacing, with signals and events after every few of them).
No timer lives only in memory: what is slept for is only a guess of when looking is worth while.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from math import inf
from random import Random
from time import monotonic

import structlog

from daemon.backoff import Backoff
from daemon.metrics import Metrics
from daemon.pacing import SLICE, UNDER_WAY_MAX, Pace, slices_of
from daemon.partitions import Partitions
from daemon.pressure import Pressure
from daemon.rows import DueExecution
from daemon.store import Store
from daemon.store_faults import Fault, fault_of
from daemon.supervisor import Supervisor

AGAIN_SECONDS = 0.01  # what is due cannot be taken yet: no room, or it is in hand already
WANTED_LEAST, WANTED_MAX = 4 * SLICE, 16 * SLICE  # in one look: about as many as are handed out until the next one
COUNT_SECONDS = 5.0  # between two counts of what is due, while there is more of it than one look finds
COUNT_MAX = 300_000
FIRE_SECONDS = 0.15  # so long a signal, or the start of another lane, may go unseen
COMPANY_SECONDS = 1.0  # whoever said something so lately may say more
LANES = 1 << 63

log = structlog.get_logger(__name__)


class Scheduler:
    """The one task that fetches what is due."""

    def __init__(
        self,
        store: Store,
        supervisor: Supervisor,
        partitions: Partitions,
        metrics: Metrics,
        random: Random,
        pressure: Pressure,
        *,
        batch_max: int,
        sweep_seconds: float,
    ) -> None:
        self._store = store
        self._supervisor = supervisor
        self._partitions = partitions
        self._metrics = metrics
        self._pressure = pressure
        self._batch_max = batch_max
        self._sweep_seconds = sweep_seconds
        self._trouble = Backoff(0.02, 5.0, random)
        self._random = random
        self._pace = Pace(min(batch_max, UNDER_WAY_MAX))
        self._began, self._counted, self._wanted = 0.0, -inf, WANTED_MAX
        self.looking = False

    async def run(self) -> None:
        """Hand out what is due until cancelled."""
        loop = asyncio.get_running_loop()
        pause = 0.0
        while True:
            self._supervisor.due_at = loop.time() + pause
            await self._supervisor.due_bell.wait(pause)
            try:
                pause = await self._hand_out() if self._partitions.owned else self._sweep_seconds
                self._trouble.reset()
            except Exception as error:
                if fault_of(error) is Fault.REFUSED:
                    raise
                self._metrics.count_error("connection")
                log.warning("fetch_due_repeated", error=str(error) or type(error).__name__)
                pause = self._trouble.next_pause()

    async def _tell_events(self) -> None:
        """Hand out events: those that nobody has looked at, and early ones that are waited for now."""
        names = self._supervisor.events_awaited.take()
        try:
            await self._store.tell_events(names)
        except BaseException:
            self._supervisor.events_awaited.names = None
            raise

    async def _hand_out(self) -> float:
        """Hand out everything that is due; return the seconds to sleep."""
        supervisor = self._supervisor
        self._began, self._counted = asyncio.get_running_loop().time(), -inf
        self._pace.plan(0, 0.0)
        self.looking = True
        try:
            while True:
                await self._tell_events()
                await self._deliver_signals()
                await self._pressure.clear()
                wanted = min(self._batch_max, self._wanted)
                due = await self._store.fetch_due(supervisor.held_due, wanted, self._random.randrange(LANES))
                if len(due) == wanted:
                    await self._plan()
                taken, handled = await self._fire(due)
                self._wanted = min(2 * wanted, WANTED_MAX) if handled else max(taken + SLICE, WANTED_LEAST)
                if not taken or (handled and len(due) < wanted):
                    break
            if due and not taken:
                return AGAIN_SECONDS
            seconds = await self._store.next_due(supervisor.held_due)
        finally:
            self.looking = False
        if seconds is None:
            return self._sweep_seconds
        return min(max(seconds, AGAIN_SECONDS if seconds < 0 else 0.0), self._sweep_seconds)

    async def _deliver_signals(self) -> None:
        while True:
            await self._pressure.clear()
            signals = await self._store.fetch_signals(self._supervisor.held, self._batch_max)
            if not signals or not await self._supervisor.deliver(signals) or len(signals) < self._batch_max:
                return

    async def _plan(self) -> None:
        """Count what is due, now and then, for the pace to have it all out in good time."""
        now = asyncio.get_running_loop().time()
        if now - self._counted >= COUNT_SECONDS:
            self._counted = now
            self._pace.plan(await self._store.count_due(COUNT_MAX), now - self._began)

    async def _fire(self, due: Sequence[DueExecution]) -> tuple[int, bool]:
        """Hand out what is due, slice by slice, for as long as nothing else has to be looked for; return how many were
        taken, and whether that was all."""
        loop, pace, taken = asyncio.get_running_loop(), self._pace, 0
        until = loop.time() + FIRE_SECONDS
        for part in slices_of(due):
            if taken and loop.time() > until:
                return taken, False
            while pause := self._pause():  # noqa: ASYNC110 - for a moment, not for an event
                await asyncio.sleep(pause)
            actors = await self._supervisor.deliver_due(part)
            pace.handed_out(actors, loop.time())
            taken += len(actors)
        return taken, True

    def _pause(self) -> float:
        supervisor, now = self._supervisor, asyncio.get_running_loop().time()
        company = monotonic() - supervisor.heard_at < COMPANY_SECONDS
        return self._pace.pause(supervisor.busy, now, now - self._began, company=company)
