"""A look that finds a few things reads a few rows, however many wait, and whenever its plan was made.

The daemon's sessions plan a statement once and keep the plan: here it is made on empty tables, when every way looks
equally cheap, and used when thousands wait.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import md5
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from daemon.migrations import Connection
from daemon.statements import query
from daemon.store import looking_settings
from tests.sql.test_every_plan import EXPLAIN, Watched
from tests.sql.world import close_store, deploy, open_store

WAITING = 2000
ROWS_MAX = 64  # of tables that grow; partitions are 256, and may be read
# Conversations that wait: for a message, for a moment far away, for an event, for an answer.
CROWD = f"""
set session_replication_role = replica;
insert into workflow_executions (id, workflow_name, state_json, status, session_id, script_path, plan_hash, mode, wait_kind,
    wake_at, start_order, partition)
select md5('e' || n)::uuid, 't', '{{}}', 'waiting', s, 'ticket.bas', 'p1', 'workflow', 'message',
    case when n % 2 = 0 then now() + interval '1 day' end, n, workflow_partition(s)
from (select n, md5('s' || n)::uuid as s from generate_series(1, {WAITING}) n) x;
insert into workflow_timers select id, wake_at, partition from workflow_executions where wake_at is not null;
insert into workflow_event_waits
select md5('e' || n)::uuid, 1, 'event ' || n % 7, '00000000-0000-0000-0000-000000000000', now() from generate_series(1, {WAITING}) n;
insert into workflow_requests (id, execution_id, number, bot_id, partition, kind, lane, payload, status, attempts, not_before, created_at)
select workflow_request_id(md5('e' || n)::uuid, 1), md5('e' || n)::uuid, 1, md5('b')::uuid, n % 256, 'SEND FILE', 'host' || n % 7, '{{}}',
    'in_doubt', 1, now(), now()
from generate_series(1, {WAITING}) n;
insert into workflow_messages (session_id, content, created_at, partition)
select s, 'x', now(), workflow_partition(s) from (select md5('s' || n)::uuid as s from generate_series(1, 10) n) x;
insert into workflow_signals (execution_id, partition, kind, number, name, data, message, created_at)
select md5('e' || n)::uuid, workflow_partition(md5('s' || n)::uuid), 'completed', 1, 'x', '{{}}', '', now() from generate_series(11, 20) n;
set session_replication_role = origin;
"""
# The same few that some minutes ago were all there was.
FEW = """
insert into workflow_executions (id, workflow_name, state_json, status, session_id, script_path, plan_hash, mode, wait_kind,
    start_order, partition)
select md5('f' || n)::uuid, 't', '{}', 'waiting', s, 'ticket.bas', 'p1', 'workflow', 'message', n, workflow_partition(s)
from (select n, md5('t' || n)::uuid as s from generate_series(1, 3) n) x;
"""
ZERO = UUID(int=0)
SOME = [UUID(md5(f"e{number}".encode()).hexdigest()) for number in range(1, 11)]
LOOKS: dict[str, tuple[Any, ...]] = {
    "count_due": ("d1", 1000),
    "fetch_due": ("d1", [], 100, 1 << 62),
    "fetch_fairly": ("d1", [], 100, [], [], [], [], 64, 0),
    "fetch_messages": ("d1", [], 100, None),
    "fetch_schedules": (100,),
    "fetch_signals": ("d1", [], 100),
    "fetch_sources": (),
    "find_turn_outcome": (SOME[0], 1, "d1"),
    "list_lost_requests": ("d1", [], []),
    "load_executions": (SOME,),
    "next_due": ("d1", []),
    "park_execution": (SOME[0], 0, "d1", "x"),
    "settle_timers": (SOME,),
    "next_request": ("d1", None, True),
    "next_schedule": (),
    "recover_requests": ("d1", [], [], "repeat"),
    "take_requests": ("d1", None, 100, [], [], 10, []),
    "tell_events": (["event 99"],),
    "tend_partitions": ("d1", "here", 1, "1.0", 60.0, False, 0, []),
}


def read(plan: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Give each table of a plan that ran, with how many of its rows were looked at."""
    name = plan.get("Relation Name", "")
    if name.startswith("workflow_") and name not in ("workflow_partitions", "workflow_settings"):
        removed = sum(plan.get(f"Rows Removed by {why}", 0) for why in ("Filter", "Index Recheck"))
        yield name, (plan["Actual Rows"] + removed) * plan["Actual Loops"]
    for part in plan.get("Plans", []):
        yield from read(part)


@pytest.mark.parametrize(
    "seen", ["select 1", "vacuum analyze", FEW + "analyze", FEW + "delete from workflow_executions; vacuum analyze"]
)
async def test_a_look_that_was_planned_in_a_quiet_moment_reads_only_what_it_finds(
    database: str, connection: Connection, seen: str
) -> None:
    """`seen` is what the planner knew when it planned."""
    store = await open_store(database)
    await deploy(store)
    for statement in seen.split(";"):
        await connection.execute(statement)
    ours = await asyncpg.connect(database, server_settings=looking_settings("public"))
    await ours.execute(EXPLAIN + "set auto_explain.log_analyze = on; set auto_explain.log_timing = off;")
    watched = Watched(ours)
    for name, given in LOOKS.items():
        assert await watched.plans(query(name), *given), f"{name}: no plan was told"
    await connection.execute(CROWD)
    found = []
    for name, given in LOOKS.items():
        plans = await watched.plans(query(name), *given)
        for plan in plans:
            found += [
                f"{name}: {rows:.0f} rows of {table}: {' '.join(plan['Query Text'].split())[:200]}"
                for table, rows in read(plan["Plan"])
                if rows > ROWS_MAX
            ]
    assert not found, "\n".join(found)
    await ours.close()
    await close_store(store)
