"""What a person at the command line looks at: everything at one glance, and what was said."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from daemon.migrations import MigrationProgress, check_schema, create_roles, migrate
from daemon.rows import Status
from daemon.statements import query
from daemon.store import Pool

__all__ = ["Glance", "GlanceStore", "LiveDaemon", "MigrationProgress", "Said"]

Progress = Callable[[MigrationProgress], None]


@dataclass(frozen=True, slots=True)
class Glance:
    """An execution in `ps`. `owned`: a living daemon has its partition; `since`: when it came to where it is;
    `request`: the kind of a request that it made and nobody has answered, first one that is in doubt; `request_of`: the
    host that is asked, or the people; `waits`: a JSON list of all that it waits for."""

    id: UUID
    start_order: int
    session_id: UUID | None
    bot_id: UUID
    script: str
    mode: str
    status: Status
    current_step: int
    turn: int
    wait_kind: str | None
    wake_at: datetime | None
    problem: str | None
    since: datetime
    created_at: datetime
    ended_at: datetime | None
    request: str | None
    request_status: str | None
    request_attempts: int | None
    request_of: str
    waits: str
    prompt: str
    type: str
    messages_pending: int
    owned: bool
    now: datetime


@dataclass(frozen=True, slots=True)
class Said:
    """One line of a transcript. `who` is bot or user."""

    who: str
    recipient: str | None
    content: str
    turn: int
    position: int
    at: datetime


@dataclass(frozen=True, slots=True)
class LiveDaemon:
    """A daemon whose lease runs: its name, its share, and for how many seconds it is certain to live."""

    owner: str
    partitions: int
    seconds: float


class GlanceStore:
    """The statements of the command line, on a pool of open_pool."""

    def __init__(self, pool: Pool, schema: str) -> None:
        self._pool = pool
        self._schema = schema

    async def check(self) -> None:
        """Return if the schema is at the version this program knows. Raises SchemaProblem."""
        async with self._pool.acquire() as connection:
            await check_schema(connection, self._schema)

    async def migrate(self, progress: Progress | None = None, *, roles: bool = False) -> int:
        """Bring the schema to this version, and with `roles` make the group roles. Raises SchemaProblem."""
        async with self._pool.acquire() as connection:
            done = await migrate(connection, schema=self._schema, progress=progress)
            if roles:
                await create_roles(connection, self._schema)
            return done

    async def run_author_sql(self, text: str) -> None:
        """Run the statements of a file of SQL."""
        async with self._pool.acquire() as connection:
            await connection.execute(text)

    async def glance(
        self,
        *,
        statuses: Collection[Status] | None = None,
        session_id: UUID | None = None,
        script: str | None = None,
        below: int | None = None,
        limit: int = 100,
    ) -> list[Glance]:
        """Return a page, newest start first; the next page is `below` the last one's start_order."""
        wanted = None if statuses is None else list(statuses)
        rows = await self._pool.fetch(query("list_glance"), wanted, session_id, script, below, limit)
        return [Glance(*row) for row in rows]

    async def transcript(self, execution_id: UUID, limit: int) -> list[Said]:
        """Return the last lines of a conversation, in order."""
        return [Said(*row) for row in await self._pool.fetch(query("list_transcript"), execution_id, limit)]

    async def live_daemon(self) -> LiveDaemon | None:
        """Return the daemon that has most of the partitions, None where none lives."""
        row = await self._pool.fetchrow(query("find_live_daemon"))
        return None if row is None else LiveDaemon(*row)

    async def free_partitions(self) -> None:
        """Forget the leases of daemons that ended with their server, in a server that we have just started."""
        await self._pool.execute(query("free_partitions"))

    async def demo_ticket(self, session_id: UUID) -> dict[str, object] | None:
        """Return the ticket that the demo's conversation has made, by column; None where it made none."""
        row = await self._pool.fetchrow(query("show_ticket"), session_id)
        return None if row is None else dict(row)
