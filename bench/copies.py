"""Many executions at once: rows copied from one that a daemon has really started, and that really waits or has ended.

A copy is what the daemon itself would have written, but for its ids: execution, session, partition, order of start.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import asyncpg

CHUNK = 50_000
# What a conversation leaves behind in each table; what names it, and by which expression over the copy `c`.
EXECUTION = {
    "id": "c.id",
    "session_id": "c.session_id",
    "partition": "workflow_partition(c.session_id)",
    "start_order": "nextval('workflow_start_order')",
}
BELONGINGS = {
    "workflow_turns": {"execution_id": "c.id"},
    "workflow_replies": {"execution_id": "c.id", "session_id": "c.session_id"},
}
# What a trigger would do for those that wait with a deadline.
TIMERS = (
    "insert into workflow_timers (execution_id, wake_at, partition)"
    " select c.id, o.wake_at, workflow_partition(c.session_id)"
    " from copies c, workflow_executions o where o.id = $1 and o.status = 'waiting' and o.wake_at is not null"
)
TABLES = ("workflow_executions", *BELONGINGS)


async def copy_conversation(dsn: str, session: str, count: int, changes: Mapping[str, str] | None = None) -> None:
    """Make `count` copies of the conversation that a session has, with its history and replies.

    `changes` are further columns of the execution with their expressions. The triggers that tell daemons and clients do
    not run: nobody is told of these.
    """
    connection = await asyncpg.connect(dsn)
    try:
        original: UUID = await connection.fetchval(
            "select id from workflow_executions where session_id = $1 order by start_order limit 1", session
        )
        await connection.execute("set session_replication_role = replica")
        await connection.execute("create temp table copies (id uuid, session_id uuid)")
        execution = await _copying(connection, "workflow_executions", "id", {**EXECUTION, **(changes or {})})
        rest = [TIMERS]
        rest += [await _copying(connection, t, "execution_id", named) for t, named in BELONGINGS.items()]
        while count > 0:
            async with connection.transaction():
                await connection.execute("truncate copies")
                await connection.execute(
                    "insert into copies select gen_random_uuid(), gen_random_uuid()"
                    " from generate_series(1, $1::integer)",
                    min(count, CHUNK),
                )
                for statement in (execution, *rest):
                    await connection.execute(statement, original)
            count -= CHUNK
    finally:
        await connection.close()
    await settle(dsn)


async def settle(dsn: str) -> None:
    """Have the tables be as autovacuum would leave them, and what was written be on the disk."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("vacuum analyze")
        await connection.execute("checkpoint")
    finally:
        await connection.close()


async def sizes(dsn: str) -> dict[str, int]:
    """Return the bytes on disk of the tables of conversations, each with its indexes."""
    connection = await asyncpg.connect(dsn)
    try:
        # A table in partitions is as large as these are together.
        sized = (
            "select sum(pg_total_relation_size(t.relid)) from (select $1::regclass as relid"
            " union select inhrelid from pg_inherits where inhparent = $1::regclass) t"
        )
        return {table: int(await connection.fetchval(sized, table)) for table in TABLES}
    finally:
        await connection.close()


async def variables_bytes(dsn: str, session: str) -> int:
    """Return the bytes that a conversation's own variables take as JSON."""
    connection = await asyncpg.connect(dsn)
    try:
        return int(
            await connection.fetchval(
                "select octet_length((state_json::json -> 'variables')::text) from workflow_executions"
                " where session_id = $1",
                session,
            )
        )
    finally:
        await connection.close()


async def some_sessions(dsn: str, count: int) -> list[str]:
    """Return the sessions of `count` waiting conversations, from all over the table."""
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch(
            "select session_id::text from workflow_executions where status = 'waiting' and wait_kind = 'message'"
            " order by id limit $1",
            count,
        )
    finally:
        await connection.close()
    return [row[0] for row in rows]


async def _copying(connection: asyncpg.Connection[Any], table: str, key: str, named: Mapping[str, str]) -> str:
    """Return the statement that copies the rows of one execution ($1) for each row of copies."""
    columns: list[str] = [
        row[0]
        for row in await connection.fetch(
            "select attname from pg_attribute where attrelid = $1::regclass and attnum > 0 and not attisdropped"
            " and attidentity = '' and attgenerated = '' order by attnum",
            table,
        )
    ]
    names = ", ".join(f'"{name}"' for name in columns)
    values = ", ".join(named.get(name, f'o."{name}"') for name in columns)
    # Names of our own tables and columns: no text from anywhere else.
    return f"insert into {table} ({names}) select {values} from copies c, {table} o where o.{key} = $1"  # noqa: S608
