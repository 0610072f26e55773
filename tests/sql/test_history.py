"""History by months: turns find theirs, old months go whole, and what was there before becomes part of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from daemon.migrations import Connection, migrate
from daemon.statements import migrations, query
from daemon.store import Store
from daemon.store_retention import Aged, RetentionStore
from tests.sql.world import asking, close_store, deploy, move_clock, open_store, stop_clock, turn_of

DAY = 86_400.0
PARTS = (
    "select c.relname::text from pg_inherits i join pg_class c on c.oid = i.inhrelid"
    " where i.inhparent = 'workflow_turns'::regclass order by 1"
)
BY_PART = "select tableoid::regclass::text as part, count(*) from workflow_turns group by 1 order by 1"
JANUARY = datetime(2030, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def retention(store: Store) -> RetentionStore:
    return RetentionStore(store._pool, "test")


async def parts(connection: Connection) -> list[str]:
    names = [row[0].removeprefix("workflow_turns_") for row in await connection.fetch(PARTS)]
    return [name for name in names if name.startswith(("203", "before", "default"))]


async def by_part(connection: Connection) -> dict[str, int]:
    return {row[0].removeprefix("workflow_turns_"): row[1] for row in await connection.fetch(BY_PART)}


async def prune(retention: RetentionStore, aged: Aged, *, really: bool = True) -> int:
    """Delete history, in portions; return how many turns."""
    turns, after = 0, ""
    while True:
        portion = await retention.prune(aged, after, 2, really=really)
        turns += portion.deleted.get("workflow_turns", 0)
        if portion.next is None:
            return turns
        after = portion.next


async def test_the_coming_months_are_made_ahead_and_a_turn_never_fails_for_want_of_one(
    store: Store, retention: RetentionStore, connection: Connection
) -> None:
    await stop_clock(connection, JANUARY)
    await asking(store, connection)
    assert await by_part(connection) == {"default": 1}, "nobody has made that month"
    assert await retention.make_history() == 3, "of January, the default has turns: it goes on to have them"
    assert await parts(connection) == ["203002", "203003", "203004", "default"]
    assert await retention.make_history() == 0
    await move_clock(connection, timedelta(days=31))
    asked = await asking(store, connection)
    assert await by_part(connection) == {"203002": 1, "default": 1}
    assert await retention.make_history() == 1 and "203005" in await parts(connection)
    [loaded] = await store.load_executions([asked.id])
    await move_clock(connection, timedelta(days=27, hours=12))
    assert await store.commit_turn(turn_of(loaded))
    turns = await connection.fetch(query("list_turns"), asked.id, None, 10)
    assert [turn["turn"] for turn in turns] == [2, 1], "over the end of a month"
    assert await store.turn_outcome(asked.id, 1)


async def test_f62_a_month_goes_when_all_of_it_may_and_is_written_anew_when_most_of_it_may(
    store: Store, retention: RetentionStore, connection: Connection
) -> None:
    await stop_clock(connection, JANUARY)
    await retention.make_history()
    over = [await asking(store, connection) for _ in range(4)]
    await move_clock(connection, timedelta(days=31))
    live = await asking(store, connection)
    over += [await asking(store, connection) for _ in range(2)]
    await move_clock(connection, timedelta(days=28))
    others = [await asking(store, connection) for _ in range(3)]
    for one in over:
        assert await store.commit_turn(turn_of(one, status="completed", wait_kind=None))
    assert await by_part(connection) == {"203001": 4, "203002": 3, "203003": 9}
    history = Aged("history", 10 * DAY, 10 * DAY)
    await move_clock(connection, timedelta(days=9))
    assert await prune(retention, history, really=False) == 4, "January; February was over nine days ago"
    assert await prune(retention, history) == 4
    assert await parts(connection) == ["203002", "203003", "203004", "default"]
    await move_clock(connection, timedelta(days=2))
    assert await prune(retention, history) == 2
    assert await by_part(connection) == {"203002": 1, "203003": 9}, "who goes on keeps what he said"
    assert [t["turn"] for t in await connection.fetch(query("list_turns"), live.id, None, 9)] == [1]
    # Written anew, it is a month like the others.
    keys = "select count(*) from pg_indexes where tablename = 'workflow_turns_203002'"
    assert await connection.fetchval(keys) == 1 and "203002" in await parts(connection)
    [loaded] = await store.load_executions([live.id])
    assert await store.commit_turn(turn_of(loaded, status="completed", wait_kind=None))
    await move_clock(connection, timedelta(days=60))
    assert await prune(retention, history) == 8, "of March, three go on: the three last"
    assert await by_part(connection) == {"203003": 3} and len(others) == 3


async def test_living_conversations_keep_their_last_turn_whatever_is_configured(
    store: Store, retention: RetentionStore, connection: Connection
) -> None:
    await stop_clock(connection, JANUARY)
    await retention.make_history()
    one = await asking(store, connection)
    for _ in range(3):
        [loaded] = await store.load_executions([one.id])
        assert await store.commit_turn(turn_of(loaded))
    await connection.fetch("select workflow_take_replies($1)", one.session_id)
    await move_clock(connection, timedelta(days=60))
    live = Aged("history", 10 * DAY, None, 10 * DAY)
    assert await prune(retention, Aged("history", 10 * DAY, 10 * DAY)) == 0
    assert await prune(retention, live) == 3
    assert [t["turn"] for t in await connection.fetch(query("list_turns"), one.id, None, 9)] == [4]
    replies = await retention.prune(Aged("replies", 10 * DAY, None, 10 * DAY), "", 100, really=True)
    assert replies.deleted == {"workflow_replies": 3}
    [loaded] = await store.load_executions([one.id])
    assert await store.commit_turn(turn_of(loaded)), "it runs on its checkpoint"


async def test_what_the_default_has_goes_row_by_row(
    store: Store, retention: RetentionStore, connection: Connection
) -> None:
    await stop_clock(connection, JANUARY)
    some = [await asking(store, connection) for _ in range(5)]
    for one in some[1:]:
        assert await store.commit_turn(turn_of(one, status="completed", wait_kind=None))
    await move_clock(connection, timedelta(days=60))
    aged = Aged("history_default", 10 * DAY, 10 * DAY)
    assert await prune(retention, aged, really=False) == 8
    assert await prune(retention, aged) == 8
    assert await by_part(connection) == {"default": 1}


async def test_a_month_that_somebody_reads_stays_for_now(
    database: str, store: Store, retention: RetentionStore, connection: Connection
) -> None:
    await stop_clock(connection, JANUARY)
    await retention.make_history()
    one = await asking(store, connection)
    assert await store.commit_turn(turn_of(one, status="completed", wait_kind=None))
    await move_clock(connection, timedelta(days=60))
    reader = await asyncpg.connect(database)
    transaction = reader.transaction()
    await transaction.start()
    await reader.fetchval("select count(*) from workflow_turns")
    assert await prune(retention, Aged("history", 10 * DAY, 10 * DAY)) == 0
    assert "203001" in await parts(connection)
    await transaction.rollback()
    await reader.close()
    assert await prune(retention, Aged("history", 10 * DAY, 10 * DAY)) == 2


async def test_the_daemons_role_makes_and_drops_months_that_it_does_not_own(
    store: Store, connection: Connection
) -> None:
    await stop_clock(connection, JANUARY)
    await connection.execute("grant select on test_clock to stepwell_daemon")
    await connection.execute("set role stepwell_daemon")
    assert await connection.fetchval(query("make_history")) == 4
    await connection.execute("reset role")
    one = await asking(store, connection)
    assert await store.commit_turn(turn_of(one, status="completed", wait_kind=None))
    await move_clock(connection, timedelta(days=60))
    await connection.execute("set role stepwell_daemon")
    for kind in ("history", "executions"):
        row = await connection.fetchrow(query("prune"), kind, 10 * DAY, None, None, "", 100, True)
        assert row is not None
    await connection.execute("reset role")
    assert await connection.fetchval("select count(*) from workflow_executions") == 0
    assert await connection.fetchval("select count(*) from workflow_turns") == 0


async def test_history_from_before_becomes_part_of_it(empty_database: str) -> None:
    connection = await asyncpg.connect(empty_database)
    await migrate(connection, known=migrations()[:14])
    store = await open_store(empty_database)
    await deploy(store)
    asked = await asking(store, connection)
    assert await migrate(connection) == len(migrations()) - 14
    months = [row[0] for row in await connection.fetch(PARTS)]
    assert "workflow_turns_before" in months and "workflow_turns_default" in months and len(months) == 5
    assert await store.commit_turn(turn_of(asked))
    assert await by_part(connection) == {"before": 2}
    assert await store.turn_outcome(asked.id, asked.revision)
    shown = await connection.fetch("select turn from workflow_history order by turn")
    assert [row[0] for row in shown] == [1, 2]
    assert await connection.fetchval("select count(*) from workflow_waiting") == 1
    assert await connection.fetchval(
        "update workflow_executions set status = 'completed', ended_at = now() where id = $1 returning true", asked.id
    )
    await stop_clock(connection, datetime.now(UTC) + timedelta(days=100))
    assert await RetentionStore(store._pool, "x").make_history() > 0
    assert await prune(RetentionStore(store._pool, "x"), Aged("history", 10 * DAY, 10 * DAY)) == 2
    assert "workflow_turns_before" not in [row[0] for row in await connection.fetch(PARTS)]
    await close_store(store)
    await connection.close()
