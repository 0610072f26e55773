"""What an operator sees of requests that nobody has answered, and does about them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from daemon.rows import RequestOutcome
from daemon.statements import query
from daemon.store import Pool
from daemon.store_requests import RequestStatus
from engine.values import Value


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """A request that nobody has answered yet. `host` is "" where it has none or nobody has looked; `error` is what
    the last attempt failed with."""

    id: UUID
    kind: str
    host: str
    status: RequestStatus
    execution_id: UUID
    number: int
    session_id: UUID | None
    bot_id: UUID
    script: str
    current_step: int
    attempts: int
    cut_short: int
    error: str | None
    policy: str | None
    created_at: datetime
    not_before: datetime
    deadline: datetime | None
    taken_by: str | None
    lease_until: datetime | None
    now: datetime


class OpenRequestStore:
    """The statements about requests of an operator, on a pool of open_pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def list_open(
        self,
        *,
        statuses: Collection[RequestStatus] | None = None,
        kind: str | None = None,
        execution_id: UUID | None = None,
        limit: int = 100,
    ) -> list[OpenRequest]:
        """Return requests that nobody has answered, those in doubt first, then the oldest."""
        wanted = None if statuses is None else [*statuses]
        rows = await self._pool.fetch(query("list_open_requests"), wanted, kind, execution_id, limit)
        return [OpenRequest(*row) for row in rows]

    async def find(self, low: UUID, high: UUID) -> list[UUID]:
        """Return the requests whose ids lie between those two, two at most."""
        return [row[0] for row in await self._pool.fetch(query("find_request"), low, high)]

    async def retry(self, id: UUID) -> RequestOutcome:
        """Have it tried again now, under the same key. Raises asyncpg.PostgresError with SQLSTATE SW033 (none such)."""
        return await self._act("retry_request", id)

    async def complete(self, id: UUID, result: Value) -> RequestOutcome:
        """Answer it. Raises as retry does, and with SW032 for a result that is too long."""
        return await self._act("complete_request", id, msgspec.json.encode(result).decode())

    async def fail(self, id: UUID, error: str | None) -> RequestOutcome:
        """End it with an error of the script. Raises as retry does."""
        return await self._act("fail_request", id, error)

    async def _act(self, name: str, *arguments: Any) -> RequestOutcome:
        row = await self._pool.fetchrow(query(name), *arguments)
        assert row is not None
        return RequestOutcome(*row)
