"""A bell that is heard once however often it rings, and never missed: how tasks of the daemon wake each other."""

from __future__ import annotations

import asyncio


class Bell:
    """States: *quiet*, *rung* (somebody rang since the last wait), *awaited* (one task sleeps here).

    Ringing is a plain call without an await, so a ring between looking and sleeping is not lost.
    """

    __slots__ = ("_rung", "_waiter")

    def __init__(self) -> None:
        self._rung = False
        self._waiter: asyncio.Future[None] | None = None

    @property
    def rung(self) -> bool:
        """Whether the next wait returns at once."""
        return self._rung

    @property
    def awaited(self) -> bool:
        """Whether a task sleeps here and nobody has rung."""
        return self._waiter is not None and not self._rung

    def ring(self) -> None:
        """Wake whoever waits, now or next."""
        self._rung = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self, seconds_max: float | None = None) -> bool:
        """Return True once the bell has rung, False after `seconds_max`; the ring is then used up."""
        if not self._rung:
            assert self._waiter is None, "a bell has one listener"
            loop = asyncio.get_running_loop()
            waiter = self._waiter = loop.create_future()
            timer = loop.call_later(seconds_max, _give_up, waiter) if seconds_max is not None else None
            try:
                await waiter
            finally:
                self._waiter = None
                if timer is not None:
                    timer.cancel()
        rung, self._rung = self._rung, False
        return rung


def _give_up(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
