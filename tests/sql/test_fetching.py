"""What there is to do: the stack of a session, order, what is due, leases."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import asyncpg

from daemon.migrations import Connection
from daemon.store import Store
from tests.sql.world import (
    CLOCK,
    ask,
    asking,
    close_store,
    move_clock,
    open_store,
    say,
    shares_of,
    start,
    stop_clock,
    turn_of,
)


async def contents(store: Store, held: list[int] | None = None) -> list[str]:
    return [message.content for message in await store.fetch_messages(held or [], 100)]


async def test_f26_a_lower_id_that_commits_later_is_found(store: Store, connection: Connection, database: str) -> None:
    session, other = uuid4(), await asyncpg.connect(database)
    await asking(store, connection, session)
    transaction = connection.transaction()
    await transaction.start()
    await say(connection, session, "lower id")
    await say(other, session, "higher id")
    [first] = await store.fetch_messages([], 100)
    assert first.content == "higher id"
    await transaction.commit()
    assert await contents(store, [first.id]) == ["lower id"]
    assert await contents(store) == ["lower id", "higher id"]
    await other.close()


async def test_f21_messages_before_the_hear_are_kept_for_it(store: Store, connection: Connection) -> None:
    session = uuid4()
    await say(connection, session, "before the start")
    started = await start(connection, session)
    await say(connection, session, "before the HEAR")
    assert await contents(store) == [], "it does not wait for a message"
    await ask(store, started)
    assert await contents(store) == ["before the start", "before the HEAR"]


async def test_the_one_started_last_hears_until_it_ends(store: Store, connection: Connection) -> None:
    session = uuid4()
    below = await asking(store, connection, session)
    top = await start(connection, session, "direct.bas")
    await say(connection, session)
    assert await contents(store) == [], "the one started last is busy: the message waits for it"
    await ask(store, top)
    assert [m.execution_id for m in await store.fetch_messages([], 9)] == [top]
    await connection.execute("select workflow_cancel($1)", top)
    assert [m.execution_id for m in await store.fetch_messages([], 9)] == [below.id]
    await connection.execute("select workflow_pause($1)", below.id)
    assert await contents(store) == []
    await connection.execute("select workflow_resume($1)", below.id)
    assert [m.execution_id for m in await store.fetch_messages([], 9)] == [below.id]


async def test_a_wait_for_time_hears_nothing(store: Store, connection: Connection) -> None:
    session = uuid4()
    await ask(store, await start(connection, session), wait_kind="time", wake_at=CLOCK)
    await say(connection, session)
    assert await contents(store) == []


async def test_a_search_may_be_narrowed_to_partitions(store: Store, connection: Connection) -> None:
    session = uuid4()
    await asking(store, connection, session)
    await say(connection, session)
    number = await connection.fetchval("select workflow_partition($1)", session)
    assert len(await store.fetch_messages([], 10, [number])) == 1
    assert await store.fetch_messages([], 10, [(number + 1) % 256]) == []


async def test_partitions_of_sessions_never_change(connection: Connection) -> None:
    """They are stored: another number for the same session would split it between two daemons."""
    known = {"00000000-0000-0000-0000-000000000000": 55, "123e4567-e89b-12d3-a456-426614174000": 32}
    for session, number in known.items():
        assert await connection.fetchval("select workflow_partition($1::text::uuid)", session) == number


async def test_what_is_due_is_due_by_the_databases_clock(store: Store, connection: Connection) -> None:
    await stop_clock(connection)
    started = await start(connection, uuid4())
    assert await store.next_due() == 0
    [due] = await store.fetch_due([], 10)
    assert (due.id, due.revision, due.now) == (started, 0, CLOCK)
    assert await store.fetch_due([started], 10) == []
    assert await store.next_due([started]) is None
    await ask(store, started, wait_kind="time", wake_at=CLOCK + timedelta(minutes=10))
    assert await store.fetch_due([], 10) == []
    assert await store.next_due() == 600
    await move_clock(connection, timedelta(minutes=10))
    assert [due.id for due in await store.fetch_due([], 10)] == [started]
    await connection.execute("select workflow_pause($1)", started)
    assert await store.fetch_due([], 10) == [] and await store.next_due() is None
    await connection.execute("select workflow_resume($1)", started)
    assert [due.id for due in await store.fetch_due([], 10)] == [started], "the deadline ran on"


async def test_f41_a_timer_a_hundred_years_away_is_cheap(store: Store, connection: Connection) -> None:
    await stop_clock(connection)
    await ask(store, await start(connection), wait_kind="time", wake_at=CLOCK + timedelta(days=36500))
    assert await store.next_due() == 36500 * 86400


async def test_f42_many_due_at_one_instant_come_in_batches(store: Store, connection: Connection) -> None:
    await stop_clock(connection)
    everyone = {await start(connection) for _ in range(25)}
    held: list[object] = []
    while batch := await store.fetch_due(held, 10):  # type: ignore[arg-type]
        held += [due.id for due in batch]
    assert len(held) == 25 and set(held) == everyone


async def test_leases_are_taken_renewed_lost_and_given_back(
    store: Store, connection: Connection, database: str
) -> None:
    await stop_clock(connection)
    other = await open_store(database, "d2", claim=False)
    ours, theirs = shares_of(store), shares_of(other)
    everything = dict.fromkeys(range(256), 1)
    assert (await ours.tend(60)).epochs == everything, "twice is as good as once"
    await move_clock(connection, timedelta(seconds=61))
    assert (await ours.tend(60)).epochs == everything, "late, but nobody took them"
    await move_clock(connection, timedelta(seconds=61))
    tended = await theirs.tend(60)
    assert tended.epochs == dict.fromkeys(range(256), 2) and tended.others == ()
    tended = await ours.tend(60)
    assert (tended.epochs, tended.share, tended.daemons, tended.others) == ({}, 128, 2, ("d2",))
    assert (await theirs.tend(60)).share == 128
    assert await theirs.release(range(100, 300)) == list(range(100, 256)), "the rest is not there"
    assert sorted((await ours.tend(60)).epochs) == list(range(100, 228)), "no more than its share"
    assert await ours.release() == list(range(100, 228))
    assert len((await theirs.tend(60)).epochs) == 256
    await close_store(other)


async def test_only_the_owner_of_the_partition_finds_work(store: Store, connection: Connection, database: str) -> None:
    session = uuid4()
    await asking(store, connection, session)
    await say(connection, session)
    await start(connection)
    other = await open_store(database, "d2", claim=False)
    assert (await other.fetch_messages([], 9), await other.fetch_due([], 9), await other.next_due()) == (
        [],
        [],
        None,
    )
    assert len(await store.fetch_messages([], 9)) == len(await store.fetch_due([], 9)) == 1
    await close_store(other)


async def test_a_turn_that_ends_a_script_hands_the_next_message_to_the_one_below(
    store: Store, connection: Connection
) -> None:
    session = uuid4()
    below = await asking(store, connection, session)
    top = await ask(store, await start(connection, session, "direct.bas"))
    await say(connection, session, "for the top")
    await say(connection, session, "for the one below")
    first, _ = await store.fetch_messages([], 9)
    ended = turn_of(top, consumed=(first.id,), status="completed", wait_kind=None)
    assert await store.commit_turns([ended]) == {top.id}
    assert [(m.content, m.execution_id) for m in await store.fetch_messages([], 9)] == [("for the one below", below.id)]
