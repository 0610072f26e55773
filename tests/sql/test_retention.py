"""Retention: what goes, what stays, in portions, once; start keys stay good. F61, F62."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from daemon.migrations import Connection
from daemon.store import Store
from daemon.store_retention import Aged, RetentionStore
from tests.sql.world import ask, asking, move_clock, stop_clock, turn_of

DAY = 86_400.0
MONTH = Aged("executions", 30 * DAY)


@pytest.fixture
def retention(store: Store) -> RetentionStore:
    return RetentionStore(store._pool, "test")


async def prune(retention: RetentionStore, aged: Aged, rows: int = 100, *, really: bool = True) -> dict[str, int]:
    """Delete all that is past, in portions; return the rows by table, without those of which there were none."""
    deleted: Counter[str] = Counter()
    after: str | None = ""
    while after is not None:
        portion = await retention.prune(aged, after, rows, really=really)
        deleted.update(portion.deleted)
        after = portion.next
    return {table: count for table, count in deleted.items() if count}


async def end(store: Store, execution: UUID, status: str = "completed") -> UUID:
    """Let an execution that waits end by a turn."""
    [loaded] = await store.load_executions([execution])
    assert await store.commit_turn(turn_of(loaded, status=status, wait_kind=None))
    return execution


async def ended(store: Store, connection: Connection, status: str = "completed") -> UUID:
    return await end(store, (await asking(store, connection)).id, status)


async def there(connection: Connection) -> set[UUID]:
    return {row[0] for row in await connection.fetch("select id from workflow_executions")}


async def count(connection: Connection, table: str) -> int:
    found: int = await connection.fetchval(f"select count(*) from {table}")
    return found


async def test_f62_only_what_ended_long_ago_goes_with_all_that_is_its_own(
    store: Store, retention: RetentionStore, connection: Connection
) -> None:
    await stop_clock(connection)
    theirs = await connection.fetchval(
        "insert into workflow_executions (id, workflow_name, state_json, status, ended_at)"
        " values (gen_random_uuid(), 'x', '{}', 'completed', '2020-01-01') returning id"
    )
    old = {await ended(store, connection, status) for status in ("completed", "failed", "cancelled", "lost")}
    waiting, paused = await asking(store, connection), await asking(store, connection)
    await connection.execute("select workflow_pause($1)", paused.id)
    parent, family = (await asking(store, connection)).id, await ended(store, connection)
    child_of_living, child_of_ended = await ended(store, connection), await ended(store, connection)
    for child, of in ((child_of_living, parent), (child_of_ended, family)):
        await connection.execute(
            "update workflow_executions set parent_id = $2, parent_number = 1 where id = $1", child, of
        )
    referred = await ended(store, connection)
    await connection.execute("alter table workflow_events disable trigger user")
    await connection.execute(
        "insert into workflow_events (id, workflow_id, event_name) values (gen_random_uuid(), $1, 'theirs')", referred
    )
    await move_clock(connection, timedelta(days=31))
    recent = await ended(store, connection)
    gone = old | {family, child_of_ended}
    everything = await there(connection)
    expected = {"workflow_executions": 6, "workflow_turns": 12, "workflow_replies": 12}
    assert await prune(retention, MONTH, really=False) == expected and await there(connection) == everything
    assert await prune(retention, MONTH) == expected
    kept = {theirs, waiting.id, paused.id, parent, child_of_living, referred, recent}
    assert await there(connection) == kept == everything - gone
    assert await prune(retention, MONTH) == {}, "again is a no-op"
    for table in ("workflow_turns", "workflow_replies"):
        orphans = f"select count(*) from {table} where execution_id = any ($1)"
        assert await connection.fetchval(orphans, list(gone)) == 0
    assert await count(connection, "workflow_turns") == 2 + 4 + 1 + 1 + 1, "whoever stays keeps his history"
    # What goes on, goes on.
    [loaded] = await store.load_executions([waiting.id])
    assert await store.commit_turn(turn_of(loaded)) and await store.turn_outcome(waiting.id, loaded.revision)
    await end(store, parent)
    await move_clock(connection, timedelta(days=31))
    assert (await prune(retention, MONTH))["workflow_executions"] == 3, "parent, its child, and what was recent"


async def test_f61_portions_by_two_who_are_interrupted_delete_each_row_once(
    store: Store, retention: RetentionStore, connection: Connection
) -> None:
    await stop_clock(connection)
    await connection.execute(
        "insert into workflow_executions (id, workflow_name, state_json, status, session_id, script_path, plan_hash, mode,"
        " start_order, partition, ended_at, start_key)"
        " select gen_random_uuid(), 't', '{}', 'completed', gen_random_uuid(), 't', 'p1', 'workflow', n, 1,"
        " workflow_now() - interval '40 days' - make_interval(secs => n / 5), 'key ' || n from generate_series(1, 500) n"
    )
    await connection.execute(
        "insert into workflow_turns (execution_id, turn, revision, epoch, from_step, to_step, came_in, went_out, steps,"
        " duration_us, at) select e.id, n, 0, 1, 1, 2, '{}', '{}', 1, 1, e.ended_at"
        " from workflow_executions e, generate_series(1, 4) n"
    )
    first = await retention.prune(MONTH, "", 30, really=True)  # and then it was killed
    other = RetentionStore(store._pool, "other")
    both = await asyncio.gather(prune(retention, MONTH, 7), prune(other, MONTH, 11))
    total = Counter(first.deleted) + Counter(both[0]) + Counter(both[1])
    # A page that one holds is skipped by the other; what remains is found by whoever comes next.
    total += Counter(await prune(retention, MONTH, 13))
    assert total["workflow_executions"] == 500 and total["workflow_turns"] == 2000
    assert await count(connection, "workflow_start_keys") == 500 and await there(connection) == set()


async def test_a_start_key_outlives_its_execution(
    store: Store, retention: RetentionStore, connection: Connection
) -> None:
    await stop_clock(connection)
    keyed = "select workflow_start('ticket.bas', start_key => $1)"
    started = await connection.fetchval(keyed, "order 7")
    await end(store, (await ask(store, started)).id)
    schedule = await connection.fetchval("select workflow_schedule('ticket.bas', 'every day at 8am')")
    slot = timedelta(hours=8)
    fill = "select workflow_backfill_schedule($1, array[workflow_now() - $2::interval])"
    assert await connection.fetchval(fill, schedule, slot) == 1
    [scheduled] = await connection.fetch("select id from workflow_executions where schedule_id = $1", schedule)
    await end(store, (await ask(store, scheduled[0])).id)
    await move_clock(connection, timedelta(days=31))
    assert (await prune(retention, MONTH))["workflow_executions"] == 2
    assert await connection.fetchval(keyed, "order 7") == started, "the key answers what it always answered"
    assert await connection.fetchval(fill, schedule, slot + timedelta(days=31)) == 0
    assert await there(connection) == set()
    assert await connection.fetchval(keyed, "order 8") != started


async def test_what_other_tables_refer_to_stays_and_does_not_keep_the_rest(
    store: Store, retention: RetentionStore, connection: Connection
) -> None:
    await stop_clock(connection)
    some = [await ended(store, connection) for _ in range(3)]
    await connection.execute("create table theirs (execution uuid references workflow_executions (id))")
    await connection.execute("insert into theirs values ($1)", some[1])
    await move_clock(connection, timedelta(days=31))
    assert (await prune(retention, MONTH))["workflow_executions"] == 2
    assert await there(connection) == {some[1]} and await count(connection, "workflow_turns") == 2


async def test_an_execution_with_very_many_turns_goes_in_several_portions(
    store: Store, retention: RetentionStore, connection: Connection
) -> None:
    await stop_clock(connection)
    long = await ended(store, connection)
    await connection.execute(
        "insert into workflow_turns select execution_id, n, 0, 1, 1, 2, '{}', '{}', 1, 1, at"
        " from workflow_turns, generate_series(10, 21000) n where execution_id = $1 and turn = 1",
        long,
    )
    await move_clock(connection, timedelta(days=31))
    first = await retention.prune(MONTH, "", 100, really=True)
    assert first.deleted["workflow_turns"] < 20_001 and first.next == "" and await there(connection) == {long}
    assert (await prune(retention, MONTH))["workflow_executions"] == 1
    assert await count(connection, "workflow_turns") == 0


async def test_events_of_ours_that_were_heard_go_and_what_nobody_heard_is_for_somebody(
    store: Store, retention: RetentionStore, connection: Connection
) -> None:
    await stop_clock(connection)
    publisher = await ended(store, connection)
    server = await connection.fetchval(
        "insert into workflow_executions (id, workflow_name, state_json) values (gen_random_uuid(), 'x', '{}') returning id"
    )
    made = {
        name: await connection.fetchval(
            "insert into workflow_events (id, workflow_id, event_name) values (gen_random_uuid(), $1, $2) returning id",
            *values,
        )
        for name, values in {
            "heard": (publisher, "a"),
            "kept": (publisher, "b"),
            "of the server's execution": (server, "c"),
            "the server's": (None, "d"),
            "the server's, unheard": (server, "g"),
        }.items()
    }
    made["published"] = await connection.fetchval("select workflow_publish('e')")
    made["unheard"] = await connection.fetchval("select workflow_publish('f')")
    heard = [id for name, id in made.items() if name not in ("kept", "unheard", "the server's, unheard")]
    await connection.execute(
        "update workflow_events set stage = case when id = any ($1) then 'told' else 'early' end, processed = id = any ($1)",
        heard,
    )
    await move_clock(connection, timedelta(days=31))
    names = {id: name for name, id in made.items()}

    async def left() -> set[str]:
        return {names[row[0]] for row in await connection.fetch("select id from workflow_events")}

    assert await prune(retention, Aged("events", 30 * DAY), 1) == {"workflow_events": 2}
    theirs = {"of the server's execution", "the server's", "the server's, unheard"}
    assert await left() == theirs | {"kept", "unheard"}
    assert (await prune(retention, MONTH))["workflow_executions"] == 1
    assert await connection.fetchval("select workflow_id from workflow_events where id = $1", made["kept"]) is None
    assert await prune(retention, Aged("unheard", 30 * DAY), 1) == {"workflow_events": 2}
    assert await left() == theirs


async def test_messages_that_somebody_may_hear_stay(
    store: Store, retention: RetentionStore, connection: Connection
) -> None:
    await stop_clock(connection)
    paused, over = await asking(store, connection), await asking(store, connection)
    nobody = uuid4()
    for session in (paused.session_id, over.session_id, nobody, nobody):
        await connection.execute("insert into workflow_messages (session_id, content) values ($1, 'x')", session)
    await connection.execute("select workflow_pause($1), workflow_cancel($2)", paused.id, over.id)
    await move_clock(connection, timedelta(days=31))
    await connection.execute("insert into workflow_messages (session_id, content) values ($1, 'new')", nobody)
    unheard = Aged("unheard", 30 * DAY)
    assert await prune(retention, unheard, 2, really=False) == {"workflow_messages": 3}
    assert await prune(retention, unheard, 2) == {"workflow_messages": 3}
    left = await connection.fetch("select session_id from workflow_messages")
    assert {row[0] for row in left} == {paused.session_id, nobody}


async def test_a_second_delivery_is_recognised_for_as_long_as_its_id_is_kept(
    store: Store, retention: RetentionStore, connection: Connection
) -> None:
    await stop_clock(connection)
    asked = await asking(store, connection)
    send = "select workflow_send($1, 'x', external_id => $2)"
    for id in ("a", "b", "c"):
        await connection.execute(send, asked.session_id, id)
    await move_clock(connection, timedelta(days=31))
    await connection.execute(send, asked.session_id, "d")
    ids = Aged("message_ids", 30 * DAY)
    assert await prune(retention, ids, 2, really=False) == {"workflow_message_ids": 3}
    assert await prune(retention, ids, 2) == {"workflow_message_ids": 3}
    await connection.execute(send, asked.session_id, "d")
    assert await count(connection, "workflow_messages") == 4


async def test_plans_and_sources_that_nothing_refers_to_go(
    store: Store, retention: RetentionStore, connection: Connection
) -> None:
    await stop_clock(connection)
    copy = (
        "insert into workflow_plans select $1, $2, mode, plan_json, sources, engine_version, workflow_now()"
        " from workflow_plans where hash = 'p1'"
    )
    for hash, script in (("loose", "x.bas"), ("run", "x.bas"), ("just replaced", "ticket.bas"), ("scheduled", "x.bas")):
        await connection.execute(copy, hash, script)
    asked = await asking(store, connection)
    await connection.execute("update workflow_executions set plan_hash = 'run' where id = $1", asked.id)
    schedule = await connection.fetchval("select workflow_schedule('ticket.bas', 'every day at 8am')")
    await connection.execute("update workflow_schedules set plan_hash = 'scheduled' where id = $1", schedule)
    for _ in range(3):
        await connection.fetchval("select workflow_deploy(null, 'y.bas', null)")
    await move_clock(connection, timedelta(days=31))
    await connection.execute("update workflow_scripts set deployed_at = workflow_now() where script = 'ticket.bas'")
    plans = Aged("plans", 30 * DAY)
    gone = {"workflow_plans": 1, "workflow_sources": 2}
    assert await prune(retention, plans, 2, really=False) == gone
    assert await prune(retention, plans, 2) == gone
    left = {row[0] for row in await connection.fetch("select hash from workflow_plans")}
    assert left == {"p1", "p2", "run", "just replaced", "scheduled"}


async def test_one_at_a_time_and_not_before_it_is_due(
    store: Store, retention: RetentionStore, connection: Connection
) -> None:
    await stop_clock(connection)
    other = RetentionStore(store._pool, "other")
    assert await retention.done_at() is None
    assert await retention.take(60, 3600) and not await other.take(60, 3600)
    assert await retention.keep(60) and not await other.keep(60)
    await move_clock(connection, timedelta(seconds=61))
    assert await other.take(60, 3600), "whoever was at it has been gone for too long"
    assert not await retention.keep(60)
    await retention.end({"workflow_turns": 1})
    assert await other.keep(60), "only who holds it ends it"
    await other.end({"workflow_turns": 1})
    assert await retention.done_at() is not None and not await retention.take(60, 3600)
    await move_clock(connection, timedelta(seconds=3601))
    assert await retention.take(60, 3600)
