"""The daemon's connections, apart by purpose, so that slow work of one kind never starves another.

*looking*: fetches, loads, operators; *committing*: the group commit alone; *asking*: turns that ask the database,
and chores; *requesting*: taking and answering requests; *leasing*: the renewal of the lease, on one of its own; and
the listener's, which is no pool's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

import asyncpg
import structlog

from daemon.backoff import Backoff
from daemon.committer import WRITERS
from daemon.migrations import check_schema
from daemon.settings import Settings, mask_url
from daemon.store import OTHERS, Pool, open_pool, session_settings
from daemon.store_faults import Fault, fault_of

LOOKING_MAX = 4
REQUESTING_MAX = 2  # one takes while the other stores answers
CONNECT_RETRY_SECONDS_MAX = 5.0
CLOSE_SECONDS_MAX = 3.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Connections:
    """Pools by purpose, and how the listener connects."""

    dsn: str
    schema: str
    connect_seconds_max: float
    looking: Pool
    committing: Pool
    asking: Pool
    leasing: Pool
    requesting: Pool

    async def listen(self) -> asyncpg.Connection[Any]:
        """Open the listener's connection."""
        return await asyncpg.connect(
            self.dsn, timeout=self.connect_seconds_max, server_settings=session_settings(self.schema)
        )


@asynccontextmanager
async def open_connections(settings: Settings, dsn: str, *, wait: bool, random: Random) -> AsyncIterator[Connections]:
    """Open every pool and check the schema's version; close them at the end, in bounded time.

    With `wait`, a database that is away is tried until it is there. Raises SchemaProblem, and without `wait`
    asyncpg.PostgresError or OSError.
    """
    database = settings.database
    schema = database.schema
    looking = await _reach(settings, dsn, wait, random)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(_close, looking)

        async def pool(size: int, **options: Any) -> Pool:
            opened = await open_pool(
                dsn,
                schema=schema,
                size_min=min(1, size),
                size_max=max(1, size),
                timeout=database.connect_seconds_max,
                command_timeout=database.statement_seconds_max,
                **options,
            )
            stack.push_async_callback(_close, opened)
            return opened

        yield Connections(
            dsn,
            schema,
            database.connect_seconds_max,
            looking,
            # A daemon that was paused, or whose machine is gone, must not hold a row longer than its lease:
            # whoever takes over would wait for it, and with it a whole batch of other conversations.
            await pool(WRITERS + OTHERS, transaction_idle_seconds_max=settings.daemon.lease_seconds),
            await pool(database.pool_max, transaction_idle_seconds_max=settings.daemon.lease_seconds),
            await pool(1),
            await pool(REQUESTING_MAX),
        )


async def _reach(settings: Settings, dsn: str, wait: bool, random: Random) -> Pool:
    """Open the first pool, once the database answers and has our schema."""
    database = settings.database
    backoff = Backoff(0.1, CONNECT_RETRY_SECONDS_MAX, random)
    told = ""
    while True:
        try:
            pool = await open_pool(
                dsn,
                schema=database.schema,
                size_min=1,
                size_max=LOOKING_MAX,
                looking=True,
                timeout=database.connect_seconds_max,
                command_timeout=database.statement_seconds_max,
            )
            try:
                async with pool.acquire() as connection:
                    await check_schema(connection, database.schema)
            except BaseException:
                pool.terminate()
                raise
            return pool
        except Exception as error:
            if not wait or fault_of(error) is Fault.REFUSED:
                raise
            reason = f"{error or type(error).__name__}"
            if reason != told:
                log.warning("database_unreachable", url=mask_url(dsn), reason=reason, then="trying again")
            told = reason
        await backoff.pause()


async def _close(pool: Pool) -> None:
    """Close a pool; connections that do not answer are dropped."""
    pool.terminate()
