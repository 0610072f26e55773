"""What a client may do, and every error it can get: start, send, the insert, take replies."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from daemon.migrations import Connection
from daemon.store import Store
from engine.effects import Reply
from tests.sql.world import ask, asking, say, start, turn_of


async def messages(connection: Connection) -> int:
    count: int = await connection.fetchval("select count(*) from workflow_messages")
    return count


# name: statement, arguments, SQLSTATE, what the sentence and the hint say. $S: a session that runs ticket.bas,
# $N: a session that runs nothing, $E: the execution of $S.
REFUSED: dict[str, tuple[str, str, str, str]] = {
    "too long": ("insert into workflow_messages (session_id, content) values ($S, repeat('x', 100001))", "SW001", "has 100001 characters; at most 100000", "message_characters_max"),
    "nothing said": ("insert into workflow_messages (session_id) values ($S)", "SW002", "needs content or attachments", "null is not"),
    "empty attachments": ("insert into workflow_messages (session_id, attachments) values ($S, '[]')", "SW002", "needs content", "content"),
    "attachments an object": ("insert into workflow_messages (session_id, content, attachments) values ($S, 'x', '{}')", "SW003", "not a JSON object", "For example"),
    "attachments too deep": ("insert into workflow_messages (session_id, content, attachments) values ($S, 'x', ('[{\"url\":\"a\",\"x\":' || repeat('[', 3000) || repeat(']', 3000) || '}]')::jsonb)", "SW003", "more than 64 levels deep", "a url"),
    "params too deep": ("select workflow_start('ticket.bas', params => ('{\"x\":' || repeat('[', 3000) || repeat(']', 3000) || '}')::jsonb)", "SW008", "more than 64 levels deep", "64 levels"),
    "data too deep": ("select workflow_publish('x', (repeat('[', 3000) || repeat(']', 3000))::jsonb)", "SW008", "more than 64 levels deep", "64 levels"),
    "trigger data too deep": ("select workflow_trigger('x', (repeat('[', 3000) || repeat(']', 3000))::jsonb)", "SW008", "more than 64 levels deep", "64 levels"),
    "trigger without a name": ("select workflow_trigger('')", "SW070", "A trigger needs a name", "workflow_trigger"),
    "attachment a number": ("insert into workflow_messages (session_id, content, attachments) values ($S, 'x', '[1]')", "SW003", "a url that is text", "For example"),
    "attachment without url": ("select workflow_send($S, 'x', '[{\"kind\": \"image\"}]')", "SW003", "a url that is text", "For example"),
    "no session": ("insert into workflow_messages (content) values ('x')", "SW004", "needs a session_id", "hears"),
    "send without session": ("select workflow_send(null, 'x')", "SW004", "needs a session_id", "hears"),
    "unknown script": ("select workflow_start('tickt.bas')", "SW005", "no script 'tickt.bas'", "Did you mean one of these? ticket.bas"),
    "no script": ("select workflow_start(null)", "SW005", "no script", "Did you mean"),
    "params a list": ("select workflow_start('ticket.bas', params => '[1]')", "SW008", "not a JSON array", "For example"),
    "params too long": ("select workflow_start('ticket.bas', params => jsonb_build_object('a', repeat('x', 1000001)))", "SW008", "at most 1000000", "params_characters_max"),
    "execution of another session": ("insert into workflow_messages (session_id, content, execution_id) values ($N, 'x', $E)", "SW011", "cannot hear this message", "execution_id out"),
    "unknown execution": ("select workflow_send($S, 'x', execution_id => gen_random_uuid())", "SW011", "cannot hear this message", "execution_id out"),
    "question not open": ("select workflow_send($S, 'x', prompt_id => 'q9')", "SW012", "'q9' is not open", "workflow_waiting"),
    "limit zero": ("select * from workflow_take_replies($S, 0)", "SW014", "at least 1", "For example"),
    "limit null": ("select * from workflow_take_replies($S, null)", "SW014", "at least 1", "For example"),
    "cancel of nothing": ("select workflow_cancel($N)", "SW009", "There is no execution", "workflow_executions"),
    "retry of null": ("select workflow_retry(null)", "SW009", "There is no execution", "workflow_executions"),
}  # fmt: skip


async def test_wrong_input_gets_a_sentence_and_writes_nothing(store: Store, connection: Connection) -> None:
    session = uuid4()
    asked = await asking(store, connection, session)
    for case, (template, state, sentence, hint) in REFUSED.items():
        statement = template
        for mark, value in {"$S": session, "$N": uuid4(), "$E": asked.id}.items():
            statement = statement.replace(mark, f"'{value}'::uuid")
        with pytest.raises(asyncpg.PostgresError) as refused:
            await connection.fetch(statement)
        assert (refused.value.sqlstate, case) == (state, case)
        assert sentence in str(refused.value)
        assert hint in (refused.value.hint or "")
        assert await messages(connection) == 0
        assert await connection.fetchval("select count(*) from workflow_executions") == 1


async def test_nul_and_broken_utf8_are_refused_before_anyone_sees_them(store: Store, connection: Connection) -> None:
    session = uuid4()
    await asking(store, connection, session)
    with pytest.raises(asyncpg.CharacterNotInRepertoireError):
        await say(connection, session, "a\0b")
    with pytest.raises(asyncpg.PostgresError, match="invalid byte sequence"):
        await connection.execute("select workflow_send($1, convert_from('\\xff'::bytea, 'UTF8'))", session)
    with pytest.raises(asyncpg.PostgresError, match="Unicode"):
        await connection.execute(f"select workflow_send('{session}', 'x', '[{{\"url\": \"\\u0000\"}}]')")
    assert await messages(connection) == 0


async def test_the_longest_message_and_an_empty_one_are_accepted(store: Store, connection: Connection) -> None:
    session = uuid4()
    await asking(store, connection, session)
    await say(connection, session, "ü" * 100_000)
    await say(connection, session, "")
    files = [{"url": "https://example.com/a.png", "kind": "image"}]
    await connection.execute(
        "insert into workflow_messages (session_id, attachments) values ($1, $2)", session, json.dumps(files)
    )
    heard = await store.fetch_messages([], 10)
    assert [(len(m.content), m.attachments) for m in heard] == [(100_000, None), (0, None), (0, files)]


async def test_a_start_returns_the_running_one(store: Store, connection: Connection) -> None:
    session = uuid4()
    first = await start(connection, session)
    assert await start(connection, session) == first
    assert await start(connection, session, "direct.bas") != first
    await connection.execute("select workflow_pause($1)", first)
    assert await start(connection, session) == first, "a paused one has not ended"
    await connection.execute("select workflow_cancel($1)", first)
    assert await start(connection, session) != first
    assert await start(connection, None) != await start(connection, None), "no session, no sharing"


async def test_a_start_key_starts_once_for_good(store: Store, connection: Connection) -> None:
    async def keyed(key: str, bot: UUID | None = None) -> Any:
        return await connection.fetchval("select workflow_start('ticket.bas', start_key => $1, bot_id => $2)", key, bot)

    first = await keyed("order 7")
    await connection.execute("select workflow_cancel($1)", first)
    assert await keyed("order 7") == first
    assert await keyed("order 8") != first
    assert await keyed("order 7", uuid4()) != first, "keys are of one bot"


async def test_a_start_writes_the_first_checkpoint(store: Store, connection: Connection) -> None:
    started = await connection.fetchval(
        "select workflow_start('ticket.bas', params => $1)", json.dumps({"VIP": True, "n": [1, None]})
    )
    [loaded] = await store.load_executions([started])
    assert json.loads(loaded.state_json) == {
        "version": 1,
        "variables": {"vip": True, "n": [1, None]},
        "step_index": 1,
    }
    assert (loaded.revision, loaded.turn, loaded.status, loaded.plan_hash) == (0, 0, "running", "p1")
    assert [due.id for due in await store.fetch_due([], 10)] == [started]


async def test_starts_from_many_at_once_make_one(store: Store, connection: Connection, database: str) -> None:
    session = uuid4()

    async def one(key: str | None) -> Any:
        own = await asyncpg.connect(database)
        try:
            return await own.fetchval(
                "select workflow_start('ticket.bas', $1, start_key => $2)",
                session if key is None else None,
                key,
            )
        finally:
            await own.close()

    assert len(set(await asyncio.gather(*(one(None) for _ in range(8))))) == 1
    assert len(set(await asyncio.gather(*(one("k") for _ in range(8))))) == 1


async def test_a_bots_own_script_wins_and_a_new_plan_is_for_new_starts(store: Store, connection: Connection) -> None:
    bot = uuid4()
    old = await start(connection, uuid4())
    assert await store.deploy_script("ticket.bas", "p2", bot)
    assert not await store.deploy_script("ticket.bas", "p2", bot), "nothing changed"
    own = await connection.fetchval("select workflow_start('ticket.bas', bot_id => $1)", bot)
    plans = {row.id: row.plan_hash for row in await store.load_executions([old, own])}
    assert plans == {old: "p1", own: "p2"}
    assert [script.plan_hash for script in await store.list_scripts()] == ["p2", "p1", "p2"]
    plan = await store.load_plan("p1")
    assert plan is not None and plan.sources == {"ticket.bas": 'TALK "hi"'}
    assert await store.load_plan("none") is None
    assert await store.withdraw_script("ticket.bas", bot) and not await store.withdraw_script("ticket.bas", bot)


async def test_send_tells_who_will_hear_and_keeps_nothing_for_nobody(store: Store, connection: Connection) -> None:
    session = uuid4()

    async def send(text: str = "x") -> Any:
        return await connection.fetchval("select workflow_send($1, $2)", session, text)

    assert await send() is None
    assert await messages(connection) == 0
    started = await start(connection, session)
    assert await send() == started, "busy: the message waits for the next HEAR"
    await ask(store, started)
    assert await send() == started
    await connection.execute("select workflow_pause($1)", started)
    assert await send() == started, "paused: the message waits for the resume"
    await connection.execute("select workflow_cancel($1)", started)
    assert await send() is None
    assert await messages(connection) == 3
    await say(connection, session)
    assert await messages(connection) == 4, "the insert keeps it for the next script"


async def test_f23_a_message_delivered_twice_is_one(store: Store, connection: Connection) -> None:
    session = uuid4()
    asked = await asking(store, connection, session)
    insert = "insert into workflow_messages (session_id, content, external_id) values ($1, 'x', 'm1')"
    assert await connection.execute(insert, session) == "INSERT 0 1"
    assert await connection.execute(insert, session) == "INSERT 0 0"
    sent = await connection.fetchval("select workflow_send($1, 'x', external_id => 'm1')", session)
    assert sent == asked.id
    [message] = await store.fetch_messages([], 10)
    assert await store.commit_turn(turn_of(asked, consumed=(message.id,), status="completed", wait_kind=None))
    assert await connection.execute(insert, session) == "INSERT 0 0", "also after it was heard"
    sent = await connection.fetchval("select workflow_send($1, 'x', external_id => 'm1')", session)
    assert sent == asked.id, "the second delivery is told what the first was"
    assert await messages(connection) == 0
    assert await connection.execute(insert, uuid4()) == "INSERT 0 1", "ids are of one session"


async def test_f23_a_second_delivery_at_the_same_moment_waits_for_the_first(
    store: Store, connection: Connection, database: str
) -> None:
    session = uuid4()
    insert = "insert into workflow_messages (session_id, content, external_id) values ($1, 'x', 'm1')"
    other = await asyncpg.connect(database)
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute(insert, session)
    second = asyncio.create_task(other.execute(insert, session))
    await transaction.rollback()
    assert await second == "INSERT 0 1", "the first came to nothing, so this is the one"
    assert await messages(connection) == 1
    await other.close()


async def test_f28_an_answer_to_a_given_question_reaches_that_one(store: Store, connection: Connection) -> None:
    session = uuid4()
    below = await ask(store, await start(connection, session))
    top = await start(connection, session, "direct.bas")
    await ask(store, top, state_json='{"wait": {"kind": "message", "prompt_id": "other"}}')
    assert await connection.fetchval("select workflow_send($1, 'x')", session) == top
    assert await connection.fetchval("select workflow_send($1, 'y', prompt_id => 'q1')", session) == below.id
    assert await connection.fetchval("select workflow_send($1, 'z', execution_id => $2)", session, below.id) == below.id
    heard = {m.content: (m.execution_id, m.prompt_id) for m in await store.fetch_messages([], 10)}
    assert heard == {"x": (top, None), "y": (below.id, "q1"), "z": (below.id, None)}


async def test_replies_are_taken_once_and_in_order_by_many(store: Store, connection: Connection, database: str) -> None:
    session = uuid4()
    started = await start(connection, session)
    for turn in range(10):
        await ask(store, started, replies=tuple(Reply(f"{turn}.{n}") for n in range(10)))

    async def take() -> list[list[str]]:
        own = await asyncpg.connect(database)
        parts = []
        while part := await own.fetch("select content from workflow_take_replies($1, 7)", session):
            parts.append([row[0] for row in part])
        await own.close()
        return parts

    everything = [f"{turn}.{n}" for turn in range(10) for n in range(10)]
    taken = await asyncio.gather(*(take() for _ in range(4)))
    for parts in taken:
        own = [content for part in parts for content in part]
        assert own == sorted(own), "each taker has them in order"
    assert sorted(content for parts in taken for part in parts for content in part) == everything
    assert await connection.fetchval("select count(*) from workflow_replies where taken_at is null") == 0


async def test_a_take_that_is_rolled_back_took_nothing(store: Store, connection: Connection) -> None:
    session = uuid4()
    await ask(store, await start(connection, session), replies=(Reply("a"), Reply("b")))
    transaction = connection.transaction()
    await transaction.start()
    assert len(await connection.fetch("select * from workflow_take_replies($1, 1)", session)) == 1
    await transaction.rollback()
    taken = await connection.fetch("select content from workflow_take_replies($1)", session)
    assert [row[0] for row in taken] == ["a", "b"]
    assert await connection.fetch("select content from workflow_take_replies($1)", uuid4()) == []
