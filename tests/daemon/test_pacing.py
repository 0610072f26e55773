"""The pace at which what is due at once is handed out, with a clock of its own."""

from __future__ import annotations

from itertools import count
from random import Random
from uuid import UUID

from daemon.pacing import PATIENT_SECONDS, SLICE, SLOW_SECONDS, Pace


def run(pace: Pace, slices: int, seconds: float, *, late: float = 0.0, random: Random | None = None) -> float:
    """Hand out slices as the scheduler does, each through after so long; return when the last was handed out."""
    names, now = count(), 0.0
    held: dict[UUID, float] = {}
    for _ in range(slices):
        while True:
            held = {name: end for name, end in held.items() if end > now}
            if pace.room(held, now, late):
                break
            now += 0.001
        ids = [UUID(int=next(names)) for _ in range(SLICE)]
        pace.handed_out(ids, now)
        took = seconds * (random.uniform(0.8, 1.2) if random else 1.0)
        held |= dict.fromkeys(ids, now + took)
    return now


def test_it_speeds_up_where_nothing_gets_slower(rng: Random) -> None:
    pace = Pace(256)
    run(pace, 400, 0.008, random=rng)
    assert pace.limit > 200


def test_it_slows_down_where_more_at_once_take_longer() -> None:
    pace = Pace(256)
    run(pace, 100, 0.008)
    run(pace, 100, 0.1)
    assert pace.limit <= 4 * SLICE


def test_it_hurries_once_something_has_been_due_for_long() -> None:
    patient, hurrying = Pace(256), Pace(256)
    for pace, late in ((patient, 0.0), (hurrying, PATIENT_SECONDS + 20)):
        run(pace, 50, 0.005)
        run(pace, 200, 0.06, late=late)
    assert hurrying.limit > 2 * patient.limit


def test_a_slow_tool_keeps_nobody_waiting() -> None:
    pace = Pace(SLICE)
    assert run(pace, 3, 60.0) <= 3 * (SLOW_SECONDS + 0.01)
