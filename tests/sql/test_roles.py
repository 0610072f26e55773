"""The three roles, as real roles: what each may do and may not; bots kept apart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import asyncpg
import pytest

from daemon.migrations import Connection, create_roles
from daemon.store import Store, open_pool
from engine.effects import Query, Reply
from engine.events import QueryAnswered
from tests.sql.world import ask, close_store, deploy, open_store, shares_of, start, turn_of

LOGINS = {
    "t_client": "stepwell_client",
    "t_operator": "stepwell_operator",
    "t_daemon": "stepwell_daemon",
    "t_nobody": None,
    "t_one": "stepwell_client",
    "t_one_operator": "stepwell_operator",
}
ONE, TWO = UUID(int=1), UUID(int=2)


@pytest.fixture
async def store(database: str, connection: Connection) -> AsyncIterator[Store]:
    for login, group in LOGINS.items():
        if not await connection.fetchval("select 1 from pg_roles where rolname = $1", login):
            await connection.execute(f"create role {login} login")
        if group:
            await connection.execute(f"grant {group} to {login}")
    store = await open_store(database)
    await deploy(store)
    yield store
    await close_store(store)


@asynccontextmanager
async def login(dsn: str, role: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(dsn, user=role)
    try:
        yield connection
    finally:
        await connection.close()


async def denied(connection: Connection, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(statement)


TABLES = (
    "executions", "events", "plans", "scripts", "messages", "message_ids", "replies", "turns", "session_variables",
    "bot_memories", "partitions", "daemons", "settings", "migrations", "bot_roles",
    "schedules", "declarations", "sources",
)  # fmt: skip
VIEWS = ("shares", "waiting", "history", "transcript", "funnel", "counts")


async def test_a_client_starts_says_and_takes_and_sees_nothing_else(store: Store, database: str) -> None:
    session = uuid4()
    async with login(database, "t_client") as client:
        started = await client.fetchval("select workflow_start('ticket.bas', $1)", session)
        await ask(store, started)
        assert await client.fetchval("select workflow_send($1, 'x')", session) == started
        await client.execute(
            "insert into workflow_messages (session_id, content, external_id) values ($1, 'y', 'e')", session
        )
        assert len(await client.fetch("select * from workflow_take_replies($1, 10)", session)) == 1
        assert await client.fetchval("select workflow_channel('replies')") == "workflow_replies"
        for table in TABLES + VIEWS:
            await denied(client, f"select * from workflow_{table}")
        for table in TABLES:
            await denied(client, f"delete from workflow_{table}")
        for act in ("cancel", "pause", "resume", "retry"):
            await denied(client, f"select workflow_{act}('{started}')")
        await denied(
            client,
            "insert into workflow_messages (session_id, content, created_at) values (gen_random_uuid(), 'x', now())",
        )
        await denied(client, "select workflow_call('pg_sleep', '[0]')")


async def test_an_operator_reads_the_views_and_acts_and_writes_nothing(store: Store, database: str) -> None:
    started = await start_as_owner(database)
    await ask(store, started)
    async with login(database, "t_operator") as operator:
        for view in VIEWS:
            assert len(await operator.fetch(f"select * from workflow_{view}")) == 1, view
        for act in ("pause", "resume", "cancel", "retry"):
            await operator.execute(f"select workflow_{act}($1)", started)
        for table in TABLES:
            await denied(operator, f"delete from workflow_{table}")
        await denied(operator, "update workflow_executions set status = 'running'")
        await denied(operator, "select workflow_start('ticket.bas')")
        await denied(operator, "select workflow_send(gen_random_uuid(), 'x')")
        await denied(operator, "insert into workflow_messages (session_id, content) values (gen_random_uuid(), 'x')")
        await denied(operator, "select * from workflow_session_variables")


async def test_everyone_else_may_do_nothing(store: Store, database: str) -> None:
    async with login(database, "t_nobody") as nobody:
        for table in TABLES + VIEWS:
            await denied(nobody, f"select * from workflow_{table}")
        for call in (
            "start('ticket.bas')",
            "send(gen_random_uuid(), 'x')",
            "channel('wake')",
            "now()",
            "call('x')",
        ):
            await denied(nobody, f"select workflow_{call}")


async def test_the_daemons_role_is_enough_for_a_daemon(store: Store, database: str, connection: Connection) -> None:
    await close_store(store)
    await connection.execute("delete from workflow_daemons")
    daemon = Store(await open_pool(database, user="t_daemon", size_max=2), "public", "d9")
    assert len((await shares_of(daemon).tend(60)).epochs) == 256
    await deploy(daemon)
    session = uuid4()
    started = await start_as_owner(database, session)
    assert len(await daemon.fetch_due([], 5)) == 1
    asked = await ask(daemon, started)
    await connection.execute("insert into workflow_messages (session_id, content) values ($1, 'x')", session)
    [message] = await daemon.fetch_messages([], 5)
    async with daemon.transaction() as transaction:
        assert await transaction.ask(Query("set_bot_memory", ("k", 1)), asked) == QueryAnswered(1)
        assert await transaction.commit_turn(turn_of(asked, consumed=(message.id,)))
    assert await daemon.next_due() is None and await daemon.mark_lost() == []
    assert await daemon.load_bot_parameters(ONE) == {}
    async with login(database, "t_daemon") as listener:
        assert await daemon.try_doze(listener, range(256))
        await daemon.wake_up(listener)
    assert len(await shares_of(daemon).release()) == 256
    await close_store(daemon)


async def start_as_owner(database: str, session: UUID | None = None, bot: UUID | None = None) -> UUID:
    connection = await asyncpg.connect(database)
    started: UUID = await connection.fetchval("select workflow_start('ticket.bas', $1, $2)", session or uuid4(), bot)
    await connection.close()
    return started


async def test_a_role_of_one_bot_deals_with_that_bot_alone(store: Store, database: str, connection: Connection) -> None:
    await connection.execute("insert into workflow_bot_roles values ('t_one', $1), ('t_one_operator', $1)", ONE)
    mine, other = uuid4(), uuid4()
    theirs = await start_as_owner(database, other, TWO)
    await ask(store, theirs, replies=(Reply("secret"),))
    async with login(database, "t_one") as client:
        started = await client.fetchval("select workflow_start('ticket.bas', $1)", mine)
        assert await connection.fetchval("select bot_id from workflow_executions where id = $1", started) == ONE
        await ask(store, started, replies=(Reply("hello"),))
        await client.execute("insert into workflow_messages (session_id, content) values ($1, 'x')", mine)
        assert len(await client.fetch("select * from workflow_take_replies($1, 9)", mine)) == 1
        assert await client.fetch("select * from workflow_take_replies($1, 9)", other) == []
        for statement in (
            f"select workflow_start('ticket.bas', bot_id => '{TWO}')",
            f"select workflow_send('{other}', 'x')",
            f"insert into workflow_messages (session_id, content) values ('{other}', 'x')",
            f"insert into workflow_messages (session_id, content, bot_id) values ('{mine}', 'x', '{TWO}')",
        ):
            with pytest.raises(asyncpg.PostgresError, match="may not deal with bot") as refused:
                await client.execute(statement)
            assert refused.value.sqlstate == "SW013"
    async with login(database, "t_one_operator") as operator:
        for view in (
            "waiting",
            "history",
            "transcript",
            "funnel",
            "executions",
            "replies",
            "turns",
            "messages",
        ):
            bots = {row[0] for row in await operator.fetch(f"select * from workflow_{view}")}
            assert len(bots) == 1, view
            assert str(theirs) not in str(await operator.fetch(f"select * from workflow_{view}"))
        assert await operator.fetchval("select sum(executions) from workflow_counts") == 1
        with pytest.raises(asyncpg.PostgresError, match="may not deal with bot"):
            await operator.execute("select workflow_cancel($1)", theirs)
        await operator.execute("select workflow_cancel($1)", started)
    async with login(database, "t_operator") as operator:
        assert len(await operator.fetch("select * from workflow_executions")) == 2, "who is not listed sees all"


async def test_other_roles_of_the_server_keep_what_their_grants_give(
    store: Store, database: str, connection: Connection
) -> None:
    await start_as_owner(database)
    await connection.execute("grant select, update on workflow_executions to t_nobody")
    async with login(database, "t_nobody") as server:
        assert len(await server.fetch("select * from workflow_executions")) == 1
        assert await server.execute("update workflow_executions set workflow_name = 'x'") == "UPDATE 1"
    await connection.execute("revoke all on workflow_executions from t_nobody")


async def test_making_the_roles_again_changes_nothing(database: str, connection: Connection) -> None:
    rights = "select relname, relacl::text from pg_class where relname like 'workflow%' order by 1"
    before = await connection.fetch(rights)
    await create_roles(connection)
    assert await connection.fetch(rights) == before


async def test_a_start_does_not_reveal_another_bots_execution(
    store: Store, database: str, connection: Connection
) -> None:
    await connection.execute("insert into workflow_bot_roles values ('t_one', $1)", ONE)
    session = uuid4()
    await start_as_owner(database, session, TWO)
    async with login(database, "t_one") as client:
        with pytest.raises(asyncpg.PostgresError, match="may not deal with bot"):
            await start(client, session)
