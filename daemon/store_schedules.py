"""The statements of schedules: what the daemon plans and fires, what operators list and do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec

from daemon.rows import Outcome
from daemon.statements import query
from daemon.store import Pool


@dataclass(frozen=True, slots=True)
class DueSchedule:
    """A schedule that is due, or not planned yet. `now` is the database's clock when it was read; `settled` is the
    moment up to which its slots are dealt with."""

    id: int
    what: str
    cron: str | None
    zone: str | None
    at: datetime | None
    once: bool
    missed: str | None
    settled: datetime
    next_at: datetime | None
    planned: bool
    created_at: datetime
    now: datetime


@dataclass(frozen=True, slots=True)
class Planned:
    """How a schedule was read: its cron text and zone or its one moment, its next slot, or what is wrong with it."""

    id: int
    cron: str | None = None
    zone: str | None = None
    at: datetime | None = None
    next_at: datetime | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Firing:
    """What is due of one schedule: the slots to start, and where it stands then. `expected` is the next slot as it was
    read: somebody who has settled it meanwhile has changed it."""

    id: int
    expected: datetime
    slots: tuple[datetime, ...]
    settled: datetime
    next: datetime | None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class ListedSchedule:
    """A schedule in a list. `status` is active, paused, done or broken."""

    id: int
    bot_id: UUID
    script: str
    procedure: str | None
    step: int | None
    what: str
    cron: str | None
    zone: str | None
    origin: str
    status: str
    next_at: datetime | None
    last_slot: datetime | None
    fired: int
    last_execution_id: UUID | None
    last_status: str | None
    problem: str | None
    now: datetime


class ScheduleStore:
    """The statements of schedules, on a pool of open_pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def fetch(self, limit: int) -> list[DueSchedule]:
        """Return schedules to plan and schedules that are due, `limit` of each."""
        return [DueSchedule(*row) for row in await self._pool.fetch(query("fetch_schedules"), limit)]

    async def next(self) -> float | None:
        """Return the seconds until the next slot (not above 0: something is to do), or None if none comes."""
        seconds: float | None = await self._pool.fetchval(query("next_schedule"))
        return seconds

    async def plan(self, plans: Sequence[Planned]) -> None:
        """Store how schedules were read."""
        rows = [(p.id, p.cron, p.zone, p.at, p.next_at, p.problem) for p in plans]
        await self._pool.executemany(query("plan_schedule"), rows)

    async def fire(self, firings: Sequence[Firing]) -> int:
        """Start what is due, each slot once; return how many schedules nobody else had settled."""
        text = msgspec.json.encode(firings).decode()
        count: int = await self._pool.fetchval(query("fire_schedules"), text)
        return count

    async def forget(self) -> None:
        """Delete what scripts asked for and ran once, more than a day ago."""
        await self._pool.execute(query("forget_schedules"))

    async def list(self, *, script: str | None = None, id: int | None = None) -> list[ListedSchedule]:
        """Return schedules, a thousand at most, what comes next first."""
        return [ListedSchedule(*row) for row in await self._pool.fetch(query("list_schedules"), script, id)]

    async def pause(self, id: int) -> Outcome:
        """Have a schedule start nothing until it is resumed."""
        return await self._act("pause_schedule", id)

    async def resume(self, id: int) -> Outcome:
        """Let a paused schedule go on from now."""
        return await self._act("resume_schedule", id)

    async def trigger(self, id: int) -> Outcome:
        """Start what a schedule is about now."""
        return await self._act("trigger_schedule", id)

    async def backfill(self, id: int, slots: Sequence[datetime]) -> int:
        """Start slots that have not been started; return how many that were."""
        count: int = await self._pool.fetchval(query("backfill_schedule"), id, list(slots))
        return count

    async def _act(self, name: str, id: int) -> Outcome:
        row = await self._pool.fetchrow(query(name), id)
        assert row is not None
        return Outcome(*row)
