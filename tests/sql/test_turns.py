"""Commits of turns: all or nothing, fenced by revision and by owning the partition."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import asyncpg
import pytest

from daemon.migrations import Connection
from daemon.rows import Turn
from daemon.store import Store
from engine.effects import Reply, Suggestion
from tests.sql.world import ask, asking, close_store, open_store, say, shares_of, start, turn_of


async def commit(store: Store, turn: Turn, how: str) -> bool:
    if how == "one":
        return await store.commit_turn(turn)
    if how == "batch":
        return await store.commit_turns([turn]) == {turn.execution_id}
    async with store.transaction() as transaction:
        return await transaction.commit_turn(turn)


HOW = pytest.mark.parametrize("how", ["one", "batch", "transaction"])


async def rows(connection: Connection, table: str) -> int:
    count: int = await connection.fetchval(f"select count(*) from {table}")
    return count


@HOW
async def test_a_turn_writes_everything_together(store: Store, connection: Connection, how: str) -> None:
    session = uuid4()
    asked = await asking(store, connection, session)
    await say(connection, session, "fire")
    [message] = await store.fetch_messages([], 10)
    assert (message.content, message.execution_id) == ("fire", asked.id)
    replies = (Reply("one", (Suggestion("Yes", "y"),)), Reply("two", recipient="boss"))
    turn = turn_of(
        asked,
        consumed=(message.id,),
        replies=replies,
        came_in='{"kind": "message", "content": "fire"}',
        status="completed",
        wait_kind=None,
        current_step=4,
        from_step=2,
        steps=7,
        duration_us=99,
    )
    assert await commit(store, turn, how)

    after = await connection.fetchrow("select * from workflow_executions where id = $1", asked.id)
    assert after is not None
    assert (after["status"], after["revision"], after["turn"], after["current_step"]) == (
        "completed",
        2,
        2,
        4,
    )
    assert after["ended_at"] is not None
    assert await rows(connection, "workflow_messages") == 0
    said = await connection.fetch(
        "select turn, position, content, suggestions, recipient, session_id from workflow_replies order by id"
    )
    assert [tuple(row)[:3] for row in said] == [(1, 1, "And?"), (2, 1, "one"), (2, 2, "two")]
    assert said[1]["suggestions"] == '[{"tool": false, "label": "Yes", "value": "y"}]'
    assert (said[2]["recipient"], said[2]["session_id"]) == ("boss", session)
    told = await connection.fetchrow("select * from workflow_turns where turn = 2")
    assert told is not None
    assert (told["from_step"], told["to_step"], told["steps"], told["duration_us"]) == (2, 4, 7, 99)


@HOW
async def test_f12_a_stale_revision_writes_nothing(store: Store, connection: Connection, how: str) -> None:
    session = uuid4()
    asked = await asking(store, connection, session)
    await say(connection, session)
    [message] = await store.fetch_messages([], 10)
    await ask(store, asked.id, replies=())
    before = [await rows(connection, t) for t in ("workflow_replies", "workflow_turns", "workflow_messages")]
    assert not await commit(store, turn_of(asked, consumed=(message.id,)), how)
    after = [await rows(connection, t) for t in ("workflow_replies", "workflow_turns", "workflow_messages")]
    assert before == after == [1, 2, 1]


@HOW
async def test_f13_a_daemon_whose_partitions_were_taken_writes_nothing(
    store: Store, connection: Connection, how: str
) -> None:
    asked = await asking(store, connection)
    await connection.execute("update workflow_partitions set owner = 'other', epoch = epoch + 1")
    assert not await commit(store, turn_of(asked), how)
    assert await rows(connection, "workflow_turns") == 1


@HOW
async def test_f17_a_message_heard_by_another_is_not_heard_again(
    store: Store, connection: Connection, how: str
) -> None:
    session = uuid4()
    asked = await asking(store, connection, session)
    await say(connection, session)
    [message] = await store.fetch_messages([], 10)
    await connection.execute("delete from workflow_messages")
    assert not await commit(store, turn_of(asked, consumed=(message.id,)), how)
    assert await rows(connection, "workflow_turns") == 1


async def test_a_batch_commits_the_others_when_one_lost_its_race(store: Store, connection: Connection) -> None:
    sessions = [uuid4() for _ in range(5)]
    asked = [await asking(store, connection, session) for session in sessions]
    for session in sessions:
        await say(connection, session, str(session))
    heard = {message.execution_id: message.id for message in await store.fetch_messages([], 10)}
    await connection.execute("select workflow_pause($1)", asked[2].id)
    turns = [turn_of(one, consumed=(heard[one.id],), replies=(Reply("a"), Reply("b"))) for one in asked]
    assert await store.commit_turns(turns) == {one.id for one in asked} - {asked[2].id}
    assert await rows(connection, "workflow_messages") == 1
    assert await rows(connection, "workflow_replies") == 5 + 8
    with pytest.raises(ValueError, match="two turns of one execution"):
        await store.commit_turns([turns[0], turns[0]])


async def test_f25_the_outcome_of_a_commit_can_be_asked(store: Store, connection: Connection, database: str) -> None:
    started = await start(connection, uuid4())
    [loaded] = await store.load_executions([started])
    assert not await store.turn_outcome(started, loaded.revision)
    assert await store.commit_turn(turn_of(loaded))
    assert await store.turn_outcome(started, loaded.revision)
    await connection.execute("select workflow_pause($1)", started)
    assert await store.turn_outcome(started, loaded.revision), "what an operator did afterwards does not matter"

    other = await open_store(database, "d2", claim=False)
    await connection.execute("update workflow_daemons set lease_until = now() - interval '1 second'")
    assert len((await shares_of(other).tend(60)).epochs) == 256
    assert not await store.turn_outcome(started, loaded.revision), "another owns it now: load it again"
    assert not await other.turn_outcome(started, loaded.revision), "it was not the new owner's commit"
    await close_store(other)


async def test_a_reply_with_broken_json_fails_the_batch_alone(store: Store, connection: Connection) -> None:
    good, bad = await asking(store, connection), await asking(store, connection)
    turns = [turn_of(good), turn_of(bad, went_out="{broken")]
    with pytest.raises(asyncpg.InvalidTextRepresentationError):
        await store.commit_turns(turns)
    assert await store.commit_turn(turns[0]), "one by one, the poisoned turn harms nobody"


@pytest.mark.parametrize("how", ["one", "batch"])
async def test_the_history_takes_only_what_its_readers_can_take_apart(
    store: Store, connection: Connection, how: str
) -> None:
    asked = await asking(store, connection)
    with pytest.raises(ValueError, match="NUL"):
        await commit(store, turn_of(asked, went_out='{"log": "\\\\\\u0000"}'), how)
    assert await commit(store, turn_of(asked, went_out='{"log": "\\\\u0000"}'), how), "a backslash and five letters"
    assert await connection.fetchval("select went_out ->> 'log' from workflow_history where turn = 2") == "\\u0000"


async def test_documents_of_a_batch_cannot_run_into_each_other(store: Store, connection: Connection) -> None:
    one, other = await asking(store, connection), await asking(store, connection)
    with pytest.raises(ValueError, match="control character"):
        await store.commit_turns([turn_of(one, state_json='{"a": "\x1f"}'), turn_of(other)])
    strange = (Reply("\x1f,\"'}{\\\n"), Reply(""), Reply("NULL", recipient="NULL"))
    turns = [turn_of(one, replies=strange), turn_of(other, replies=(), problem="why", wait_kind=None)]
    assert await store.commit_turns(turns) == {one.id, other.id}
    said = await connection.fetch("select content, recipient from workflow_replies where turn = 2 order by id")
    assert [tuple(row) for row in said] == [(reply.content, reply.recipient) for reply in strange]
    row = await connection.fetchrow("select problem, wait_kind from workflow_executions where id = $1", other.id)
    assert row is not None and tuple(row) == ("why", None)


async def test_parking_leaves_the_state_untouched(store: Store, connection: Connection) -> None:
    asked = await asking(store, connection)
    await connection.execute("update workflow_executions set state_json = 'no json' where id = $1", asked.id)
    assert not await store.park(asked.id, asked.revision + 1, "wrong revision")
    assert await store.park(asked.id, asked.revision, "cannot be read: \0 \ud800")
    row = await connection.fetchrow("select status, problem, state_json from workflow_executions")
    assert row is not None
    assert tuple(row) == ("paused", "cannot be read: \N{REPLACEMENT CHARACTER} ?", "no json")
    outcome = await connection.fetchrow("select * from workflow_retry($1)", asked.id)
    assert outcome is not None and (outcome["changed"], outcome["status"]) == (True, "waiting")


async def test_direct_executions_that_have_begun_are_lost(store: Store, connection: Connection) -> None:
    begun, fresh, held = [await start(connection, uuid4(), "direct.bas") for _ in range(3)]
    for one in (begun, held):
        await ask(store, one)
    assert await store.mark_lost([held]) == [begun]
    status: dict[UUID, str] = dict(await connection.fetch("select id, status from workflow_executions"))
    assert status == {begun: "lost", fresh: "running", held: "waiting"}


@pytest.mark.parametrize("how", ["one", "batch"])
async def test_f17_two_turns_at_one_moment_cannot_both_hear_a_message(
    store: Store, connection: Connection, how: str
) -> None:
    session = uuid4()
    asked, other = await asking(store, connection, session), await asking(store, connection)
    await say(connection, session)
    [message] = await store.fetch_messages([], 10)
    async with store.transaction() as transaction:
        assert await transaction.commit_turn(turn_of(asked, consumed=(message.id,)))
        second = asyncio.create_task(commit(store, turn_of(other, consumed=(message.id,)), how))
        waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
        while not await connection.fetchval(waiting):
            assert not second.done()
    with pytest.raises(asyncpg.SerializationError, match="heard by another"):
        await second
    assert await rows(connection, "workflow_turns") == 3
    assert not await commit(store, turn_of(other, consumed=(message.id,)), how), "tried again, it has lost"
