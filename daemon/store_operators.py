"""What operators read and do: lists, one execution with its turns, counts, and the four actions."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from daemon.rows import (
    Approval,
    Backlog,
    Counted,
    ListedExecution,
    Outcome,
    PastTurn,
    ShownExecution,
    Standstill,
    Status,
)
from daemon.statements import query
from daemon.store import Pool

EXACT_MAX = 1_000  # of a status are counted; counting a million every few seconds would cost more than running them
COUNTED_MAX = 100_000
LISTED = tuple(ListedExecution.__dataclass_fields__)


class OperatorStore:
    """The statements of an operator, on a pool of open_pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def list_approvals(self, session_id: UUID | None = None) -> list[Approval]:
        """Return the open approvals, of one session or all, the oldest first."""
        return [Approval(*row) for row in await self._pool.fetch(query("list_approvals"), session_id)]

    async def list_executions(
        self,
        *,
        statuses: Collection[Status] | None = None,
        session_id: UUID | None = None,
        script: str | None = None,
        below: int | None = None,
        limit: int = 100,
    ) -> list[ListedExecution]:
        """Return a page, newest start first; the next page is `below` the last one's start_order."""
        wanted = None if statuses is None else list(statuses)
        rows = await self._pool.fetch(query("list_executions"), wanted, session_id, script, below, limit)
        return [_listed(row) for row in rows]

    async def show_execution(self, execution_id: UUID) -> ShownExecution | None:
        """Return all about one execution, or None if there is none of ours by that id."""
        row = await self._pool.fetchrow(query("show_execution"), execution_id)
        if row is None:
            return None
        rest = [value for name, value in row.items() if name not in LISTED]
        return ShownExecution(_listed(row), *rest)

    async def list_turns(self, execution_id: UUID, *, below: int | None = None, limit: int = 100) -> list[PastTurn]:
        """Return a page of turns, newest first; the next page is `below` the last one's turn."""
        rows = await self._pool.fetch(query("list_turns"), execution_id, below, limit)
        return [_past(row) for row in rows]

    async def find_execution(self, beginning: str) -> list[UUID]:
        """Return the executions whose id begins so, two at most: one is a find, two are ambiguous.

        Raises ValueError if that is no beginning of a UUID.
        """
        digits = beginning.replace("-", "").lower()
        if not 0 < len(digits) <= 32:
            raise ValueError(f"{beginning!r} is not the beginning of an id")
        low, high = UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
        return [row[0] for row in await self._pool.fetch(query("find_execution"), low, high)]

    async def count_executions(self) -> dict[Status, Counted]:
        """Return how many executions there are in each status that has any: exactly where they are not very many."""
        rows = await self._pool.fetch(query("count_executions"), EXACT_MAX)
        return {row[0]: Counted(row[1], row[2]) for row in rows if row[1]}

    async def measure_messages(self) -> Backlog:
        """Return how many messages nobody has heard (COUNTED_MAX at most), and the age of the oldest."""
        row = await self._pool.fetchrow(query("measure_messages"), COUNTED_MAX)
        assert row is not None
        return Backlog(row["pending"], row["oldest_seconds"])

    async def measure_signals(self) -> Standstill:
        """Return what is on its way to scripts (COUNTED_MAX at most of each), and since when."""
        row = await self._pool.fetchrow(query("measure_signals"), COUNTED_MAX)
        assert row is not None
        return Standstill(*row)

    async def cancel(self, execution_id: UUID, why: str | None = None) -> Outcome:
        """End it now. Raises asyncpg.PostgresError with SQLSTATE SW009 (none such), SW010 (not ours)."""
        return await self._act("cancel_execution", execution_id, why)

    async def pause(self, execution_id: UUID) -> Outcome:
        """Hold it where it is until resumed. Raises as cancel does."""
        return await self._act("pause_execution", execution_id)

    async def resume(self, execution_id: UUID) -> Outcome:
        """Let what is paused or parked go on. Raises as cancel does."""
        return await self._act("resume_execution", execution_id)

    async def retry(self, execution_id: UUID) -> Outcome:
        """Try the step that failed again. Raises as cancel does."""
        return await self._act("retry_execution", execution_id)

    async def _act(self, name: str, *arguments: Any) -> Outcome:
        row = await self._pool.fetchrow(query(name), *arguments)
        assert row is not None
        return Outcome(*row)


def _listed(row: asyncpg.Record) -> ListedExecution:
    return ListedExecution(*(row[name] for name in LISTED))


def _past(row: asyncpg.Record) -> PastTurn:
    values = dict(row)
    values["came_in"] = msgspec.json.decode(row["came_in"])
    values["went_out"] = msgspec.json.decode(row["went_out"])
    return PastTurn(**values)
