"""How long to wait before something is tried again: growing, bounded, and never two daemons in step."""

from __future__ import annotations

import asyncio
from random import Random

EXPONENT_MAX = 30  # 2 ** 30 first pauses are beyond any bound; more would only overflow


class Backoff:
    """Pauses that double from `first` to `longest` seconds, each shortened by up to half at random."""

    __slots__ = ("_attempts", "_first", "_longest", "_random")

    def __init__(self, first: float, longest: float, random: Random) -> None:
        self._first = first
        self._longest = longest
        self._random = random
        self._attempts = 0

    @property
    def attempts(self) -> int:
        """How often there was a pause since the last success."""
        return self._attempts

    def next_pause(self) -> float:
        """Return the next pause in seconds."""
        pause = min(self._longest, self._first * 2.0 ** min(self._attempts, EXPONENT_MAX))
        self._attempts += 1
        return pause * (0.5 + self._random.random() / 2)

    def reset(self) -> None:
        """Say that it worked: the next pause is a short one again."""
        self._attempts = 0

    async def pause(self) -> None:
        """Wait for the next pause."""
        await asyncio.sleep(self.next_pause())
