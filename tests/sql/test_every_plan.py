"""Every hot statement goes by index, whatever the tables hold, and so does every statement inside of the functions and
triggers that it runs: each is really run, and PostgreSQL's auto_explain tells the plan of all that ran.

With the settings of the daemon's own sessions, and for clients with the server's; on tables that were never analysed, and on analysed ones.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from daemon.migrations import Connection
from daemon.rows import LoadedExecution
from daemon.statements import query
from daemon.store import Store, session_settings
from tests.sql.statements import HOT, OPERATOR, SELDOM
from tests.sql.world import close_store, deploy, open_store, turn_of

# Tables that do not grow with conversations: reading them whole is what an index would do too.
SMALL = {
    "workflow_partitions",
    "workflow_daemons",
    "workflow_settings",
    "workflow_secrets",
    "workflow_plans",  # a row a version of a script
    "workflow_scripts",
    "workflow_declarations",
    "workflow_bot_roles",
    "workflow_chores",
    "workflow_sources",
    "workflow_turns_default",  # empty where months are made in time
}
# Statements that may read a whole table or index of these, with why.
ALLOWED = {
    (
        "count_executions",
        "workflow_executions",
    ): "a gauge over all of them; whoever owns the gauges is to make it cheap",
    ("measure_messages", "workflow_messages"): "a gauge over a queue",
    ("measure_signals", "workflow_signals"): "a gauge over a queue",
    ("measure_signals", "workflow_events"): "a gauge over what nobody has heard",
    ("count_requests", "workflow_requests"): "a gauge over what is open",
}
EXPLAIN = """
load 'auto_explain';
set auto_explain.log_min_duration = 0;
set auto_explain.log_nested_statements = on;
set auto_explain.log_format = json;
set auto_explain.log_level = notice;
set client_min_messages = notice;
set jit = off;
"""
# Indexes that may be read whole: of what waits for a daemon to look at it for the first time, and of what daemons hold.
QUEUES = {
    "workflow_schedules_unplanned",
    "workflow_sources_pending",
    "workflow_events_fresh",
    "workflow_requests_taken",
    "workflow_executions_direct",
}
BLOCKING = {"Sort", "Aggregate", "Hash", "Materialize", "WindowAgg", "Memoize"}
ZERO = UUID(int=0)


def test_every_statement_has_a_class() -> None:
    files = {path.stem for path in (Path(__file__).parents[2] / "sql" / "queries").glob("*.sql")}
    classes = [*HOT, *OPERATOR, *SELDOM]
    assert files - set(classes) == set(), "say in tests/sql/statements.py whether it is hot"
    assert len(classes) == len(set(classes))
    assert all(sentence for kinds in (HOT, OPERATOR, SELDOM) for sentence in kinds.values())


def whole(plan: dict[str, Any], bounded: bool = False) -> Iterator[str]:
    """Give the tables that a plan reads to their end: by a sequential scan, or all of an index without a limit above."""
    kind = plan["Node Type"]
    table = plan.get("Relation Name", "")
    if "Seq Scan" in kind:
        yield table
    if (
        kind in ("Index Scan", "Index Only Scan")
        and "Index Cond" not in plan
        and not (bounded or plan["Index Name"] in QUEUES)
    ):
        yield table
    bounded = kind == "Limit" or (bounded and kind not in BLOCKING)
    for part in plan.get("Plans", []):
        yield from whole(part, bounded)


class Watched:
    """A connection that tells the plans of all that it runs."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._plans: list[dict[str, Any]] = []
        connection.add_log_listener(self._hear)

    def _hear(self, _: object, message: asyncpg.PostgresLogMessage) -> None:
        text = str(message.message)
        if text.startswith("duration:") and "plan:" in text:
            self._plans.append(json.loads(text.split("plan:", 1)[1]))

    async def plans(self, statement: str, *arguments: Any) -> list[dict[str, Any]]:
        """Run a statement with all that follows from it, undo it, and return every plan."""
        self._plans.clear()
        transaction = self.connection.transaction()
        await transaction.start()
        try:
            await self.connection.execute("set constraints all immediate")
            await self.connection.fetch(statement, *arguments)
        finally:
            await transaction.rollback()
        await asyncio.sleep(0)
        return list(self._plans)


def extras_of(ids: list[UUID]) -> str:
    """Everything that turns may write besides, of several executions."""
    some = [
        {
            "execution": str(id),
            "requests": [{"number": 70, "kind": "SEND FILE", "payload": {}, "policy": None, "deadline": None}],
            "signals": [n + 1],
            "unheard": [n + 100],
            "consumed": [str(UUID(int=n))],
            "answered": [1],
            "given_up": [1],
            "waits": [[70, "x"]],
            "events": [1],
            "result": 1,
        }
        for n, id in enumerate(ids)
    ]
    return json.dumps(some)


class _Asked(Exception):
    """What a store was about to run."""


class _Recorder:
    """Stands for the connections of a store, and runs nothing."""

    async def fetch(self, statement: str, *given: Any) -> list[Any]:
        raise _Asked(statement, given)


async def commits(store: Store, loaded: list[LoadedExecution], message: int) -> list[tuple[str, str, tuple[Any, ...]]]:
    """What a store runs for one turn that ends its execution, and for a batch: name, statement, arguments."""
    one = turn_of(loaded[0], consumed=(message,), status="completed", wait_kind=None)
    batch = [turn_of(x, consumed=(n,), status=("waiting", "completed")[n % 2]) for n, x in enumerate(loaded, 1)]
    found = []
    recording = Store(store._pool, "public", "d1")
    recording._lanes = _Recorder()  # type: ignore[assignment]
    for name, commit in (("commit_turn", recording.commit_turn(one)), ("commit_turns", recording.commit_turns(batch))):
        try:
            await commit
        except _Asked as asked:
            found.append((name, *asked.args))
    assert len(found) == 2
    return found


def arguments_of_turns(one: LoadedExecution, loaded: list[LoadedExecution]) -> dict[str, tuple[Any, ...]]:
    """Arguments for what turns and clients run."""
    asked = {"what": "in 1 hour", "script": "ticket.bas", "at": "2099-01-01T00:00:00Z"}
    return {
        "approval_link": (one.id, 1),
        "call_tool": ("public.crowd_tool", "[1]", one.session_id, one.id, ZERO),
        "clear_schedule": (ZERO, "ticket.bas"),
        "find_turn_outcome": (one.id, 1, "d1"),
        "fire_trigger": (one.id, "go", "{}"),
        "get_bot_memory": (ZERO, "k1"),
        "get_session_variable": (one.session_id, "k"),
        "park_execution": (one.id, one.revision, "d1", "x"),
        "publish_event": (one.id, "event 7", "{}"),
        "run_data": (ZERO, "find", '{"table": "orders", "limit": 1}', "{}"),
        "send_message": (one.session_id, "x", None, "new", None, None, None),
        "set_bot_memory": (ZERO, "k1", "2"),
        "set_schedule": (one.id, ZERO, "k", json.dumps(asked)),
        "set_session_variable": (one.session_id, "k", "2"),
        "share_memory": (ZERO, "k1", "other"),
        "start_child": (one.id, "ticket.bas", "{}", ""),
        "start_execution": ("ticket.bas", one.session_id, None, "{}", "a key"),
        "sync_memory": (ZERO, "other"),
        "take_replies": (one.session_id, 100),
        "write_extras": (extras_of([x.id for x in loaded]),),
    }


async def arguments(connection: Connection, loaded: list[LoadedExecution]) -> dict[str, tuple[Any, ...]]:
    """Arguments for every hot statement, such that it finds something to do."""
    one = loaded[0]
    ids = [x.id for x in loaded]
    taken = await connection.fetch("select id, attempts from workflow_requests where status = 'taken' limit 20")
    schedule = await connection.fetchrow("select id, next_at from workflow_schedules where next_at < now() limit 1")
    assert schedule is not None
    answers = [{"id": str(row[0]), "attempt": row[1], "outcome": "done", "result": 1} for row in taken]
    held, attempts = [row[0] for row in taken], [row[1] for row in taken]
    firing = {"id": schedule[0], "expected": schedule[1].isoformat(), "settled": schedule[1].isoformat()}
    firing |= {"slots": [schedule[1].isoformat()], "next": None, "problem": None}
    return arguments_of_turns(one, loaded) | {
        "answer_requests": ("d1", json.dumps(answers), 8, "repeat"),
        "check_listening": ("workflow_wake",),
        "count_due": ("d1", 1000),
        "count_executions": (1000,),
        "count_requests": (1000,),
        "delete_ended_requests": (24,),
        "doze": ("d1", [1, 2]),
        "end_chore": ("prune", "d1", "{}"),
        "fetch_due": ("d1", ids, 100, 1 << 62),
        "fetch_fairly": ("d1", [1, 2], 100, [5], [7 << 32], [3], [ZERO], 64, 0),
        "fetch_messages": ("d1", [1, 2], 100, None),
        "fetch_schedules": (100,),
        "fetch_signals": ("d1", [1, 2], 100),
        "find_chore": ("prune",),
        "find_tool": (ZERO, "ticket"),
        "fire_schedules": (json.dumps([firing]),),
        "give_back_requests": ("d1", held, attempts, ["x"] * len(held)),
        "keep_chore": ("prune", "d1", 60.0),
        "list_lost_requests": ("d1", held, attempts),
        "load_bot_parameters": (ZERO,),
        "load_executions": (ids,),
        "load_plan": ("p1",),
        "mark_lost": ("d1", ids[:2], None),
        "measure_messages": (1000,),
        "measure_signals": (1000,),
        "next_due": ("d1", ids),
        "next_request": ("d1", None, True),
        "plan_schedule": (schedule[0], None, None, None, None, None),
        "recover_requests": ("d1", held, [], "repeat"),
        "release_partitions": ("d1", [1, 2]),
        "tend_partitions": ("d1", "here", 1, "1.0", 60.0, False, 0, []),
        "settle_timers": (ids,),
        "settle_source": (1, "deployed", None, "[]"),
        "take_chore": ("prune", "d1", 60.0, 3600.0),
        "take_requests": ("d1", None, 100, ["host1"], [5], 10, []),
        "tell_events": (["event 3", "event 4"],),
        "tell_request_settings": (8, 1.0, 300.0),
    }


DAY = 86_400.0
PRUNES: dict[str, tuple[Any, ...]] = {
    kind: (kind, 40 * DAY if kind in ("executions", "history") else 20 * DAY, *([20 * DAY] * 2), "", 200)
    for kind in ("executions", "history", "history_default", "replies", "unheard", "events", "message_ids", "plans")
}
# What other programs run all day.
CLIENTS = {
    "insert a message": "insert into workflow_messages (session_id, content, external_id) values (md5('s7')::uuid, 'x', 'new')",
    "workflow_send": "select workflow_send(md5('s7')::uuid, 'x', external_id => 'x7')",
    "workflow_start": "select workflow_start('ticket.bas', start_key => 'old 9')",
    "workflow_take_requests": "select workflow_take_requests('SEND FILE', 100)",
    "workflow_complete": "select workflow_complete(workflow_request_id(md5('e1')::uuid, 1))",
    "workflow_fail": "select workflow_fail(workflow_request_id(md5('e1')::uuid, 1), 'x')",
    "workflow_approve": "select workflow_approve(workflow_approval_token(workflow_request_id(md5('e5')::uuid, 1)), 'yes')",
    "workflow_publish": "select workflow_publish('event 8')",
    "workflow_trigger": "select workflow_trigger('go')",
    "workflow_cancel": "select workflow_cancel(md5('e1')::uuid)",
    "workflow_schedule": "select workflow_schedule('ticket.bas', 'every day at 9am')",
}


@pytest.fixture
async def crowded(database: str, connection: Connection) -> Store:
    store = await open_store(database)
    await deploy(store)
    await connection.execute((Path(__file__).parent / "crowd.sql").read_text())
    return store


async def complaints(watched: Watched, name: str, statement: str, *given: Any) -> list[str]:
    """Give what of a statement, and of all that it runs, reads a whole table."""
    found = []
    try:
        plans = await watched.plans(statement, *given)
    except asyncpg.PostgresError as error:
        return [f"{name} failed: {error}"]
    for plan in plans:
        tables = {table for table in whole(plan["Plan"]) if table.startswith("workflow_")} - SMALL
        tables = {"workflow_turns" if table.startswith("workflow_turns_") else table for table in tables}
        text = " ".join(plan["Query Text"].split())[:300]
        found += [f"{name} reads all of {table}: {text}" for table in tables if (name, table) not in ALLOWED]
    return found


async def run_ours(watched: Watched, given: dict[str, tuple[Any, ...]]) -> list[str]:
    """Give the complaints about every hot statement, and every kind of retention."""
    found: list[str] = []
    for name in HOT:
        if name not in ("prune", "commit_turn", "commit_turns"):
            found += await complaints(watched, name, query(name), *given.get(name, ()))
    for kind, asked in PRUNES.items():
        for really in (False, True):
            found += [f"{kind}: {said}" for said in await complaints(watched, "prune", query("prune"), *asked, really)]
    return found


async def test_every_hot_statement_and_all_that_it_runs_goes_by_index(
    crowded: Store, database: str, connection: Connection
) -> None:
    picked = await connection.fetch("select id from workflow_executions where status = 'waiting' order by id limit 60")
    loaded = await crowded.load_executions([row[0] for row in picked])
    given = await arguments(connection, loaded)
    assert set(given) <= set(HOT)
    message = await connection.fetchval("select max(id) from workflow_messages")
    committed = await commits(crowded, loaded, message)
    found: list[str] = []
    for known in ("never analysed", "analysed"):
        if known == "analysed":
            await connection.execute("analyze")
        ours = await asyncpg.connect(database, server_settings=session_settings("public"))
        await ours.execute(EXPLAIN)
        found += [f"{known}: {said}" for said in await run_ours(Watched(ours), given)]
        for name, statement, its in committed:
            found += [f"{known}: {said}" for said in await complaints(Watched(ours), name, statement, *its)]
        await ours.close()
        for cache in ("force_generic_plan", "force_custom_plan"):
            theirs = await asyncpg.connect(database, server_settings={"plan_cache_mode": cache})
            await theirs.execute(EXPLAIN)
            for name, statement in CLIENTS.items():
                found += [f"{known}, {cache}: {said}" for said in await complaints(Watched(theirs), name, statement)]
            await theirs.close()
    assert not found, "\n" + "\n".join(dict.fromkeys(found))
    await close_store(crowded)


async def test_what_reads_a_whole_table_is_seen(database: str) -> None:
    ours = await asyncpg.connect(database, server_settings=session_settings("public"))
    await ours.execute(
        EXPLAIN + "create function hidden() returns bigint language plpgsql as $$ begin return"
        " (select count(*) from workflow_replies r where r.content = 'x'); end $$;"
    )
    [said] = await complaints(Watched(ours), "hidden", "select hidden()")
    assert "reads all of workflow_replies" in said
    assert await complaints(Watched(ours), "all", "select * from workflow_executions order by id") != []
    assert await complaints(Watched(ours), "page", "select * from workflow_executions order by id limit 5") == []
    await ours.close()
