"""Retention in the daemon: by itself, one at a time, and it stops for nothing but waits for everybody."""

from __future__ import annotations

import asyncio
from random import Random

from daemon.metrics import create_metrics
from daemon.retention import REST_SECONDS_MAX, Retention, aged_by
from daemon.settings_model import Retention as RetentionSettings
from daemon.store import open_pool
from tests.daemon.conversing import ECHO, TICKET, chatting, execute, fetch, until

OLD = "update workflow_executions set ended_at = ended_at - interval '40 days', created_at = created_at - interval '40 days'"


async def test_the_daemon_deletes_what_is_past_while_conversations_go_on(database: str) -> None:
    async with chatting(database, {"ticket.bas": TICKET, "echo.bas": ECHO}, retention__ended_days=30) as chat:
        session, ended = await chat.start("ticket.bas")
        assert await chat.say(session, "paper jam") == ["Describe the issue", "Ticket for paper jam"]
        going_on, living = await chat.start("echo.bas")
        await execute(database, OLD)
        async with asyncio.timeout(30):
            while await fetch(database, "select from workflow_executions where id = $1", ended):
                # The chore of the daemon's start may be under way and end as done just after this.
                await execute(database, "update workflow_chores set done_at = null")
                chat.daemon.retention.bell.ring()
                await asyncio.sleep(0.05)
        left = await fetch(database, "select id from workflow_executions")
        assert [row["id"] for row in left] == [living]
        assert await fetch(database, "select from workflow_turns where execution_id = $1", ended) == []
        metrics = chat.daemon.metrics
        await until(lambda: metrics.pruned_timestamp_seconds._value.get() > 0)
        assert metrics.pruned_rows.labels(table="workflow_executions")._value.get() == 1
        assert await chat.say(going_on, "still here?") == ["you said still here?"]


async def test_an_error_puts_it_off_and_another_daemon_leaves_it(database: str) -> None:
    pool = await open_pool(database)
    metrics = create_metrics()
    await execute(database, "update workflow_chores set holder = 'another', held_until = now() + interval '1 hour'")
    retention = Retention(pool, RetentionSettings(ended_days=1), "me", metrics, Random(1))
    await retention._look()
    assert (await fetch(database, "select holder from workflow_chores"))[0]["holder"] == "another"
    await execute(database, "drop function workflow_make_history")
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(retention.run())
        await until(lambda: metrics.errors.labels(kind="database")._value.get() == 1)
        task.cancel()
    pool.terminate()


def test_nothing_that_was_said_goes_unless_somebody_says_so() -> None:
    assert {one.kind for one in aged_by(RetentionSettings())} == {"events", "message_ids", "plans"}
    asked = {one.kind: one for one in aged_by(RetentionSettings(ended_days=90, history_days=30))}
    assert list(asked)[:4] == ["history", "executions", "history_default", "replies"]
    assert asked["history"].seconds == asked["history"].ended == 30 * 86_400 and asked["history"].live is None
    assert asked["executions"].seconds == 90 * 86_400
    none = RetentionSettings(events_days=0, message_ids_days=0, plans_days=0)
    assert aged_by(none) == [] and [one.kind for one in aged_by(none, 60.0)] == [
        "history",
        "executions",
        "history_default",
    ]
    assert REST_SECONDS_MAX >= 1
