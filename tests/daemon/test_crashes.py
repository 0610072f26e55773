"""kill -9 of the daemon, restarts of PostgreSQL, killed backends: the same transcripts as without."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from tempfile import NamedTemporaryFile
from uuid import UUID, uuid4

import asyncpg

from daemon.deploy import deploy
from daemon.embedded import Running
from daemon.store import open_pool
from daemon.store_deploy import DeployStore
from tests.conftest import migrate_template
from tests.daemon.conversing import chatting, execute, fetch
from tests.daemon.lonely_daemon import settings
from tests.daemon.test_committer import CREATE
from tests.preloaded import Preloaded, start

ROOT = Path(__file__).parents[2]

SCRIPT = """
#workflow
FOR i = 1 TO 4
  TALK "question ${i}"
  HEAR answer
  ticket = CREATE(answer)
  total = total & answer
  TALK "heard ${answer}"
NEXT
TALK "all: ${total}"
"""
EXPECTED = [text for i in range(1, 5) for text in (f"question {i}", f"heard {i}")] + ["all: 1234"]


@asynccontextmanager
async def process(dsn: str) -> AsyncIterator[Preloaded]:
    """Run a daemon in a process of its own, that is killed at the end."""
    with NamedTemporaryFile() as said:
        running = start("tests.daemon.lonely_daemon", [dsn], Path(said.name), directory=ROOT, environment=os.environ)
        try:
            while b"up\n" not in said.read():
                said.seek(0)
                assert running.poll() is None, "the daemon ended"
                await asyncio.sleep(0.005)
            yield running
        finally:
            running.kill()
            await asyncio.to_thread(running.wait)


async def prepare(dsn: str) -> None:
    """Create the tool and deploy the script."""
    await execute(dsn, CREATE)
    pool = await open_pool(dsn)
    done = await deploy(DeployStore(pool), {"kill.bas": SCRIPT}, settings())
    assert not done.refused
    await pool.close()


async def converse(dsn: str, sessions: list[UUID]) -> None:
    """Answer every question as soon as it is asked, whatever happens to the daemon or the server meanwhile."""
    answered = dict.fromkeys(sessions, 0)
    started: set[UUID] = set()
    while min(answered.values()) < 4:
        try:
            connection = await asyncpg.connect(dsn)
            try:
                await converse_on(connection, answered, started)
            finally:
                connection.terminate()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
            await asyncio.sleep(0.05)


async def converse_on(
    connection: asyncpg.Connection,
    answered: dict[UUID, int],
    started: set[UUID],
) -> None:
    """Go on over one connection; external ids make it safe to say something twice."""
    asked = "select session_id, count(*) n from workflow_replies where content like 'question%' group by 1"
    answer = "insert into workflow_messages (session_id, content, external_id) values ($1, $2, $2)"
    while min(answered.values()) < 4:
        for session in [s for s in answered if s not in started]:
            await connection.fetchval("select workflow_start('kill.bas', $1, start_key => $2)", session, str(session))
            started.add(session)
        for session, questions in await connection.fetch(asked):
            if questions > answered.get(session, 9):
                await connection.execute(answer, session, str(questions))
                answered[session] = questions
        await asyncio.sleep(0.005)


async def check(dsn: str, sessions: list[UUID]) -> None:
    """Assert that every transcript is the one without crashes, and that every ticket is there once."""
    ended = "select from workflow_executions where status = 'completed'"
    async with asyncio.timeout(60):
        while True:
            if len(await fetch(dsn, ended)) == len(sessions):
                break
            await asyncio.sleep(0.05)
    said = "select content from workflow_replies where session_id = $1 order by id"
    for session in sessions:
        assert [row["content"] for row in await fetch(dsn, said, session)] == EXPECTED
    assert len(await fetch(dsn, "select from tickets")) == 4 * len(sessions)
    assert not await fetch(dsn, "select from workflow_messages")


async def test_f31_kill_9_at_random_moments_changes_no_transcript(database: str, rng: Random) -> None:
    await prepare(database)
    sessions = [uuid4() for _ in range(15)]
    async with asyncio.timeout(100), asyncio.TaskGroup() as tasks:
        client = tasks.create_task(converse(database, sessions))
        for _ in range(4):
            async with process(database) as running:
                await asyncio.sleep(rng.uniform(0.0, 0.15))
                running.kill()
        async with process(database):
            await client
            await check(database, sessions)


async def test_f51_postgresql_restarts_under_a_living_daemon(own_postgres: Running, rng: Random) -> None:
    dsn = own_postgres.dsn
    await migrate_template(dsn)
    await prepare(dsn)
    sessions = [uuid4() for _ in range(15)]
    async with asyncio.timeout(100), chatting(dsn, {"kill.bas": SCRIPT}, tools={"create": "create_ticket"}) as chat:
        owner = chat.daemon.store.owner
        async with asyncio.TaskGroup() as tasks:
            client = tasks.create_task(converse(dsn, sessions))
            for _ in range(3):
                await asyncio.sleep(rng.uniform(0.0, 0.2))
                own_postgres.stop()
                own_postgres.start()
            await client
        await check(dsn, sessions)
        owners = await fetch(dsn, "select distinct owner from workflow_partitions")
        assert [row["owner"] for row in owners] == [owner]


async def test_f51_backends_killed_one_after_another(database: str, rng: Random) -> None:
    await prepare(database)
    sessions = [uuid4() for _ in range(15)]
    kill = (
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() "
        "and pid <> pg_backend_pid() order by random() limit 1"
    )
    async with (
        asyncio.timeout(100),
        chatting(database, {"kill.bas": SCRIPT}, tools={"create": "create_ticket"}) as chat,
    ):
        async with asyncio.TaskGroup() as tasks:
            client = tasks.create_task(converse(database, sessions))
            while not client.done():
                await asyncio.sleep(rng.uniform(0.0, 0.05))
                await fetch(database, kill)
        await check(database, sessions)
        assert len(chat.daemon.partitions.owned) == 256
