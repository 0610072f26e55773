"""The pace at which what is due at once is handed out, with a clock of its own."""

from __future__ import annotations

from itertools import chain, count, pairwise
from random import Random

import pytest

from daemon.pacing import GOAL_SECONDS, HASTE_SECONDS, RATE_LEAST, SLICE, SLOW_SECONDS, UNDER_WAY_LEAST, Pace, slices_of


class Crowd:
    """So many that are due, each of which takes so long."""

    def __init__(self, due: int, seconds: float, *, random: Random | None = None, company: bool = True) -> None:
        self.due, self.seconds, self.company = due, seconds, company
        self.random = random
        self.now = self.most = 0.0
        self.busy: dict[int, float] = {}

    def fire(self, pace: Pace, late: float = 0.0) -> float:
        """Hand all out as the scheduler does; return when the last went out."""
        names, left = count(), self.due
        while left:
            if left % (16 * SLICE) == 0 or left == self.due:
                pace.plan(left, late + self.now)
            while pause := pace.pause(self._still(), self.now, late + self.now, company=self.company):
                self.now += pause
            slice_ = [next(names) for _ in range(min(SLICE, left))]
            took = self.seconds * (self.random.uniform(0.8, 1.2) if self.random else 1.0)
            self.busy |= dict.fromkeys(slice_, self.now + took)
            pace.handed_out(slice_, self.now)
            self.most = max(self.most, len(self.busy))
            left -= len(slice_)
        return self.now

    def _still(self) -> dict[int, float]:
        self.busy = {name: end for name, end in self.busy.items() if end > self.now}
        return self.busy


@pytest.mark.parametrize("count", [0, 1, SLICE, SLICE + 1, 5 * SLICE, 1000])
def test_slices_are_of_all_and_of_no_neighbours(count: int) -> None:
    slices = [list(part) for part in slices_of(range(count))]
    assert sorted(chain(*slices)) == list(range(count)) and all(0 < len(part) <= SLICE for part in slices)
    if len(slices) >= 16:
        for one, next_ in pairwise(slices):
            together = sorted(one + next_)
            assert all(b - a >= 4 for a, b in pairwise(together))


def test_few_are_out_at_once() -> None:
    assert Crowd(SLICE, 0.01).fire(Pace()) == 0
    assert Crowd(10 * SLICE, 0.01).fire(Pace()) <= 10 * SLICE / RATE_LEAST


@pytest.mark.parametrize("due", [30_000, 100_000, 200_000])
def test_all_are_out_in_good_time_and_as_evenly_as_that_allows(due: int, rng: Random) -> None:
    pace, crowd = Pace(), Crowd(due, 0.005, random=rng)
    out = crowd.fire(pace)
    assert min(GOAL_SECONDS, due / RATE_LEAST) * 0.9 <= out <= GOAL_SECONDS + 2 * HASTE_SECONDS
    assert crowd.most <= 2 * UNDER_WAY_LEAST


def test_a_machine_that_falls_behind_has_more_under_way() -> None:
    crowd = Crowd(60_000, 0.08)
    assert crowd.fire(Pace()) <= GOAL_SECONDS + 3 * HASTE_SECONDS
    assert crowd.most > 2 * UNDER_WAY_LEAST


def test_with_nobody_to_be_careful_of_they_go_as_fast_as_they_are_done() -> None:
    crowd = Crowd(10_000, 0.01, company=False)
    assert crowd.fire(Pace()) <= 1.0 and crowd.most > UNDER_WAY_LEAST


def test_a_slow_database_is_not_buried() -> None:
    crowd = Crowd(2_000, 0.2)
    crowd.fire(Pace())
    assert crowd.most <= UNDER_WAY_LEAST


def test_a_pause_of_the_database_is_not_made_up_for_in_one_go() -> None:
    pace = Pace()
    pace.handed_out(range(SLICE), 0.0)
    pace.handed_out(range(SLICE), 10.0)
    pace.handed_out(range(SLICE), 10.0)
    assert pace.pause((), 10.0, 0.0, company=True) > 0


def test_what_is_late_may_have_more_under_way() -> None:
    patient, late = Crowd(5_000, 0.2), Crowd(5_000, 0.2)
    assert 2 * late.fire(Pace(), late=GOAL_SECONDS + 1) < patient.fire(Pace())


def test_a_slow_tool_keeps_nobody_waiting() -> None:
    assert Crowd(3 * UNDER_WAY_LEAST, 60.0).fire(Pace()) <= 4 * (SLOW_SECONDS + 0.01)
