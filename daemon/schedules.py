"""Fires schedules: plans those that are new, starts what is due, and counts when each comes next.

States: *sleeping* (until the next slot by the database's clock, at most `look_seconds_max`; a change of the schedules
wakes it), *settling* (batches, until nothing is due). No timer lives only in memory. Every daemon does this, for all
schedules: whoever comes first settles a slot, and a slot that was started is never started again, because its start has
a key. So neither two daemons nor a clock that is set back start a slot twice.

A slot whose script still runs from the slot before is started all the same: executions without a session do not meet.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from random import Random
from typing import cast
from zoneinfo import ZoneInfo

import structlog

from daemon.backoff import Backoff
from daemon.bell import Bell
from daemon.metrics import Metrics
from daemon.settings_world import Schedules as ScheduleSettings
from daemon.store_faults import Fault, fault_of
from daemon.store_schedules import DueSchedule, Firing, Planned, ScheduleStore
from engine.schedule_slots import LATE_SECONDS, Missed, settle, settle_moment
from engine.schedule_times import BadSchedule, Recurring, check_zone, next_slot, read_moment, read_schedule

BATCH_MAX = 100
FORGET_SECONDS = 3_600.0

log = structlog.get_logger(__name__)


class Schedules:
    """The one task of a daemon that fires schedules. `bell` wakes it."""

    def __init__(
        self, store: ScheduleStore, settings: ScheduleSettings, zone: ZoneInfo, metrics: Metrics, random: Random
    ) -> None:
        self._store = store
        self._settings = settings
        self._zone = zone
        self._metrics = metrics
        self._trouble = Backoff(0.05, 10.0, random)
        self._forget_at = 0.0
        self.bell = Bell()
        self.looking = False

    async def run(self) -> None:
        """Fire until cancelled."""
        pause = 0.0
        while True:
            await self.bell.wait(pause)
            try:
                pause = await self._look()
                self._trouble.reset()
            except Exception as error:
                if fault_of(error) is Fault.REFUSED:
                    raise
                self._metrics.count_error("connection")
                log.warning("schedules_repeated", error=str(error) or type(error).__name__)
                pause = self._trouble.next_pause()

    async def due(self) -> bool:
        """Return whether something is to do."""
        seconds = await self._store.next()
        return seconds is not None and seconds <= 0

    async def _look(self) -> float:
        """Settle all that is due; return the seconds to sleep."""
        self.looking = True
        try:
            while True:
                found = await self._store.fetch(BATCH_MAX)
                new = [s for s in found if not s.planned]
                if new:
                    await self._store.plan([self._plan(s) for s in new])
                due = [self._firing(s) for s in found if s.planned]
                settled = await self._store.fire(due) if due else 0
                if settled:
                    log.info("schedules_fired", schedules=settled, starts=sum(len(f.slots) for f in due))
                if not new and not settled:  # nothing is due, or somebody else has just settled it
                    break
            now = asyncio.get_running_loop().time()
            if now >= self._forget_at:
                self._forget_at = now + FORGET_SECONDS
                await self._store.forget()
            seconds = await self._store.next()
        finally:
            self.looking = False
        longest = self._settings.look_seconds_max
        return longest if seconds is None else min(max(seconds, 0.0), longest)

    def _plan(self, s: DueSchedule) -> Planned:
        """Return how a new schedule is read. What it says relatively counts from when it was made."""
        try:
            zone = self._zone_of(s)
            if s.cron is None:
                at = s.at or read_moment(s.what, s.created_at, zone)
                if at is not None:
                    past = at < s.created_at - timedelta(seconds=LATE_SECONDS)
                    return Planned(s.id, at=at, next_at=None if past else at)
            recurring = read_schedule(s.what) if s.cron is None else Recurring(s.cron, s.zone or "")
            if recurring.zone:
                zone = ZoneInfo(recurring.zone)
            return Planned(s.id, recurring.cron, recurring.zone or None, next_at=next_slot(recurring, zone, s.settled))
        except BadSchedule as error:
            log.error("schedule_broken", schedule=s.id, problem=error.message)
            return Planned(s.id, problem=f"{error.message}; {error.hint}")

    def _firing(self, s: DueSchedule) -> Firing:
        """Return what is due of a schedule."""
        assert s.next_at is not None
        try:
            return self._settled(s, s.next_at)
        except (BadSchedule, ValueError, OverflowError) as error:
            # Its text was read once, so its zone has gone, or another version of us read it.
            log.error("schedule_broken", schedule=s.id, problem=str(error))
            return Firing(s.id, s.next_at, (), s.now, None, f"its time cannot be counted any more: {error}")

    def _settled(self, s: DueSchedule, next_at: datetime) -> Firing:
        missed = cast(Missed, s.missed or self._settings.missed)
        if s.cron is None:
            done = settle_moment(next_at, s.now, missed)
        else:
            recurring = Recurring(s.cron, s.zone or "")
            # Never before the slot that was counted last: a clock that was set back finds nothing new there.
            settled = max(s.settled, next_at - timedelta(microseconds=1))
            done = settle(recurring, self._zone_of(s), settled, s.now, missed, self._settings.missed_max)
        slots, following = done.start, done.next_at
        if s.once:
            slots, following = slots[:1], None if slots else following
        return Firing(s.id, next_at, slots, done.settled, following)

    def _zone_of(self, s: DueSchedule) -> ZoneInfo:
        if not s.zone:
            return self._zone
        check_zone(s.zone)
        return ZoneInfo(s.zone)
