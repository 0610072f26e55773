"""Back-pressure: when the database is slower than the messages, less is read, and it is told.

States: *reading*, *paused* (more turns wait for their commit, or more messages are in memory, than the configuration
allows, or for a second on end so much was in hand that a crowd was not read; nothing is fetched until half of it is
done). What is not read waits in its table, in order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Literal, TypeAlias, get_args

import structlog

from daemon.held import Held
from daemon.metrics import Metrics
from daemon.settings_model import Limits

LOOK_SECONDS = 0.005  # between two looks whether it is over
TOLD_SECONDS = 1.0  # a pause so long is worth a line in the log
HELD_BACK_SECONDS = 1.0  # a crowd that is not read for so long, without a break, is told as a pause

Reason: TypeAlias = Literal["turns", "messages"]
SENTENCES: dict[Reason, str] = {
    "turns": "Messages are read more slowly: {count} turns wait for their commit, so the database is the slower part.",
    "messages": "Messages are read more slowly: {count} are in memory, and their conversations take long.",
}

log = structlog.get_logger(__name__)


class Pressure:
    """Whether more may be read."""

    def __init__(self, metrics: Metrics, limits: Limits, turns: Callable[[], int], held: Held) -> None:
        """`turns` tells how many wait for their commit."""
        self._metrics = metrics
        self._counts: dict[Reason, Callable[[], int]] = {"turns": turns, "messages": held.__len__}
        self._most: dict[Reason, int] = {"turns": limits.turns_pending_max, "messages": limits.messages_held_max}
        self.messages_max = limits.messages_held_max
        self._held_back: Reason | None = None
        self._held_back_since = 0.0
        self._paused_at = 0
        self.reason: Reason | None = None
        metrics.turns_pending.set_function(turns)
        metrics.messages_held.set_function(held.__len__)

    @property
    def room(self) -> int:
        """How many messages more may be in memory."""
        return max(0, self._most["messages"] - self._counts["messages"]())

    @property
    def scarce(self) -> bool:
        """Whether half of the room for messages is used: what is many is then read with care."""
        return 2 * self.room <= self._most["messages"]

    @property
    def notes(self) -> tuple[str, ...]:
        """What to tell an operator: nothing while everything is read."""
        return (SENTENCES[self.reason].format(count=self._counts[self.reason]()),) if self.reason else ()

    def hold_back(self, reason: Reason | None) -> None:
        """Take in why a look in a crowd leaves out those who have much in hand; None: it does not."""
        if reason is not self._held_back:
            self._held_back, self._held_back_since = reason, monotonic()

    def judge(self) -> Reason | None:
        """Return why nothing may be read now, or None."""
        reason = self.reason
        if reason is not None and 2 * self._counts[reason]() <= self._paused_at:
            reason = None
        if reason is None:
            full = (name for name in get_args(Reason) if self._counts[name]() >= self._most[name])
            reason = next(full, None)
            self._paused_at = self._most[reason] if reason else 0
        if reason is None and self._held_back and monotonic() - self._held_back_since >= HELD_BACK_SECONDS:
            reason, self._held_back = self._held_back, None
            self._paused_at = self._counts[reason]()
        if reason is not self.reason:
            for name in get_args(Reason):
                self._metrics.backpressure.labels(reason=name).set(name == reason)
            self.reason = reason
        return reason

    async def clear(self) -> None:
        """Return once more may be read."""
        if self.judge() is None:
            return
        loop = asyncio.get_running_loop()
        begun = loop.time()
        told = False
        while (reason := self.judge()) is not None:
            since = loop.time()
            await asyncio.sleep(LOOK_SECONDS)
            self._metrics.backpressure_seconds.labels(reason=reason).inc(loop.time() - since)
            if not told and loop.time() - begun >= TOLD_SECONDS:
                told = True
                log.warning("reading_paused", because=reason, count=self._counts[reason]())
        if told:
            log.info("reading_goes_on", seconds=round(loop.time() - begun, 1))
