"""How many of those that are due at once are under way at once, so that who says something meanwhile hardly notices.

They are handed out in slices, small enough that the event loop is soon free again. The next slice comes when there
is room under a limit, which is measured: it grows while a slice is through in little more than the shortest time that
one has taken lately, and shrinks when it takes much longer. That time is what the turn of a message takes too: both
stand in the same queues. Once something has been due for long, more may be under way: all of it has to fire at last.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from uuid import UUID

SLICE = 32
UNDER_WAY_FIRST = 64
SECONDS = 0.01  # a slice may always take this long …
TIMES_THE_SHORTEST = 1.5  # … or this many times the shortest …
FORGOTTEN_A_SLICE = 0.02  # … which is forgotten by this share with every slice, because machines change
PATIENT_SECONDS = 30.0  # when something has been due for longer, it may take longer: …
LATE_SHARE = 1 / 50  # … by this share of the rest
SLOW_SECONDS = 0.25  # what takes longer, by a slow tool or a slow database, keeps nobody waiting


class Pace:
    """The limit, and the slices that are under way."""

    def __init__(self, under_way_max: int) -> None:
        self._most = max(SLICE, under_way_max)
        self._under_way: deque[tuple[float, set[UUID]]] = deque()
        self._shortest = SECONDS
        self.limit = min(UNDER_WAY_FIRST, self._most)

    def handed_out(self, ids: Collection[UUID], now: float) -> None:
        """Note a slice, at a moment in seconds of any steady clock."""
        self._under_way.append((now, set(ids)))

    def room(self, held: Collection[UUID], now: float, late: float) -> bool:
        """Return whether another slice may be handed out, now that these are in hand still.

        `late` is for how many seconds something has been due.
        """
        kept = set(held) if self._under_way else set()
        for handed, ids in list(self._under_way):
            ids &= kept
            if not ids or now - handed > SLOW_SECONDS:
                self._under_way.remove((handed, ids))
                self._resize(now - handed, late)
        return sum(len(ids) for _, ids in self._under_way) + SLICE <= self.limit

    def _resize(self, taken: float, late: float) -> None:
        self._shortest = min(taken, self._shortest * (1 + FORGOTTEN_A_SLICE))
        goal = max(SECONDS, TIMES_THE_SHORTEST * self._shortest) + max(0.0, late - PATIENT_SECONDS) * LATE_SHARE
        if taken <= goal:
            self.limit = min(self.limit + SLICE // 2, self._most)
        elif taken > 2 * goal:
            self.limit = max(self.limit * 3 // 4, SLICE)
