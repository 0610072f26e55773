"""What is held in memory, so that a fetch must leave it out; what was passed over; which events are looked for."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from uuid import UUID

from daemon.rows import PendingMessage, Signal, bot_of_lane

PASSED_OVER_MAX = 10_000
EVENTS_AWAITED_MAX = 1_000  # names; with more, all that are waited for are looked at
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


class PassedOver:
    """What could not be taken, so that it hides nobody behind it: messages and signals by their ids, and executions
    that are due."""

    __slots__ = ("due", "ids")

    def __init__(self) -> None:
        self.ids: set[int] = set()
        self.due: set[UUID] = set()

    def __bool__(self) -> bool:
        return bool(self.ids or self.due)

    def add(self, items: Iterable[PendingMessage | Signal]) -> None:
        """Leave these out of what is fetched; not if they are too many by far, which then come again and again."""
        if len(self.ids) < PASSED_OVER_MAX:
            self.ids.update([item.id for item in items])

    def add_due(self, execution_id: UUID) -> None:
        """Leave this one out of what is due."""
        if len(self.due) < PASSED_OVER_MAX:
            self.due.add(execution_id)

    def clear(self) -> None:
        """Try all of it again."""
        self.ids.clear()
        self.due.clear()


class Awaited:
    """Names of events to look for, because somebody began to wait: None stands for all, as after a start."""

    __slots__ = ("names",)

    def __init__(self) -> None:
        self.names: set[str] | None = None

    def add(self, names: Iterable[str]) -> None:
        """Have these looked for."""
        if self.names is not None:
            self.names.update(names)
            if len(self.names) > EVENTS_AWAITED_MAX:
                self.names = None

    def take(self) -> set[str] | None:
        """Return what to look for now."""
        names, self.names = self.names, set()
        return names
