"""What of a schedule is due: which slots are started, which are passed over, and when it comes next. Pure.

A slot is *missed* when nobody was there for a minute after it. The policy says what becomes of those: `skip` passes
them over, `once` starts the schedule once for all of them (its last slot), `all` starts each, the last so many.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from engine.schedule_times import Recurring, next_slot, slots

Missed = Literal["skip", "once", "all"]
LATE_SECONDS = 60.0
_LATE = timedelta(seconds=LATE_SECONDS)
# How far back to look for what was missed: a little first, so that a long sleep costs no more than what it can start.
_SPANS = tuple(timedelta(seconds=s) for s in (120, 3_600, 86_400, 40 * 86_400, 800 * 86_400))


@dataclass(frozen=True, slots=True)
class Settlement:
    """What happens now: the slots to start, up to when everything is settled, and the next slot, if one comes."""

    start: tuple[datetime, ...]
    settled: datetime
    next_at: datetime | None


def settle(
    recurring: Recurring, zone: ZoneInfo, settled: datetime, now: datetime, missed: Missed, slots_max: int
) -> Settlement:
    """Return what is due of a recurring schedule that is settled up to a moment. All times are aware; `slots_max`
    bounds how many slots are started at once, the last ones."""
    due = _last_due(recurring, zone, settled, now, slots_max)
    fresh = [slot for slot in due if slot > now - _LATE]
    if missed == "skip" or len(fresh) == len(due):
        start = fresh
    else:
        start = due if missed == "all" else due[-1:]
    until = max(settled, now)
    return Settlement(tuple(start), until, next_slot(recurring, zone, until))


def settle_moment(at: datetime, now: datetime, missed: Missed) -> Settlement:
    """Return what is due of one moment that has come: it is started, however late, unless the policy is to skip."""
    late = at <= now - _LATE
    return Settlement(() if late and missed == "skip" else (at,), max(at, now), None)


def _last_due(recurring: Recurring, zone: ZoneInfo, settled: datetime, now: datetime, count: int) -> list[datetime]:
    """Return the last `count` slots that are not settled and not in the future."""
    for span in (*_SPANS, None):
        start = settled if span is None else max(settled, now - span)
        last: deque[datetime] = deque(maxlen=count)
        for slot in slots(recurring, zone, start):
            if slot > now:
                break
            last.append(slot)
        if start == settled or len(last) == count:
            return list(last)
    raise AssertionError("the last span reaches back to what is settled")
