"""The database it meets: the bot server's own, an empty one, another schema, two schemas in one."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest

from daemon.migrations import create_roles, migrate
from tests.sql.world import ask, close_store, deploy, open_store, say, start

SERVER_TABLES = (Path(__file__).parent / "server_tables.sql").read_text()
BOT = UUID("00000000-0000-0000-0000-0000000000b1")
SESSION = UUID("00000000-0000-0000-0000-0000000000a1")
THEIRS = UUID("00000000-0000-0000-0000-0000000000e1")


@pytest.fixture
async def adopted(empty_database: str) -> str:
    connection = await asyncpg.connect(empty_database)
    await connection.execute(SERVER_TABLES)
    before = await columns(connection)
    await migrate(connection)
    after = await columns(connection)
    assert before.items() <= after.items(), "no column of the server changed its type, default or nullability"
    await create_roles(connection)
    await connection.close()
    store = await open_store(empty_database)
    await deploy(store)
    await close_store(store)
    return empty_database


async def columns(connection: asyncpg.Connection[asyncpg.Record]) -> dict[str, str]:
    rows = await connection.fetch(
        "select table_name || '.' || column_name, concat_ws(' ', data_type, is_nullable, column_default)"
        " from information_schema.columns where table_schema = 'public'"
        " and table_name in ('workflow_executions', 'workflow_events')"
    )
    return {row[0]: row[1] for row in rows}


async def test_the_servers_rows_and_inserts_are_left_alone(adopted: str) -> None:
    connection = await asyncpg.connect(adopted)
    row = await connection.fetchrow("select state_json, status, plan_hash from workflow_executions")
    assert row is not None and tuple(row) == ("their own format", "running", None)
    theirs = uuid4()
    await connection.execute(
        "insert into workflow_executions (id, bot_id, workflow_name, current_step, state_json, status)"
        " values ($1, $2, 'x', 1, '{}', 'waiting')",
        theirs,
        BOT,
    )
    await connection.execute(
        "insert into workflow_events (id, workflow_id, event_name, event_data_json) values ($1, $2, 'e', '{}')",
        uuid4(),
        theirs,
    )
    await connection.execute("update workflow_executions set status = 'whatever' where id = $1", THEIRS)
    store = await open_store(adopted)
    assert await store.fetch_due([], 10) == []
    assert await store.load_executions([theirs, THEIRS]) == []
    for view in ("waiting", "history", "transcript", "funnel", "counts"):
        assert await connection.fetch(f"select * from workflow_{view}") == []
    for act in ("cancel", "pause", "resume", "retry"):
        with pytest.raises(asyncpg.PostgresError, match="has no plan") as refused:
            await connection.fetchval(f"select workflow_{act}($1)", THEIRS)
        assert refused.value.sqlstate == "SW010"
    await close_store(store)
    await connection.close()


async def test_a_start_needs_a_bot_that_is_there(adopted: str) -> None:
    connection = await asyncpg.connect(adopted)
    with pytest.raises(asyncpg.PostgresError, match="does not say for which bot") as refused:
        await start(connection, uuid4())
    assert refused.value.sqlstate == "SW006"
    with pytest.raises(asyncpg.PostgresError, match="There is no bot") as refused:
        await connection.fetchval("select workflow_start('ticket.bas', bot_id => $1)", uuid4())
    assert refused.value.sqlstate == "SW007"
    by_session = await start(connection, SESSION)
    assert await connection.fetchval("select bot_id from workflow_executions where id = $1", by_session) == BOT
    other = UUID("00000000-0000-0000-0000-0000000000b2")
    named = await connection.fetchval("select workflow_start('ticket.bas', bot_id => $1)", other)
    assert await connection.fetchval("select bot_id from workflow_executions where id = $1", named) == other
    await connection.close()


async def test_what_the_server_knows_is_read_where_scripts_have_not_set_it(adopted: str) -> None:
    connection = await asyncpg.connect(adopted)
    read = connection.fetchval
    assert await read("select workflow_session_variable($1, 'lang')", SESSION) == '"pt"'
    assert await read("select workflow_session_variable($1, 'none')", SESSION) == "null"
    await connection.execute("select workflow_set_session_variable($1, 'lang', '\"en\"')", SESSION)
    assert await read("select workflow_session_variable($1, 'lang')", SESSION) == '"en"'
    assert await read("select workflow_bot_memory($1, 'tone')", BOT) == '"kind"'
    await connection.execute("select workflow_set_bot_memory($1, 'tone', 'null')", BOT)
    assert await read("select workflow_bot_memory($1, 'tone')", BOT) == "null"
    store = await open_store(adopted)
    assert await store.load_bot_parameters(BOT) == {"max": 10, "zip": "01234", "open": True}
    assert await store.load_bot_parameters(uuid4()) == {}
    await close_store(store)
    await connection.close()


async def test_an_empty_database_has_none_of_that_and_works(database: str) -> None:
    connection = await asyncpg.connect(database)
    store = await open_store(database)
    await deploy(store)
    assert await store.load_bot_parameters(BOT) == {}
    assert await connection.fetchval("select workflow_session_variable($1, 'k')", SESSION) == "null"
    assert await connection.fetchval("select workflow_bot_memory($1, 'k')", BOT) == "null"
    started = await start(connection, SESSION)
    bot = await connection.fetchval("select bot_id from workflow_executions where id = $1", started)
    assert bot == UUID(int=0)
    await close_store(store)
    await connection.close()


async def test_f10_two_installations_in_one_database_do_not_meet(empty_database: str) -> None:
    long = "a_very_long_name_of_a_schema_that_does_not_fit_into_a_channel"
    schemas = ["public", "Second", long]
    session = uuid4()
    connection = await asyncpg.connect(empty_database)
    channels = set()
    heard: list[tuple[str, str]] = []
    for schema in schemas:
        await migrate(connection, schema=schema)
        store = await open_store(empty_database, schema=schema)
        await deploy(store)
        channel = await store.channel("wake")
        assert len(channel.encode()) <= 63
        channels.add(channel)
        await close_store(store)

        def hear(_: object, __: int, name: str, payload: object) -> None:
            heard.append((name, str(payload)))

        await connection.add_listener(channel, hear)
    assert {"workflow_wake", "Second.workflow_wake"} < channels and len(channels) == 3

    store = await open_store(empty_database, schema="Second")
    second = await asyncpg.connect(empty_database)
    await second.execute('set search_path = "Second"')
    sleeper = await asyncpg.connect(empty_database, server_settings={"search_path": '"Second"'})
    assert await store.try_doze(sleeper, range(256))
    await ask(store, await start(second, session))
    await say(second, session)
    assert len(await store.fetch_messages([], 10)) == 1
    assert await connection.fetchval("select count(*) from public.workflow_executions") == 0
    # From a session with another search_path the functions still work in their own schema.
    assert await connection.fetchval('select "Second".workflow_send($1, $2)', session, "x") is not None
    assert await connection.fetchval("select public.workflow_send($1, $2)", session, "x") is None
    assert {name for name, _ in heard} == {"Second.workflow_wake"}
    await connection.remove_listener("nothing", hear)
    await close_store(store)
    for one in (second, sleeper, connection):
        await one.close()
