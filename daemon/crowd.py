"""What the fetcher knows of a crowd: more messages than one look takes.

States: *usual* (one plain statement finds whatever there is), *crowded* (a look came back full, a mailbox was full, or
much of the memory for messages is used: the fair statement looks, until no session has more than a look takes). In a
crowd each lane is looked through from another session on every time, and a lane of which enough is held is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from uuid import UUID

from daemon.held import Held
from daemon.rows import PendingMessage

LOOK_MESSAGES = 256  # in a crowd, so that handing them out does not take long
LANE_HELD = 512  # messages of one lane in hand, while others may wait: two full commits
LANE_FEW = 16  # a lane that has fewer may use the last tenth of the room
THICK = 64  # messages of one lane in one look, from which on it is looked through in parts


@dataclass(frozen=True, slots=True)
class Care:
    """How the fair statement is to look: `thick` lanes from session `start` on, those of `left_out` not at all."""

    thick: Sequence[int]
    start: UUID
    left_out: Sequence[int]


class Crowd:
    """Which statement looks next, and how."""

    def __init__(self, held: Held, random: Random) -> None:
        self._held = held
        self._random = random
        self._thick: list[int] = []
        self.crowded = False
        self.left_out: list[int] = []

    @property
    def unsettled(self) -> bool:
        """Whether something was passed by that a next look may find: on purpose, or behind what is in hand."""
        return self.crowded and bool(self._thick or self.left_out or self._held)

    def care(self, *, short: bool) -> Care:
        """Return how to look. `short`: hardly any room is left."""
        self.left_out = self._held.lanes(LANE_FEW if short else LANE_HELD)
        return Care(self._thick, UUID(int=self._random.getrandbits(128)), self.left_out)

    def learn(self, messages: Sequence[PendingMessage], *, more: bool) -> None:
        """Take in what a look found; `more`: it passed something by."""
        self.crowded = more
        lanes = Counter([m.lane for m in messages]) if more else Counter()
        self._thick = [lane for lane, count in lanes.items() if count >= THICK]
