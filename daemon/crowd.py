"""What the fetcher knows of a crowd: more messages than one look takes.

States: *usual* (one plain statement finds whatever there is), *crowded* (a look came back full, a mailbox was full, or
much of the memory for messages is used: the fair statement looks, until it passes nothing by, or what it passes by is
heard by nobody: then the plain one sees whether anything is left). In a crowd each look goes on in every lane where the
last one ended, and bots with enough in hand are left out: so what is in memory, and what one look takes, keep the
database busy and no more, and somebody who has just come waits for a commit or two.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TypeAlias
from uuid import UUID

from daemon.held import Held
from daemon.rows import bot_of_lane

LOOK_MESSAGES = 32  # in a crowd, so that running them does not take long
COMMIT_TURNS = 64  # in a crowd, so that whoever comes waits for a few milliseconds of others' turns
BOT_FEW = 16  # a bot that has fewer in hand is read for also while the others have enough
LANE_SESSIONS = 8  # wanted at least of a lane in which many were found
FRUITLESS_MAX = 8  # looks that find nothing, one after the other, after which a crowd is over

Place: TypeAlias = tuple[int, UUID]  # a partition and a session: up to where a lane was looked through


@dataclass(frozen=True, slots=True)
class Care:
    """How the fair statement is to look: `left_out` bots not at all, lanes of `go_on` from there, for `wanted` sessions
    of each; bots from `first` on come first."""

    left_out: Sequence[int] = ()
    go_on: Mapping[int, Place] = field(default_factory=dict)
    wanted: int = LOOK_MESSAGES
    first: int = 0


class Crowd:
    """Which statement looks next, and how."""

    def __init__(self, held: Held, random: Random, *, bot_held_max: int) -> None:
        self._held = held
        self._random = random
        self._bot_held_max = bot_held_max
        self._go_on: dict[int, Place] = {}
        self._left_out: Collection[int] = ()
        self._fruitless = 0
        self.crowded = False

    @property
    def unsettled(self) -> bool:
        """Whether something was passed by that a next look may find: on purpose, or behind what is in hand."""
        return self.crowded and bool(self._go_on or self._left_out or self._held)

    def care(self, *, enough: bool) -> Care:
        """Return how to look. `enough`: as much is in hand as keeps the database busy, or memory is short."""
        self._left_out = self._held.bots(min(BOT_FEW, self._bot_held_max) if enough else self._bot_held_max)
        bots = {bot_of_lane(lane) for lane in self._go_on}.difference(self._left_out)
        wanted = max(LANE_SESSIONS, -(-LOOK_MESSAGES // max(1, len(bots))))
        return Care(list(self._left_out), dict(self._go_on), wanted, self._random.getrandbits(31))

    def learn(self, found: int, go_on: Mapping[int, Place], *, more: bool) -> None:
        """Take in how many a look found, and where it ended in lanes that may have more.

        `more`: it passed something by.
        """
        left_out = frozenset(self._left_out)
        kept = {lane: place for lane, place in self._go_on.items() if bot_of_lane(lane) in left_out} if more else {}
        self._go_on = {**kept, **go_on}
        searching = self.crowded and not (found or left_out or self._held)
        self._fruitless = self._fruitless + 1 if searching else 0
        self.crowded = more and self._fruitless < FRUITLESS_MAX
        if not self.crowded:
            self._left_out = ()
