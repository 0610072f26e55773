"""The world outside as a conversation in a file has it: requests are answered from its lines, none is made."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from daemon.chat_givens import Asks, GivenFailure, Givens, NeverAnswered, asked_of
from daemon.performing import AttemptFailed, TakenRequest
from engine.values import Value

DAY_SECONDS = 86_400.0  # before a request that is never answered is looked at again, on the clock of the conversation
EVERY_KIND = frozenset({"*"})


async def _nobody_listens(_: Asks, __: str) -> None:
    """What is told of requests between two conversations."""


@dataclass(slots=True)
class FakeWorld:
    """A performer of every kind of request, for one conversation after the other.

    `tell` is awaited with every request before it is answered, so that what the script has said until then is
    noted before it; its second argument is the sentence about a request that no line answers, else "".
    """

    givens: Givens = field(default_factory=Givens)
    tell: Callable[[Asks, str], Awaitable[None]] = _nobody_listens
    _one_by_one: asyncio.Lock = field(default_factory=asyncio.Lock)

    def begin(self, tell: Callable[[Asks, str], Awaitable[None]]) -> None:
        """Begin a conversation: forget all answers of the one before."""
        self.givens = Givens()
        self.tell = tell

    @property
    def kinds(self) -> frozenset[str]:
        """All of them, also the keywords that other programs perform."""
        return EVERY_KIND

    def host_of(self, request: TakenRequest) -> str:
        """Return "": nothing is limited."""
        return ""

    async def perform(self, request: TakenRequest) -> Value:
        """Return the answer that the conversation has. Raises AttemptFailed."""
        async with self._one_by_one:
            missing, answer = "", None
            failure: AttemptFailed | None = None
            try:
                answer = self.givens.answer(request.kind, request.payload)
            except GivenFailure as error:
                failure = AttemptFailed(error.message, again=False)
                missing = error.message if error.missing else ""
            except NeverAnswered:
                failure = AttemptFailed("nobody answers", again=True, after_seconds=DAY_SECONDS)
            if request.attempt == 1:
                await self.tell(asked_of(request.kind, request.payload), missing)
        if failure is not None:
            raise failure
        return answer

    async def close(self) -> None:
        """Keep nothing open."""
