"""The statements of the loop that performs requests, on a pool of its own."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

import msgspec

from daemon.performing import TakenRequest
from daemon.statements import query
from daemon.store import Pool

Outcome: TypeAlias = Literal["done", "failed", "again", "unsure"]
RequestStatus: TypeAlias = Literal["pending", "taken", "in_doubt", "done", "failed", "cancelled"]

COUNTED_MAX = 100_000
_JSON = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of an attempt. `result_json` is the answer if it is done; else `error` says what happened, `kind`
    is the kind of script error, `pause_seconds` how long to wait before another attempt. With `otherwise` it is the
    answer where no attempt is left of `attempts_max` (None: as configured for all); see workflow_answer_requests."""

    id: UUID
    attempt: int
    outcome: Outcome
    result_json: bytes = b"null"
    error: str = ""
    kind: str = "request"
    pause_seconds: float = 0.0
    lane: str = ""
    otherwise: bool = False
    attempts_max: int | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """A request whose attempt is ours, and the database's clock when it was taken."""

    request: TakenRequest
    now: datetime


class RequestStore:
    """What the loop needs of the database. Every method may raise what the methods of Store raise."""

    def __init__(self, pool: Pool, owner: str) -> None:
        self._pool = pool
        self.owner = owner

    async def take(
        self,
        kinds: Collection[str] | None,
        limit: int,
        rooms: dict[str, int],
        room: int,
        full_bots: Collection[UUID],
    ) -> tuple[list[Taken], int]:
        """Take what is due, at most `limit`: in each lane as much as `rooms` says, in any other `room`, and none
        of bots that are full. `kinds` None stands for all. Return also the lanes there are, which share `limit`."""
        rows = await self._pool.fetch(
            query("take_requests"),
            self.owner,
            None if kinds is None else list(kinds),
            limit,
            list(rooms),
            list(rooms.values()),
            room,
            list(full_bots),
        )
        return [_taken(row) for row in rows], rows[0]["lanes"] if rows else 0

    async def give_back(self, requests: Sequence[TakenRequest], lanes: Sequence[str]) -> None:
        """Give back what was taken and not begun, with the lanes it belongs to."""
        ids, attempts = [r.id for r in requests], [r.attempt for r in requests]
        await self._pool.execute(query("give_back_requests"), self.owner, ids, attempts, list(lanes))

    async def next_due(self, kinds: Collection[str] | None, due_too: bool) -> float | None:
        """Return the seconds until the next pause between two attempts is over, or None.

        With `due_too` also those that are over already: 0 or less.
        """
        wanted = None if kinds is None else list(kinds)
        seconds: float | None = await self._pool.fetchval(query("next_request"), self.owner, wanted, due_too)
        return seconds

    async def answer(self, answers: Sequence[Answer], attempts_max: int, in_doubt: str) -> dict[UUID, RequestStatus]:
        """Store answers and return what each request is now; one that is not ours any more is left out."""
        document = _JSON.encode([_object(answer) for answer in answers]).decode()
        rows = await self._pool.fetch(query("answer_requests"), self.owner, document, attempts_max, in_doubt)
        return {row[0]: row[1] for row in rows}

    async def recover(
        self, held: Collection[UUID], begun: Collection[UUID], in_doubt: str
    ) -> list[tuple[UUID, str, RequestStatus]]:
        """Find attempts that were cut short; return each request's id, kind and what it is now."""
        rows = await self._pool.fetch(query("recover_requests"), self.owner, list(held), list(begun), in_doubt)
        return [(row[0], row[1], row[2]) for row in rows]

    async def list_lost(self, held: Sequence[TakenRequest]) -> list[UUID]:
        """Return which of those attempts nobody waits for any more, or are another's."""
        ids, attempts = [r.id for r in held], [r.attempt for r in held]
        return [row[0] for row in await self._pool.fetch(query("list_lost_requests"), self.owner, ids, attempts)]

    async def delete_ended(self, hours: int) -> None:
        """Delete requests that ended so long ago, and what is left of signals to executions that did."""
        await self._pool.execute(query("delete_ended_requests"), hours)

    async def count(self) -> dict[RequestStatus, int]:
        """Return how many requests are pending, taken and in doubt."""
        return {row[0]: row[1] for row in await self._pool.fetch(query("count_requests"), COUNTED_MAX)}

    async def tell_settings(self, attempts_max: int, first: float, longest: float) -> None:
        """Have the functions for other programs follow our configuration; pauses in seconds."""
        await self._pool.execute(query("tell_request_settings"), attempts_max, first, longest)


def _taken(row: object) -> Taken:
    values = dict(row)  # type: ignore[call-overload]
    now, _ = values.pop("now"), values.pop("lanes")
    payload = msgspec.json.decode(values.pop("payload"))
    return Taken(TakenRequest(payload=payload, attempt=values.pop("attempts"), **values), now)


def _object(answer: Answer) -> dict[str, object]:
    found: dict[str, object] = {"id": answer.id, "attempt": answer.attempt, "outcome": answer.outcome}
    if answer.lane:
        found["lane"] = answer.lane
    if answer.outcome == "done":
        return found | {"result": msgspec.Raw(answer.result_json)}
    if answer.otherwise:
        found["otherwise"] = msgspec.Raw(answer.result_json)
    if answer.attempts_max is not None:
        found["attempts_max"] = answer.attempts_max
    return found | {"error": answer.error, "kind": answer.kind, "after_seconds": answer.pause_seconds}
