"""How the hot statements run on a large installation: by index, whatever the tables hold."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from daemon.migrations import Connection
from daemon.statements import query
from daemon.store_turns import arguments_of_turn, columns_of_turns
from tests.sql.world import close_store, deploy, open_store, turn_of

# 3,000 conversations, 2,000 messages nobody waits for, half the timers in the past.
LARGE = """
insert into workflow_executions (id, workflow_name, state_json, status, session_id, script_path, plan_hash, mode, wait_kind,
    wake_at, start_order, partition)
select gen_random_uuid(), 't', '{}', case when n % 3 = 0 then 'completed' else 'waiting' end, s, 't', 'p1', 'workflow', 'message',
    case when n % 10 = 0 then now() + make_interval(secs => n) end, n, workflow_partition(s)
from (select n, gen_random_uuid() as s from generate_series(1, 3000) n) x;
insert into workflow_timers select id, wake_at, partition from workflow_executions where wake_at is not null;
alter table workflow_messages disable trigger user;
insert into workflow_messages (session_id, content, created_at, partition)
select s, 'x', now(), workflow_partition(s) from (select gen_random_uuid() as s from generate_series(1, 2000)) x;
alter table workflow_messages enable trigger user;
insert into workflow_replies (session_id, execution_id, turn, position, content, created_at)
select session_id, id, 1, 1, 'x', now() from workflow_executions;
insert into workflow_turns (execution_id, turn, revision, epoch, from_step, to_step, came_in, went_out, steps, duration_us, at)
select id, 1, 0, 1, 1, 2, '{}', '{}', 1, 1, now() from workflow_executions;
analyze;
"""
# As many as are all there is in a quiet moment: an index of their status is then shorter than that of their keys.
A_FEW = """
insert into workflow_executions (id, workflow_name, state_json, status, session_id, script_path, plan_hash, mode, wait_kind,
    start_order, partition)
select gen_random_uuid(), 't', '{}', 'waiting', s, 't', 'p1', 'workflow', 'message', n, workflow_partition(s)
from (select n, gen_random_uuid() as s from generate_series(1, 32) n) x;
"""
SMALL = {"workflow_partitions"}


def scans(plan: dict[str, Any]) -> Iterator[str]:
    if plan["Node Type"] == "Seq Scan":
        yield plan["Relation Name"]
    for part in plan.get("Plans", []):
        yield from scans(part)


async def test_hot_statements_never_read_a_whole_table(database: str, connection: Connection) -> None:
    store = await open_store(database)
    await deploy(store)
    await connection.execute(LARGE)
    picked = await connection.fetch("select id from workflow_executions where status = 'waiting' limit 128")
    loaded = await store.load_executions([row[0] for row in picked])
    turns = [turn_of(one, consumed=(number,)) for number, one in enumerate(loaded, 1)]
    session = uuid4()
    hot: dict[str, tuple[Any, ...]] = {
        "fetch_messages": ("d1", [1, 2], 100, [7]),
        "fetch_due": ("d1", [], 100, 0),
        "next_due": ("d1", []),
        "settle_timers": ([one.id for one in loaded],),
        "load_executions": ([one.id for one in loaded],),
        "commit_turn": arguments_of_turn(turns[0], "d1"),
        "commit_turns": columns_of_turns(turns, "d1"),
        "find_turn_outcome": (loaded[0].id, 1, "d1"),
        "park_execution": (loaded[0].id, 1, "d1", "x"),
        "mark_lost": ("d1", [], None),
        "list_executions": (None, None, None, 5000, 100),
        "show_execution": (loaded[0].id,),
        "list_turns": (loaded[0].id, None, 10),
        "find_execution": (loaded[0].id, loaded[1].id),
    }
    # As the daemon's sessions: months that were analysed while they were empty are no reason to read them whole later.
    await connection.execute("set enable_seqscan = off")
    for name, arguments in hot.items():
        for cache in ("force_custom_plan", "force_generic_plan"):
            await connection.execute(f"set plan_cache_mode = {cache}")
            text = await connection.fetchval("explain (format json) " + query(name), *arguments)
            found = set(scans(json.loads(text)[0]["Plan"])) - SMALL
            assert found == set(), f"{name}, {cache}: reads the whole of {found}"
    inside = {
        "stack": "select e.id from workflow_executions e where e.session_id = $1 and e.plan_hash is not null"
        " and e.status in ('running', 'waiting', 'paused') order by e.start_order desc limit 1",
        "take": "select r.id from workflow_replies r where r.session_id = $1 and r.taken_at is null order by r.id limit 10",
    }
    for name, statement in inside.items():
        text = await connection.fetchval("explain (format json) " + statement, session)
        assert list(scans(json.loads(text)[0]["Plan"])) == [], name
    await close_store(store)


async def test_commits_go_by_key_also_where_the_planner_has_seen_hardly_a_row(
    database: str, connection: Connection
) -> None:
    """Statistics of a quiet moment are those of a busy one until the next analyze: an index that is as short as the
    key's by then is as long as the table soon after."""
    store = await open_store(database)
    await deploy(store)
    await connection.execute(LARGE + "update workflow_executions set status = 'completed' where status = 'waiting';")
    ids = [row[0] for row in await connection.fetch("select id from workflow_executions limit 64")]
    loaded = await store.load_executions(ids)
    for tidied in ("delete from workflow_messages", "vacuum", "analyze"):
        await connection.execute(tidied)
    turns = [turn_of(one, consumed=(number,)) for number, one in enumerate(loaded, 1)]
    await connection.execute("set enable_seqscan = off; set plan_cache_mode = force_generic_plan")
    for few in (
        "select 1",
        "delete from workflow_turns; delete from workflow_replies; delete from workflow_executions; analyze",
        "vacuum full analyze workflow_executions",
        A_FEW,
        "vacuum full analyze workflow_executions",
    ):
        await connection.execute(few)
        for name, arguments in {
            "commit_turn": arguments_of_turn(turns[0], "d1"),
            "commit_turns": columns_of_turns(turns, "d1"),
        }.items():
            text = await connection.fetchval("explain (format json) " + query(name), *arguments)
            assert "workflow_executions_pkey" in text and "workflow_messages_id" in text
            others = set(re.findall(r'"Index Name": "([^"]+)"', text))
            assert others <= {"workflow_executions_pkey", "workflow_messages_id", "workflow_partitions_pkey"}, name
    await close_store(store)


async def test_what_begins_is_found_lane_by_lane_also_where_the_planner_has_seen_nobody_begin(
    database: str, connection: Connection
) -> None:
    store = await open_store(database)
    await deploy(store)
    await connection.execute(LARGE)
    await connection.execute(
        "set enable_seqscan = off; set enable_bitmapscan = off; set plan_cache_mode = force_generic_plan"
    )
    looks: dict[str, tuple[Any, ...]] = {
        "fetch_due": ("d1", [], 100, 0),
        "next_due": ("d1", []),
        "count_due": ("d1", 9),
    }
    for name, arguments in looks.items():
        text = await connection.fetchval("explain (format json) " + query(name), *arguments)
        used = set(re.findall(r'"Index Name": "([^"]+)"', text))
        assert "workflow_executions_running" in used, name
        assert used <= {
            "workflow_executions_running",
            "workflow_executions_pkey",
            "workflow_timers_due",
            "workflow_partitions_pkey",
        }, name
        sorted_by = re.findall(r'"Sort Key": (\[[^]]*\])', text)
        assert not any("hash" in key or "created_at" in key for key in sorted_by), "the index has the order"
    await close_store(store)


async def test_turns_update_their_row_in_place(database: str, connection: Connection) -> None:
    """HOT: no index has a column that a turn of a waiting conversation changes."""
    indexed = await connection.fetch(
        "select distinct a.attname from pg_index i join pg_attribute a on a.attrelid = i.indrelid"
        " and (a.attnum = any (i.indkey) or pg_get_expr(i.indpred, i.indrelid) like '%' || a.attname || '%')"
        " where i.indrelid = 'workflow_executions'::regclass"
    )
    changing = {"state_json", "current_step", "revision", "turn", "updated_at", "problem", "wait_kind", "wake_at"}
    assert {row[0] for row in indexed} & changing == set()
