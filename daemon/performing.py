"""What performs requests: one performer for each kind, behind one small interface."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from engine.values import Value


@dataclass(frozen=True, slots=True)
class TakenRequest:
    """A request whose attempt is ours to make. `id` is its stable key, the same in every attempt; `attempt`
    counts from 1; `payload` is what the step asked, by the kind's own rules."""

    id: UUID
    execution_id: UUID
    number: int
    bot_id: UUID
    session_id: UUID | None
    kind: str
    payload: dict[str, Value]
    attempt: int
    deadline: datetime | None
    created_at: datetime | None = None

    @property
    def key(self) -> str:
        """The stable key as text: an Idempotency-Key, the left part of a Message-ID."""
        return str(self.id)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that a script may get, NULL included."""

    value: Value


class AttemptFailed(Exception):
    """An attempt failed. `again` says whether another may succeed, `after_seconds` not before when (a server's
    Retry-After), `kind` is the kind of script error if it was the last one. `unsure` says that it may have had its
    effect all the same: where the request's policy is park, an operator decides, and it is not tried again. With
    `otherwise` the script gets that answer, and no error, once no attempt is left. `attempts_max` is how many this
    request may have in all, None: as the configuration says for all."""

    def __init__(
        self,
        message: str,
        *,
        again: bool,
        after_seconds: float | None = None,
        kind: str = "request",
        unsure: bool = False,
        otherwise: Answer | None = None,
        attempts_max: int | None = None,
    ) -> None:
        self.message = message
        self.again = again
        self.after_seconds = after_seconds
        self.kind = kind
        self.unsure = unsure
        self.otherwise = otherwise
        self.attempts_max = attempts_max
        super().__init__(message)


class Performer(Protocol):
    """Performs the requests of some kinds, many at once on one event loop."""

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of request it performs, such as http."""

    def host_of(self, request: TakenRequest) -> str:
        """Return what the limits per host count the request under: a host's name, or "" for no limit."""

    async def perform(self, request: TakenRequest) -> Value:
        """Make one attempt and return the answer, a value that a variable can hold. Raises AttemptFailed; any
        other exception counts as final and is logged as a mistake of ours. It may be cancelled at any await."""

    async def close(self) -> None:
        """Close what it keeps open."""
