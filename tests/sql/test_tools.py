"""What a script asks of the database inside its turn: tools and variables; a refusal is an answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from daemon.migrations import Connection
from daemon.rows import LoadedExecution
from daemon.store import Store
from engine.effects import Query
from engine.events import QueryAnswered, QueryFailed
from engine.values import Value
from tests.sql.world import asking, close_store, deploy, open_store, turn_of

TOOLS = """
create table tickets (number bigint generated always as identity primary key, description text not null, session text);
create function create_ticket(description text, urgent boolean default false) returns bigint language sql as $$
    insert into tickets (description, session) values (description, current_setting('stepwell.session_id')) returning number $$;
create function add(a integer, b integer) returns integer language sql return a + b;
create function nothing(x text) returns void language sql as $$ select 1 $$;
create function rows_of(n integer) returns table (i integer, name text) language sql as $$
    select g, 'n' || g from generate_series(1, n) g $$;
create function echo(x jsonb) returns jsonb language sql return x;
create function words(w text[]) returns text language sql return array_to_string(w, '+');
create function on_day(d date) returns date language sql return d + 1;
create function breaks(x text) returns text language plpgsql as $$ begin raise exception 'no % today', x using hint = 'Try tomorrow.'; end $$;
create function breaks_inside(x text) returns integer language sql as $$ select x::integer $$;
create function conflicts() returns text language plpgsql as $$ begin raise exception 'again' using errcode = '40001'; end $$;
create function twice(x integer) returns integer language sql return x;
create function twice(x text) returns integer language sql return 2;
"""


@pytest.fixture
async def store(database: str, connection: Connection) -> AsyncIterator[Store]:
    await connection.execute(TOOLS)
    store = await open_store(database)
    await deploy(store)
    yield store
    await close_store(store)


@pytest.fixture
async def asked(store: Store, connection: Connection) -> LoadedExecution:
    return await asking(store, connection, uuid4())


async def call(store: Store, asked: LoadedExecution, name: str, *arguments: Value) -> QueryAnswered | QueryFailed:
    async with store.transaction() as transaction:
        return await transaction.ask(Query(f"tool:{name}", arguments), asked)


ANSWERS: list[tuple[str, tuple[Any, ...], Value]] = [
    ("add", (2, 3), 5),
    ("add", ("2", 3), 5),
    ("add", (None, 3), None),
    ("public.add", (2, 3), 5),
    ("nothing", ("x",), None),
    ("rows_of", (2,), [{"i": 1, "name": "n1"}, {"i": 2, "name": "n2"}]),
    ("rows_of", (0,), []),
    ("echo", ({"a": [1, None, "ü"]},), {"a": [1, None, "ü"]}),
    ("echo", ("text",), "text"),
    ("echo", (None,), None),
    ("echo", ("\\u0000",), "\\u0000"),
    ("words", (["a", "b"],), "a+b"),
    ("on_day", ("2026-12-31",), "2027-01-01"),
]
REFUSALS: list[tuple[str, tuple[Any, ...], str]] = [
    ("ad", (2, 3), "There is no function ad in the database."),
    ("create_tickt", ("x",), "Did you mean one of these? create_ticket."),
    ("add", (2,), "The function add does not take 1 argument(s); it takes 2."),
    ("create_ticket", (), "The function create_ticket does not take 0 argument(s); it takes 1 to 2."),
    ("twice", (2,), "The function twice is there more than once for 1 argument(s)."),
    ("add", (2, "three"), 'add: argument 2 (b) must be integer, not "three".'),
    ("on_day", ("soon",), 'on_day: argument 1 (d) must be date, not "soon".'),
    ("breaks", ("beer",), "no beer today Try tomorrow."),
    ("breaks_inside", ("x",), 'invalid input syntax for type integer: "x"'),
    ("echo", ("a\0b",), "the character NUL"),
    ("echo", (float("nan"),), "cannot be stored"),
    ("echo", ("\ud800",), "Unicode"),
]


async def test_a_tool_is_called_with_the_types_it_wants(store: Store, asked: LoadedExecution) -> None:
    for name, arguments, answer in ANSWERS:
        assert await call(store, asked, name, *arguments) == QueryAnswered(answer), (name, arguments)


async def test_a_refusal_is_an_answer_with_a_sentence(store: Store, asked: LoadedExecution) -> None:
    for name, arguments, sentence in REFUSALS:
        answer = await call(store, asked, name, *arguments)
        assert isinstance(answer, QueryFailed), (name, arguments)
        assert sentence in answer.message


async def test_the_transaction_goes_on_after_a_refusal(
    store: Store, connection: Connection, asked: LoadedExecution
) -> None:
    async with store.transaction() as transaction:
        first = await transaction.ask(Query("tool:create_ticket", ("one",)), asked)
        assert isinstance(await transaction.ask(Query("tool:breaks", ("x",)), asked), QueryFailed)
        second = await transaction.ask(Query("tool:create_ticket", ("two", True)), asked)
        assert (first, second) == (QueryAnswered(1), QueryAnswered(2))
        assert await transaction.commit_turn(turn_of(asked))
    rows = await connection.fetch("select description, session from tickets order by number")
    assert [tuple(row) for row in rows] == [("one", str(asked.session_id)), ("two", str(asked.session_id))]


async def test_a_first_question_that_is_refused_leaves_nothing_behind(
    store: Store, connection: Connection, asked: LoadedExecution
) -> None:
    await connection.execute(
        "create function half(x text) returns text language plpgsql as $$ begin"
        " perform create_ticket(x); perform set_config('stepwell.left', x, true); raise exception 'no'; end $$"
    )
    async with store.transaction() as transaction:
        for _ in range(2):
            assert isinstance(await transaction.ask(Query("tool:half", ("lost",)), asked), QueryFailed)
        assert await transaction.ask(Query("tool:create_ticket", ("kept",)), asked) == QueryAnswered(3)
        assert isinstance(await transaction.ask(Query("tool:half", ("lost",)), asked), QueryFailed)
        assert await transaction.commit_turn(turn_of(asked))
    assert await connection.fetchval("select string_agg(description, ',') from tickets") == "kept"


async def test_what_was_asked_is_undone_with_a_turn_that_lost_its_race(
    store: Store, connection: Connection, asked: LoadedExecution
) -> None:
    async with store.transaction() as transaction:
        await transaction.ask(Query("tool:create_ticket", ("x",)), asked)
        await connection.execute("select workflow_pause($1)", asked.id)
        assert not await transaction.commit_turn(turn_of(asked))
    assert await connection.fetchval("select count(*) from tickets") == 0
    with pytest.raises(RuntimeError):
        async with store.transaction() as transaction:
            await transaction.ask(Query("tool:create_ticket", ("x",)), asked)
            raise RuntimeError
    assert await connection.fetchval("select count(*) from tickets") == 0


async def test_f18_a_conflict_concerns_the_whole_turn(store: Store, asked: LoadedExecution) -> None:
    with pytest.raises(asyncpg.SerializationError):
        await call(store, asked, "conflicts")


async def test_f53_a_time_out_concerns_the_whole_turn(
    store: Store, asked: LoadedExecution, connection: Connection
) -> None:
    await connection.execute(
        "create table busy (x int); create function touch_busy() returns void language sql as $$ lock table busy $$"
    )
    name = await connection.fetchval("select current_database()")
    await connection.execute(f"alter database {name} set lock_timeout = '20ms'")
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("lock table busy")
    await store._pool.expire_connections()
    with pytest.raises(asyncpg.LockNotAvailableError):
        await call(store, asked, "touch_busy")
    await transaction.rollback()


async def test_f34_a_cancelled_turn_leaves_no_transaction_and_no_lock(
    store: Store, asked: LoadedExecution, connection: Connection
) -> None:
    await connection.execute("create function stand_still() returns void language sql as $$ select pg_sleep(60) $$")
    asking_now = asyncio.Event()

    async def turn() -> None:
        async with store.transaction() as transaction:
            await transaction.ask(Query("tool:create_ticket", ("x",)), asked)
            asking_now.set()
            await transaction.ask(Query("tool:stand_still"), asked)

    task = asyncio.create_task(turn())
    await asking_now.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    left = "select count(*) from pg_stat_activity where application_name = 'stepwell' and xact_start is not null"
    assert await connection.fetchval(left) == 0
    assert await connection.fetchval("select count(*) from tickets") == 0
    assert await store.commit_turn(turn_of(asked)), "nothing is locked, and the turn can be tried again"


async def test_a_lost_connection_is_no_answer(store: Store, asked: LoadedExecution, connection: Connection) -> None:
    with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.AdminShutdownError, OSError)):
        async with store.transaction() as transaction:
            await connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'stepwell' and state like 'idle in%'"
            )
            await transaction.ask(Query("tool:add", (1, 2)), asked)
    assert await call(store, asked, "add", 1, 2) == QueryAnswered(3), "the pool has replaced it"


async def test_variables_are_set_with_the_turn_and_read_back(store: Store, asked: LoadedExecution) -> None:
    async with store.transaction() as transaction:
        for kind in ("session_variable", "bot_memory"):
            assert await transaction.ask(Query(f"get_{kind}", ("k",)), asked) == QueryAnswered(None)
            assert await transaction.ask(Query(f"set_{kind}", ("k", {"a": [1]})), asked) == QueryAnswered({"a": [1]})
            assert await transaction.ask(Query(f"get_{kind}", ("k",)), asked) == QueryAnswered({"a": [1]})
        assert isinstance(await transaction.ask(Query("get_bot_memory", ("a\0b",)), asked), QueryFailed)
        assert await transaction.commit_turn(turn_of(asked))
    async with store.transaction() as transaction:
        assert await transaction.ask(Query("get_bot_memory", ("k",)), asked) == QueryAnswered({"a": [1]})


async def test_without_a_session_there_are_no_session_variables(store: Store, connection: Connection) -> None:
    started = await connection.fetchval("select workflow_start('ticket.bas')")
    [alone] = await store.load_executions([started])
    async with store.transaction() as transaction:
        answer = await transaction.ask(Query("set_session_variable", ("k", 1)), alone)
    assert isinstance(answer, QueryFailed) and "has no session" in answer.message
