"""A performer for tests: answers as it is told, and remembers who asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from daemon.performing import TakenRequest
from engine.values import Value


async def done(_: TakenRequest) -> Value:
    """Answer with one word."""
    return "done"


@dataclass(slots=True)
class Told:
    """Performs with a function; the lane of a request is its first argument if `lanes`."""

    answer: Callable[[TakenRequest], Awaitable[Value]] = done
    kinds: frozenset[str] = frozenset({"*"})
    lanes: bool = False
    seen: list[TakenRequest] = field(default_factory=list)
    under_way: int = 0
    most: int = 0

    def host_of(self, request: TakenRequest) -> str:
        """Return the first argument, or no host."""
        arguments = request.payload["arguments"]
        assert isinstance(arguments, list)
        return str(arguments[0]) if self.lanes else ""

    async def perform(self, request: TakenRequest) -> Value:
        """Make an attempt."""
        self.seen.append(request)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            return await self.answer(request)
        finally:
            self.under_way -= 1

    async def close(self) -> None:
        """Keep nothing open."""


async def never(_: TakenRequest) -> Value:
    """Answer never."""
    await asyncio.get_running_loop().create_future()
    raise AssertionError("nobody completes it")
