"""What is held in memory: the messages and signals that a fetch must leave out, and how many of each bot."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from daemon.rows import PendingMessage, Signal, bot_of_lane

SIGNALS = -1  # stands for the bot of all signals, which are fetched apart


class Held:
    """From the moment that a message is in a mailbox until the commit that used it up, or its actor's end.

    As many as `limits.messages_held_max`, of which the fetcher sees to; signals besides: each mailbox has its bound.
    """

    __slots__ = ("_bots", "_of")

    def __init__(self) -> None:
        self._of: dict[int, int] = {}
        self._bots: dict[int, int] = {}

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
        bot = bot_of_lane(item.lane) if type(item) is PendingMessage else SIGNALS
        self._of[item.id] = bot
        bots = self._bots
        bots[bot] = bots[bot] + 1 if bot in bots else 1

    def let_go(self, ids: Iterable[int]) -> None:
        """Forget those that are held."""
        for item_id in ids:
            bot = self._of.pop(item_id, None)
            if bot is not None:
                left = self._bots[bot] - 1
                if left:
                    self._bots[bot] = left
                else:
                    del self._bots[bot]

    def bots(self, count_min: int) -> list[int]:
        """Return the bots of which so many messages or more are held."""
        return [bot for bot, count in self._bots.items() if count >= count_min and bot != SIGNALS]
