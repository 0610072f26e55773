"""How fast those that are due at once are handed out, so that who says something meanwhile hardly notices.

They go out in slices, at a steady rate: as fast as it takes to have all of them out in good time, and no faster,
because what is left over of the machine is what a message finds. While nobody says anything, there is nobody to be
careful of. Of what was handed out only so much may be under way: a slow database must not collect what it cannot do.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Hashable, Iterator, Sequence
from typing import TypeVar

SLICE = 32
APART = 4  # rows of executions on one page, of the usual size
RATE_LEAST = 1_000.0  # a second; also where few are left
GOAL_SECONDS = 45.0  # all that was due at one moment is out by then; what comes after that, …
HASTE_SECONDS = 5.0  # … or is left by then, within so long
UNDER_WAY_LEAST = 64  # with company; …
UNDER_WAY_SECONDS = 0.05  # … more, where the rate asks for it although each takes so long; …
UNDER_WAY_MAX = 256  # … and this with nobody to be careful of, or when all of it is late
SLOW_SECONDS = 0.25  # what takes longer, by a slow tool or a slow database, keeps nobody waiting
LOOK_SECONDS = 0.002  # between two looks whether there is room

T = TypeVar("T")


def slices_of(due: Sequence[T]) -> Iterator[Sequence[T]]:
    """Give all in slices, with those that come one after the other in different ones, and not in two that follow.

    What fell due at one moment is found in the order of the table. A page has room for a new version of one of its
    rows; the next one finds the room of the last one's old version, once that has been committed.
    """
    count = -(-len(due) // SLICE)
    for first in range(min(APART, count)):
        for place in range(first, count, APART):
            yield due[place::count]


class Pace:
    """When the next slice may go out: the plan, and the slices under way. Moments are seconds of any steady clock."""

    def __init__(self, under_way_max: int = UNDER_WAY_MAX) -> None:
        self._most = max(SLICE, under_way_max)
        self._under_way: deque[tuple[float, set[Hashable]]] = deque()
        self._next = 0.0
        self.rate = RATE_LEAST

    def plan(self, left: int, late: float) -> None:
        """Take in how many are due, and for how many seconds some of them have been."""
        self.rate = max(RATE_LEAST, left / max(HASTE_SECONDS, GOAL_SECONDS - late))

    def handed_out(self, actors: Collection[Hashable], now: float) -> None:
        """Note a slice: it may be smaller than it was meant to be."""
        self._under_way.append((now, set(actors)))
        behind = SLICE / self.rate  # so much may be made up for, not a whole pause of the database
        self._next = max(self._next, now - behind) + len(actors) / self.rate

    def pause(self, busy: Collection[Hashable], now: float, late: float, *, company: bool) -> float:
        """Return the seconds until the next slice may go out, or until it is worth asking again; 0: now.

        `busy` are those that have something to do still, `late` as for plan(); `company`: somebody says something.
        """
        hurry = not company or late > GOAL_SECONDS
        most = self._most if hurry else min(self._most, max(UNDER_WAY_LEAST, int(self.rate * UNDER_WAY_SECONDS)))
        under_way = self._count(busy, now)
        if under_way and under_way + SLICE > most:
            return LOOK_SECONDS
        return max(0.0, self._next - now) if company else 0.0

    def _count(self, busy: Collection[Hashable], now: float) -> int:
        slices, count = self._under_way, 0
        for _ in range(len(slices)):
            handed, actors = slices.popleft()
            actors = {actor for actor in actors if actor in busy}
            if actors and now - handed <= SLOW_SECONDS:
                slices.append((handed, actors))
                count += len(actors)
        return count
