"""A small world for the tests of the contract: a plan, a daemon's store, turns to commit."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from daemon.migrations import Connection
from daemon.rows import Extras, LoadedExecution, StoredPlan, Turn
from daemon.store import Store, open_pool
from daemon.store_partitions import Herald, PartitionStore
from engine.effects import Reply, Request

PLAN = StoredPlan("p1", "ticket.bas", "workflow", "{}", {"ticket.bas": 'TALK "hi"'}, "0.1.0")
DIRECT = StoredPlan("p2", "direct.bas", "direct", "{}", {"direct.bas": 'TALK "hi"'}, "0.1.0")
CLOCK = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)


async def open_store(dsn: str, owner: str = "d1", *, schema: str = "public", claim: bool = True) -> Store:
    """A store with a pool of its own, which the caller closes with close_store; it owns all partitions."""
    store = Store(await open_pool(dsn, schema=schema, size_max=4), schema, owner)
    if claim:
        await shares_of(store).tend(60)
    return store


def shares_of(store: Store) -> PartitionStore:
    """The statements about the partitions of that store's owner."""
    return PartitionStore(store._pool, Herald(store.owner, "here", 1, "1.0"))


async def close_store(store: Store) -> None:
    store._pool.terminate()


async def deploy(store: Store, *plans: StoredPlan) -> None:
    for plan in plans or (PLAN, DIRECT):
        await store.save_plan(plan)
        await store.deploy_script(plan.script, plan.hash)


async def start(connection: Connection, session: UUID | None = None, script: str = "ticket.bas") -> UUID:
    started: UUID = await connection.fetchval("select workflow_start($1, $2)", script, session)
    return started


async def say(connection: Connection, session: UUID, content: str = "hello") -> None:
    await connection.execute("insert into workflow_messages (session_id, content) values ($1, $2)", session, content)


def turn_of(loaded: LoadedExecution, **changes: Any) -> Turn:
    """The next turn of an execution: by default it asks a question and waits for the answer."""
    wait = {"kind": "message", "prompt_id": f"q{loaded.turn + 1}", "type": "text", "prompt": "And?"}
    values: dict[str, Any] = {
        "execution_id": loaded.id,
        "revision": loaded.revision,
        "number": loaded.turn + 1,
        "session_id": loaded.session_id,
        "state_json": json.dumps({"version": 1, "variables": {}, "step_index": 2, "wait": wait}),
        "current_step": 2,
        "from_step": 1,
        "status": "waiting",
        "wait_kind": "message",
        "wake_at": None,
        "consumed": (),
        "replies": (Reply("And?"),),
        "came_in": '{"kind": "start"}',
        "went_out": '{"replies": 1, "prompt": {"prompt_id": "q"}, "asked_again": false, "log": []}',
        "problem": None,
        "steps": 1,
        "duration_us": 10,
    }
    return Turn(**(values | changes))


async def ask(store: Store, execution: UUID, **changes: Any) -> LoadedExecution:
    """Commit a turn after which the execution waits, and return it as it is then."""
    [loaded] = await store.load_executions([execution])
    assert await store.commit_turn(turn_of(loaded, **changes))
    [loaded] = await store.load_executions([execution])
    return loaded


async def asking(store: Store, connection: Connection, session: UUID | None = None) -> LoadedExecution:
    """Start ticket.bas in a session and let it ask its first question."""
    return await ask(store, await start(connection, session or uuid4()))


async def stop_clock(connection: Connection, at: datetime = CLOCK) -> None:
    """From now on the schema's time stands still, until moved by move_clock."""
    await connection.execute("create table if not exists test_clock (at timestamptz not null)")
    await connection.execute("delete from test_clock")
    await connection.execute("insert into test_clock values ($1)", at)
    await connection.execute(
        "create or replace function workflow_now() returns timestamptz stable language sql"
        " return (select at from test_clock)"
    )


async def move_clock(connection: Connection, by: timedelta) -> None:
    await connection.execute("update test_clock set at = at + $1", by)


async def requesting(
    store: Store,
    connection: Connection,
    kind: str = "SEND FILE",
    *,
    session: UUID | None = None,
    bot: UUID | None = None,
    deadline: datetime | None = None,
    policy: str | None = None,
) -> UUID:
    """Start ticket.bas and let its first turn make a request and wait for it; return the request's id."""
    started: UUID = await connection.fetchval("select workflow_start('ticket.bas', $1, $2)", session or uuid4(), bot)
    request = Request(kind, {"arguments": ["a.pdf"], "clauses": {}}, 1, deadline, policy)
    wait = {"kind": "request", "request": kind, "number": 1}
    state = {"version": 1, "variables": {}, "step_index": 2, "wait": wait}
    await ask(
        store,
        started,
        state_json=json.dumps(state),
        wait_kind="request",
        wake_at=deadline,
        replies=(),
        extras=Extras(requests=(request,)),
    )
    made: UUID = await connection.fetchval("select workflow_request_id($1, 1)", started)
    return made
