"""What retention needs of the database: portions to delete or to count, months of history, who does it now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import msgspec

from daemon.statements import query
from daemon.store import Pool

Kind: TypeAlias = Literal[
    "executions",  # ended ones, with all that is theirs
    "history",  # whole months of it
    "history_default",  # what no month was made for
    "replies",  # that were taken
    "unheard",  # messages and events
    "events",  # that were heard
    "message_ids",
    "plans",  # and what came of sources
]

CHORE = "prune"
# A month is counted, and copied where some of it stays, by one statement: longer than any other may take.
PORTION_SECONDS_MAX = 3_600.0


@dataclass(frozen=True, slots=True)
class Aged:
    """What of a kind is past: older than so many seconds.

    `ended`, `live`: the same for history of executions that have ended, and that go on; None keeps it.
    """

    kind: Kind
    seconds: float
    ended: float | None = None
    live: float | None = None


@dataclass(frozen=True, slots=True)
class Portion:
    """What one portion deleted, or would have, by table; where to go on, None at the end."""

    deleted: dict[str, int]
    next: str | None


class RetentionStore:
    """The statements of retention, on a pool of open_pool. `holder` names who runs it."""

    def __init__(self, pool: Pool, holder: str) -> None:
        self._pool = pool
        self._holder = holder

    async def make_history(self) -> int:
        """Make the months of history that are missing; return how many."""
        made: int = await self._pool.fetchval(query("make_history"))
        return made

    async def prune(self, aged: Aged, after: str, rows: int, *, really: bool) -> Portion:
        """Delete one portion, or only count it: what is past after the place `after`, in about so many rows."""
        row = await self._pool.fetchrow(
            query("prune"),
            aged.kind,
            aged.seconds,
            aged.ended,
            aged.live,
            after,
            rows,
            really,
            timeout=PORTION_SECONDS_MAX,
        )
        assert row is not None
        return Portion(msgspec.json.decode(row["deleted"], type=dict[str, int]), row["next"])

    async def take(self, held_seconds: float, due_seconds: float) -> bool:
        """Return whether it is ours to do now: nobody else is at it, and it was last done so long ago."""
        return bool(await self._pool.fetchval(query("take_chore"), CHORE, self._holder, held_seconds, due_seconds))

    async def keep(self, held_seconds: float) -> bool:
        """Go on holding it. False: another has taken it meanwhile."""
        return bool(await self._pool.fetchval(query("keep_chore"), CHORE, self._holder, held_seconds))

    async def end(self, deleted: dict[str, int]) -> None:
        """Say that it is done, and what was deleted."""
        await self._pool.execute(query("end_chore"), CHORE, self._holder, msgspec.json.encode(deleted).decode())

    async def done_at(self) -> float | None:
        """Return when it was last done, by anybody, in seconds since 1970; None: never."""
        at: float | None = await self._pool.fetchval(query("find_chore"), CHORE)
        return at
