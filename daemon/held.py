"""What is held in memory: the messages and signals that a fetch must leave out, and how many of each lane."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from daemon.rows import PendingMessage, Signal

SIGNALS = -1  # the lane of all signals, which are fetched apart


class Held:
    """From the moment that a message is in a mailbox until the commit that used it up, or its actor's end.

    As many as `limits.messages_held_max`, of which the fetcher sees to; signals besides: each mailbox has its bound.
    """

    __slots__ = ("_lanes", "_of")

    def __init__(self) -> None:
        self._of: dict[int, int] = {}
        self._lanes: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._of)

    def __contains__(self, item_id: int) -> bool:
        return item_id in self._of

    @property
    def ids(self) -> Collection[int]:
        """The ids of all."""
        return self._of.keys()

    def add(self, item: PendingMessage | Signal) -> None:
        """Hold one that is not held."""
        lane = item.lane if type(item) is PendingMessage else SIGNALS
        self._of[item.id] = lane
        lanes = self._lanes
        lanes[lane] = lanes[lane] + 1 if lane in lanes else 1

    def let_go(self, ids: Iterable[int]) -> None:
        """Forget those that are held."""
        for item_id in ids:
            lane = self._of.pop(item_id, None)
            if lane is not None:
                left = self._lanes[lane] - 1
                if left:
                    self._lanes[lane] = left
                else:
                    del self._lanes[lane]

    def lanes(self, count_min: int) -> list[int]:
        """Return the lanes of which so many messages or more are held."""
        return [lane for lane, count in self._lanes.items() if count >= count_min and lane != SIGNALS]
