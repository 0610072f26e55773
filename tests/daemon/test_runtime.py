"""Conversations over the real daemon: what is heard by whom, when, and what a turn leaves behind."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from engine.events import MessageReceived
from engine.stepper import advance
from tests.daemon.conversing import TICKET, chatting, execute, fetch, until


async def test_a_conversation_from_start_to_end(database: str) -> None:
    async with chatting(database) as chat:
        session, execution = await chat.start("ticket.bas")
        assert await chat.said(session) == ["Describe the issue"]
        assert await chat.say(session, "my printer is on fire") == ["Ticket for my printer is on fire"]
        assert await chat.status(execution) == "completed"
        turns = await chat.operators.list_turns(execution)
        assert [t.came_in["kind"] for t in turns] == ["message", "start"]
        assert turns[0].came_in["content"] == "my printer is on fire"
        assert turns[0].went_out == {"replies": 1}


async def test_a_conversation_goes_on_in_another_daemon(database: str) -> None:
    async with chatting(database) as chat:
        session, execution = await chat.start("ticket.bas")
    async with chatting(database) as chat:
        assert await chat.say(session, "no paper") == ["Describe the issue", "Ticket for no paper"]
        assert await chat.status(execution) == "completed"


async def test_f21_a_message_before_the_script_hears_is_kept(database: str) -> None:
    async with chatting(database) as chat:
        session = uuid4()
        first = "insert into workflow_messages (session_id, content) values ($1, 'early')"
        await fetch(database, first, session)
        await chat.idle()
        await chat.start("ticket.bas", session)
        assert await chat.said(session) == ["Describe the issue", "Ticket for early"]


async def test_f22_f24_every_message_is_heard_once_and_in_order(database: str) -> None:
    async with chatting(database) as chat:
        session, execution = await chat.start("echo.bas")
        words = [f"word {n}" for n in range(250)]  # more than a mailbox holds
        async with asyncio.TaskGroup() as tasks:
            for word in words:
                await chat.clients.send(session, word)
            tasks.create_task(chat.idle())
        assert await chat.said(session) == [f"you said {w}" for w in words]
        turns = await fetch(database, "select count(*) n from workflow_turns where execution_id = $1", execution)
        assert turns[0]["n"] == 251


async def test_a_burst_in_one_insert_is_heard_in_order_beyond_the_mailbox(database: str) -> None:
    async with chatting(database) as chat:
        session, _ = await chat.start("echo.bas")
        burst = "insert into workflow_messages (session_id, content) select $1, n::text from generate_series(1, 350) n"
        await fetch(database, burst, session)
        await chat.idle()
        assert await chat.said(session) == [f"you said {n}" for n in range(1, 351)]
        assert not chat.daemon.supervisor.held


async def test_f26_a_message_whose_row_became_visible_late_is_heard(database: str) -> None:
    async with chatting(database) as chat:
        session, _ = await chat.start("echo.bas")
        slow = await asyncpg.connect(database)
        transaction = slow.transaction()
        await transaction.start()
        await slow.execute("insert into workflow_messages (session_id, content) values ($1, 'first')", session)
        assert await chat.say(session, "second") == ["you said second"]
        await transaction.commit()
        await slow.close()
        await chat.idle()
        assert await chat.said(session) == ["you said first"]


ASK_IN_TIME = """
#workflow
HEAR a DEFAULT "nothing" TIMEOUT 60
TALK "a is ${a}"
HEAR b
TALK "b is ${b}"
"""


async def test_f27_a_time_out_fires_once_and_the_message_goes_to_the_next_hear(database: str) -> None:
    async with chatting(database, {"t.bas": ASK_IN_TIME}) as chat:
        session, execution = await chat.start("t.bas")
        await chat.later(59)
        assert await chat.said(session) == []
        await chat.later(61)
        assert await chat.said(session) == ["a is nothing"]
        assert await chat.say(session, "late") == ["b is late"]
        kinds = [t.came_in["kind"] for t in await chat.operators.list_turns(execution)]
        assert kinds == ["message", "timeout", "start"]


@pytest.mark.parametrize("daemon_first", [True, False])
async def test_f27_answer_and_time_out_at_once_one_wins(database: str, daemon_first: bool) -> None:
    """The daemon was away: the message came before the deadline, or after it; each decides for itself."""
    async with chatting(database, {"t.bas": ASK_IN_TIME}) as chat:
        session, _ = await chat.start("t.bas")
    if daemon_first:
        await fetch(database, "insert into workflow_messages (session_id, content) values ($1, 'in time')", session)
    await execute(
        database,
        "create or replace function workflow_now() returns timestamptz stable parallel safe language sql "
        "return now() + interval '2 minutes'",
    )
    if not daemon_first:
        await fetch(database, "insert into workflow_messages (session_id, content) values ($1, 'too late')", session)
    async with chatting(database, {"t.bas": ASK_IN_TIME}) as chat:
        await chat.idle()
        expected = ["a is in time"] if daemon_first else ["a is nothing", "b is too late"]
        assert await chat.said(session) == expected


async def test_f36_f37_a_deadline_is_a_stored_moment(database: str) -> None:
    """Invalid answers and restarts neither prolong the deadline nor leave an old timer behind."""
    script = '#workflow\nHEAR n AS INTEGER DEFAULT 0 TIMEOUT 60 RETRIES 9\nTALK "n ${n}"\nHEAR m\nTALK m\n'
    async with chatting(database, {"t.bas": script}) as chat:
        session, execution = await chat.start("t.bas")
        before = (await chat.show(execution)).listed.wake_at
        await chat.later(40)
        await chat.say(session, "not a number")
        assert (await chat.show(execution)).listed.wake_at == before
        assert (await chat.say(session, "12"))[-1] == "n 12"
        await chat.later(600)  # the old deadline passes while another question is open
        assert await chat.status(execution) == "waiting"
        assert await chat.say(session, "still here") == ["still here"]


async def test_f28_an_answer_to_a_closed_question_is_not_heard(database: str) -> None:
    script = "#workflow\nHEAR a\nHEAR b\nTALK a & b\n"
    async with chatting(database, {"t.bas": script}) as chat:
        session, execution = await chat.start("t.bas")
        state = json.loads((await chat.show(execution)).state_json)
        first = state["wait"]["prompt_id"]
        rows = "insert into workflow_messages (session_id, content, prompt_id) values ($1, $2, $3)"
        await fetch(database, rows, session, "one", first)
        await fetch(database, rows.replace("prompt_id)", "prompt_id, execution_id)").replace("$3)", "$3, $4)"),
                    session, "one again", first, execution)  # fmt: skip
        await chat.idle()
        assert await chat.say(session, " two") == ["onetwo"]
        turns = await chat.operators.list_turns(execution)
        assert [t.came_in.get("stale", False) for t in turns] == [False, True, False, False]
        assert turns[1].went_out["asked_again"] is True


async def test_the_stack_of_a_session_the_last_started_hears_first(database: str) -> None:
    async with chatting(database) as chat:
        session, below = await chat.start("echo.bas")
        _, above = await chat.start("ticket.bas", session)
        assert await chat.say(session, "one", "two") == [
            "Describe the issue",
            "Ticket for one",
            "you said two",
        ]
        assert (await chat.status(above), await chat.status(below)) == ("completed", "waiting")


async def test_a_secret_answer_is_in_clear_nowhere(database: str) -> None:
    async with chatting(database, {"t.bas": "#workflow\nHEAR p AS PASSWORD\nTALK LEN(p)\nHEAR q\n"}) as chat:
        session, execution = await chat.start("t.bas")
        await chat.say(session, "hunter2hunter2")
        turns = await chat.operators.list_turns(execution)
        assert turns[0].came_in["content"] == "[PASSWORD SET]"
        rows = await fetch(database, "select row_to_json(t)::text as text from workflow_turns t")
        assert not any("hunter2" in row["text"] for row in rows)
        assert not await fetch(database, "select from workflow_messages")


async def test_pause_resume_cancel_and_retry_reach_a_living_actor(database: str) -> None:
    script = '#workflow\nHEAR a\nIF a = "bad" THEN THROW "no good"\nTALK "good ${a}"\nHEAR b\nTALK b\n'
    async with chatting(database, {"t.bas": script}) as chat:
        session, execution = await chat.start("t.bas")
        operators = chat.operators
        assert (await operators.pause(execution)).changed
        assert await chat.say(session, "bad") == []
        assert (await operators.resume(execution)).changed
        await chat.idle()
        assert await chat.status(execution) == "failed"
        problem = (await chat.show(execution)).listed.problem
        assert problem is not None and "no good" in problem and "t.bas:3" in problem
        assert (await operators.retry(execution)).changed
        await chat.idle()
        assert await chat.status(execution) == "failed"  # the same step, with the same variables
        session, execution = await chat.start("t.bas")
        assert (await operators.cancel(execution)).changed
        assert await chat.clients.send(session, "anyone?") is None
        assert await chat.status(execution) == "cancelled"


async def test_f47_a_state_that_is_too_large_fails_with_the_state_of_before(database: str) -> None:
    script = "#workflow\nHEAR a\nDO\n a = a & a\n HEAR b\nLOOP\n"
    async with chatting(database, {"t.bas": script}, limits__state_bytes_max=3_000) as chat:
        session, execution = await chat.start("t.bas")
        await chat.say(session, "x" * 1_000, "go on")
        shown = await chat.show(execution)
        assert shown.listed.status == "failed"
        assert shown.listed.problem is not None and "3,000" in shown.listed.problem
        assert json.loads(shown.state_json)["variables"]["a"] == "x" * 2_000
        assert not await fetch(database, "select from workflow_messages where content = 'go on'")


async def test_an_endless_loop_ends_with_its_line_and_starves_nobody(database: str) -> None:
    scripts = {"loop.bas": "#workflow\nDO\n i = i + 1\nLOOP\n", "ticket.bas": TICKET}
    async with chatting(database, scripts, limits__steps_per_turn_max=150_000) as chat:
        looping = await chat.clients.start("loop.bas", session_id=uuid4())
        await chat.clients.start("ticket.bas", session_id=(quick := uuid4()))
        assert await chat.until_said(quick) == ["Describe the issue"]
        assert await chat.status(looping) == "running"
        await chat.idle()
        problem = (await chat.show(looping)).listed.problem
        assert problem is not None and "150,000 steps" in problem and "loop.bas:" in problem


async def test_f48_an_unreadable_checkpoint_is_parked_untouched(database: str) -> None:
    async with chatting(database) as chat:
        session, execution = await chat.start("ticket.bas")
        other, _ = await chat.start("ticket.bas")
        chat.daemon.supervisor.let_go(range(256))
        broken = '{"version": 1, "variables": 7}'
        await fetch(database, "update workflow_executions set state_json = $1 where id = $2", broken, execution)
        await chat.clients.send(session, "hello")
        assert "Ticket for you" in await chat.say(other, "you")
        shown = await chat.show(execution)
        assert (shown.listed.status, shown.state_json) == ("paused", broken)
        assert shown.listed.problem is not None and "cannot be read" in shown.listed.problem
        assert shown.messages_pending == 1


async def test_f45_a_checkpoint_of_a_newer_engine_is_left_alone(database: str) -> None:
    async with chatting(database) as chat:
        session, execution = await chat.start("ticket.bas")
        other, _ = await chat.start("ticket.bas")
        chat.daemon.supervisor.let_go(range(256))
        update = "update workflow_executions set state_json = replace(state_json, '\"version\":2', '\"version\":9')"
        await fetch(database, f"{update} where id = $1", execution)
        before = await chat.show(execution)
        await chat.clients.send(session, "hello")
        assert "Ticket for you" in await chat.say(other, "you")
        after = await chat.show(execution)
        assert (after.revision, after.state_json, after.listed.status) == (
            before.revision,
            before.state_json,
            "waiting",
        )


async def test_a_plan_that_cannot_be_read_parks_its_executions_alone(database: str) -> None:
    async with chatting(database) as chat:
        session, execution = await chat.start("ticket.bas")
        other, _ = await chat.start("echo.bas")
    await execute(database, "update workflow_plans set plan_json = '[]' where script = 'ticket.bas'")
    async with chatting(database, {"other.bas": "#workflow\nTALK 1\n"}) as chat:
        await chat.clients.send(session, "hello")
        assert await chat.say(other, "you") == ["you said you"]
        assert await chat.status(execution) == "paused"


async def test_direct_mode_runs_in_memory_and_is_lost_visibly(database: str) -> None:
    script = '#direct\nHEAR a\nHEAR b\nTALK "${a} and ${b}"\n'
    async with chatting(database, {"d.bas": script}, limits__idle_seconds_max=0.001) as chat:
        session, done = await chat.start("d.bas")
        assert await chat.say(session, "one", "two") == ["one and two"]
        assert await chat.status(done) == "completed"
        session, execution = await chat.start("d.bas")
        await chat.say(session, "secret of the memory")
        assert "secret" not in (await chat.show(execution)).state_json
    async with chatting(database, {"d.bas": script}) as chat:
        await chat.idle()
        assert await chat.status(execution) == "lost"
        assert await chat.clients.send(session, "anyone?") is None


async def test_f58_a_cancelled_direct_execution_leaves_memory(database: str) -> None:
    scripts = {"d.bas": "#direct\nHEAR a\n"}
    async with chatting(database, scripts, limits__idle_seconds_max=0.1) as chat:
        _, execution = await chat.start("d.bas")
        _, living = await chat.start("d.bas")
        assert (await chat.operators.cancel(execution)).changed
        await until(lambda: chat.daemon.supervisor.present == [living])


async def test_more_conversations_than_actors(database: str) -> None:
    async with chatting(database, limits__actors_max=3) as chat:
        sessions = [(await chat.start("ticket.bas"))[0] for _ in range(10)]
        for session in sessions:
            await chat.clients.send(session, "all")
        await chat.idle()
        assert len(chat.daemon.supervisor.present) <= 3
        for session in sessions:
            assert await chat.said(session) == ["Describe the issue", "Ticket for all"]


async def test_f42_many_due_at_one_instant_and_at_the_start(database: str) -> None:
    script = '#workflow\nWAIT 60\nTALK "rested"\n'
    flags: dict[str, Any] = {"limits__due_batch_max": 7, "limits__actors_max": 11}
    async with chatting(database, {"w.bas": script}, **flags) as chat:
        sessions = [uuid4() for _ in range(60)]
        for session in sessions:
            await chat.clients.start("w.bas", session_id=session)
        await chat.idle()
    await execute(
        database,
        "create or replace function workflow_now() returns timestamptz stable parallel safe language sql "
        "return now() + interval '1 day'",
    )
    async with chatting(database, {"w.bas": script}, **flags) as chat:
        await chat.idle()
        for session in sessions:
            assert await chat.said(session) == ["rested"]


async def test_f15_old_work_is_not_queued_behind_fresh_work(database: str) -> None:
    flags: dict[str, Any] = {"limits__actors_max": 2, "limits__message_batch_max": 3}
    async with chatting(database) as chat:
        talks = [await chat.start("echo.bas") for _ in range(20)]
    old = "insert into workflow_messages (session_id, content) select s, 'old' from unnest($1::uuid[]) s"
    await fetch(database, old, [session for session, _ in talks])
    async with chatting(database, **flags) as chat:
        fresh = [talks[0][0], talks[1][0]]
        heard = "select count(*) n from workflow_turns where came_in ->> 'content' = 'old'"
        for n in range(200):
            for session in fresh:
                await chat.clients.send(session, f"fresh {n}")
            if (await fetch(database, heard))[0]["n"] == 20:
                break
        else:
            raise AssertionError("the old messages were not heard while fresh ones came")


async def test_f30_a_message_that_breaks_us_parks_its_conversation_alone(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake of ours that one message brings out: parked and visible, the message kept, the others unharmed."""

    def broken(plan: Any, state: Any, *rest: Any) -> Any:
        match rest:
            case [*_, MessageReceived(content="poison")]:
                raise ZeroDivisionError("a mistake of ours")
        return advance(plan, state, *rest)

    monkeypatch.setattr("daemon.turns.advance", broken)
    async with chatting(database) as chat:
        session, execution = await chat.start("echo.bas")
        other, _ = await chat.start("echo.bas")
        assert await chat.say(session, "poison", "after it") == []
        assert await chat.say(other, "fine") == ["you said fine"]
        shown = await chat.show(execution)
        assert (shown.listed.status, shown.messages_pending) == ("paused", 2)
        assert shown.listed.problem == "ZeroDivisionError: a mistake of ours"
        assert not chat.daemon.supervisor.held
        monkeypatch.undo()  # the mistake is mended
        assert (await chat.operators.resume(execution)).changed
        await chat.idle()
        assert await chat.said(session) == ["you said poison", "you said after it"]


async def test_f41_a_timer_a_century_away_costs_nothing(database: str) -> None:
    script = '#workflow\nHEAR x DEFAULT "never" TIMEOUT 3153600000\nTALK x\n'
    async with chatting(database, {"c.bas": script}) as chat:
        session, execution = await chat.start("c.bas")
        wake_at = (await chat.show(execution)).listed.wake_at
        assert wake_at is not None and wake_at.year > 2100
        assert await chat.say(session, "now") == ["now"]


async def test_f58_nothing_is_left_in_memory(database: str) -> None:
    async with chatting(database, limits__idle_seconds_max=0.05) as chat:
        for _ in range(20):
            session, _ = await chat.start("ticket.bas")
            await chat.say(session, "x")
            await chat.start("ticket.bas", session)
        supervisor = chat.daemon.supervisor
        await until(lambda: not supervisor.present)
        assert not supervisor.held and not supervisor.held_due
        assert chat.daemon.committer.idle
