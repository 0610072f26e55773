"""What waits costs nothing: no actor, no task, no polling, only its row."""

from __future__ import annotations

import asyncio

from daemon.metrics import Metrics
from tests.daemon.conversing import chatting, fetch, until

WAITING = 2_000
IDLE_SECONDS = 0.5
SECONDS_MAX = 60.0
TASKS_MAX = 40  # the daemon's own, however many conversations wait

ECHO = """
#workflow
DO
  HEAR x
  TALK "you said ${x}"
LOOP
"""
START = (
    "select s.id, workflow_start('echo.bas', s.id) from (select gen_random_uuid() as id from generate_series(1, $1)) s"
)


async def test_f58_waiting_conversations_cost_their_rows_alone(database: str) -> None:
    async with chatting(database, {"echo.bas": ECHO}, limits__idle_seconds_max=IDLE_SECONDS) as chat:
        metrics, supervisor, listener = chat.daemon.metrics, chat.daemon.supervisor, chat.daemon.listener
        started = await fetch(database, START, WAITING)
        await until(lambda: _total(metrics, "stepwell_actors_started") >= WAITING, SECONDS_MAX)
        await chat.idle()
        await until(lambda: not supervisor.present and listener.dozing, SECONDS_MAX)
        assert _total(metrics, "stepwell_actors_started") == _total(metrics, "stepwell_actors_passivated")
        await until(lambda: len(asyncio.all_tasks()) < TASKS_MAX, SECONDS_MAX)  # those told to stop end one by one
        assert not supervisor.held and chat.daemon.committer.idle
        session = started[WAITING // 2]["id"]
        assert await chat.clients.send(session, "hello") == started[WAITING // 2]["workflow_start"]
        assert await chat.until_said(session) == ["you said hello"]
        assert len(supervisor.present) == 1
        waiting = await fetch(database, "select count(*) as n from workflow_waiting where kind = 'message'")
        assert waiting[0]["n"] == WAITING


def _total(metrics: Metrics, name: str) -> float:
    return metrics.registry.get_sample_value(f"{name}_total") or 0.0
