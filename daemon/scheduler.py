"""Finds executions whose time has come, and signals to them; hands out published events.

Starts, deadlines, resumes and retries are all `wake_at <= now`; a signal is a row of its own.

States: *sleeping* (until the next wake_at by the database's clock, at most one sweep; a commit of ours with an
earlier one, or a notification, wakes it), *handing out* (batches, the longest due first, until no more is due).
No timer lives only in memory: what is slept for is only a guess of when looking is worth while.
"""

from __future__ import annotations

import asyncio
from random import Random

import structlog

from daemon.backoff import Backoff
from daemon.metrics import Metrics
from daemon.partitions import Partitions
from daemon.pressure import Pressure
from daemon.store import Store
from daemon.store_faults import Fault, fault_of
from daemon.supervisor import Supervisor

AGAIN_SECONDS = 0.01  # what is due cannot be taken yet: no room, or it is in hand already

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
        names, self._supervisor.events_awaited = self._supervisor.events_awaited, set()
        try:
            await self._store.tell_events(names)
        except BaseException:
            self._supervisor.events_awaited = None
            raise

    async def _hand_out(self) -> float:
        """Hand out everything that is due; return the seconds to sleep."""
        supervisor = self._supervisor
        self.looking = True
        try:
            await self._tell_events()
            while True:
                await self._pressure.clear()
                signals = await self._store.fetch_signals(supervisor.held, self._batch_max)
                if not signals or not await supervisor.deliver(signals) or len(signals) < self._batch_max:
                    break
            while True:
                await self._pressure.clear()
                due = await self._store.fetch_due(supervisor.held_due, self._batch_max)
                taken = await supervisor.deliver_due(due) if due else 0
                if len(due) < self._batch_max or not taken:
                    break
            if due and not taken:
                return AGAIN_SECONDS
            seconds = await self._store.next_due(supervisor.held_due)
        finally:
            self.looking = False
        if seconds is None:
            return self._sweep_seconds
        return min(max(seconds, AGAIN_SECONDS if seconds < 0 else 0.0), self._sweep_seconds)
