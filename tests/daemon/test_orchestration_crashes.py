"""kill -9 of the daemon while parents wait for children and events: each child once, each event used once."""

from __future__ import annotations

import asyncio
from random import Random
from uuid import UUID, uuid4

from daemon.deploy import deploy
from daemon.store import open_pool
from daemon.store_deploy import DeployStore
from tests.daemon.conversing import execute, fetch
from tests.daemon.lonely_daemon import settings
from tests.daemon.test_committer import CREATE
from tests.daemon.test_crashes import process

ROUNDS = 3
CONVERSATIONS = 8
KILLS = 3
PARENT = """
#workflow
FOR i = 1 TO 3
  PARALLEL
    BRANCH A: BOT "worker" "round ${i}"
    BRANCH B: seen = i
  END PARALLEL
  go = WAIT FOR EVENT "go ${me} ${i}"
  told = told & seen & go
NEXT
TALK "all: ${told}"
"""
WORKER = """
#workflow
number = CREATE(task)
RETURN number
"""


async def test_f31_children_and_events_across_kills(database: str, rng: Random) -> None:
    await execute(database, CREATE)
    pool = await open_pool(database)
    done = await deploy(DeployStore(pool), {"parent.bas": PARENT, "worker.bas": WORKER}, settings())
    assert not done.refused
    await pool.close()
    sessions = [uuid4() for _ in range(CONVERSATIONS)]
    start = "select workflow_start('parent.bas', $1, params => $2::jsonb)"
    for place, session in enumerate(sessions):
        await fetch(database, start, session, f'{{"me": {place}}}')
        for number in range(1, ROUNDS + 1):
            await fetch(database, "select workflow_publish($1, $2::jsonb)", f"go {place} {number}", f'"-{number};"')
    for _ in range(KILLS):
        async with process(database):
            await asyncio.sleep(rng.uniform(0.05, 0.4))
    async with process(database), asyncio.timeout(60):
        while len(await ended(database)) < CONVERSATIONS:
            await asyncio.sleep(0.05)
    assert set(await ended(database)) == {(session, "all: 1-1;2-2;3-3;") for session in sessions}
    tickets = await fetch(database, "select count(*) from tickets")
    children = await fetch(database, "select status, count(*) from workflow_executions group by status")
    assert tickets[0][0] == CONVERSATIONS * ROUNDS
    assert [tuple(row) for row in children] == [("completed", CONVERSATIONS * (1 + ROUNDS * 3))]
    assert await fetch(database, "select from workflow_signals") == []
    assert await fetch(database, "select from workflow_events where not processed") == []


async def ended(dsn: str) -> list[tuple[UUID, str]]:
    """Return what was said at the end, by session."""
    return [tuple(row) for row in await fetch(dsn, "select session_id, content from workflow_replies order by id")]
