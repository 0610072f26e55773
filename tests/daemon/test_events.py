"""Events between conversations and other programs: published, waited for, kept, raced for."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from tests.daemon.conversing import Chat, chatting, execute, fetch

WAITER = """
#workflow
TALK "waiting"
x = WAIT FOR EVENT "paid" TIMEOUT 10 MINUTES
IF event IS NULL THEN
  TALK "too late"
ELSE
  TALK "got ${x.amount}"
END IF
"""
PUBLISHER = """
#workflow
PUBLISH EVENT "Paid" WITH {"amount": 3}
TALK "published"
"""
HANDLER = """
#workflow
n = 0
ON EVENT "tick" DO
  n = n + 1
  TALK "tick ${n}"
  IF n = 2 THEN
    HEAR why WITH "Why twice?"
    TALK "because ${why}"
  END IF
END ON
HEAR x WITH "Name?"
TALK "${x} after ${n}"
"""
STARTED = """
#workflow
ON EVENT "order placed" DO
  SET BOT MEMORY "placed", event_data.id
END ON
"""
EITHER = """
#workflow
HEAR x WITH "Pay?" OR EVENT "paid" OR AFTER 10 MINUTES
TALK "${x ?? "nothing"} ${event ?? "none"}"
HEAR y WITH "And?"
TALK y
"""
SCRIPTS = {
    "waiter.bas": WAITER,
    "publisher.bas": PUBLISHER,
    "handler.bas": HANDLER,
    "started.bas": STARTED,
    "either.bas": EITHER,
}


async def publish(chat: Chat, name: str, data: str = "null") -> None:
    await fetch(chat.dsn, "select workflow_publish($1, $2::jsonb)", name, data)
    await chat.idle()


async def open_events(dsn: str) -> list[str]:
    rows = await fetch(dsn, "select event_name from workflow_events where not processed order by published_at, id")
    return [row[0] for row in rows]


async def test_an_event_reaches_everybody_who_waits_and_is_used_up(database: str) -> None:
    async with chatting(database, SCRIPTS) as chat:
        one, _ = await chat.start("waiter.bas")
        two, _ = await chat.start("waiter.bas")
        three, _ = await chat.start("publisher.bas")
        await chat.idle()
        assert await chat.said(one) == await chat.said(two) == ["waiting", "got 3"]
        assert await chat.said(three) == ["published"]
        assert await open_events(database) == []
        assert await fetch(database, "select from workflow_event_waits") == []
        assert await fetch(database, "select from workflow_signals") == []


async def test_f24_an_early_event_answers_exactly_one_later_wait(database: str) -> None:
    async with chatting(database, SCRIPTS) as chat:
        await publish(chat, "paid", '{"amount": 1}')
        assert await open_events(database) == ["paid"]
        one, _ = await chat.start("waiter.bas")
        two, _ = await chat.start("waiter.bas")
        assert await chat.said(one) == ["waiting", "got 1"]
        assert await chat.said(two) == ["waiting"]
        await chat.later(600)
        assert await chat.said(two) == ["too late"]


async def test_the_bot_servers_own_insert_is_an_event(database: str) -> None:
    async with chatting(database, SCRIPTS) as chat:
        session, _ = await chat.start("waiter.bas")
        insert = "insert into workflow_events (id, event_name, event_data_json) values ($1, 'PAID', '{\"amount\": 7}')"
        await fetch(database, insert, uuid4())
        await chat.idle()
        assert await chat.said(session) == ["waiting", "got 7"]


async def test_f27_an_event_and_the_time_out_of_its_wait_take_one_branch(database: str) -> None:
    async with chatting(database, SCRIPTS) as chat:
        session, execution = await chat.start("waiter.bas")
        await chat.later(600)
        await publish(chat, "paid", '{"amount": 2}')
        assert await chat.said(session) == ["waiting", "too late"]
        assert await chat.status(execution) == "completed"
        assert await open_events(database) == ["paid"], "nobody heard it, so it is there for the next"
        other, _ = await chat.start("waiter.bas")
        assert await chat.said(other) == ["waiting", "got 2"]


async def test_f27_an_event_on_its_way_and_the_time_out_take_one_branch(database: str) -> None:
    async with chatting(database, SCRIPTS) as chat:
        session, execution = await chat.start("waiter.bas")
        await fetch(database, "select workflow_pause($1)", execution)
        await publish(chat, "paid", '{"amount": 4}')
        assert await open_events(database) == ["paid"], "it is told, and not heard yet"
        await chat.later(600)
        await fetch(database, "select workflow_resume($1)", execution)
        await chat.idle()
        said = (await chat.said(session))[-1]
        assert (said, await open_events(database)) in [("got 4", []), ("too late", ["paid"])]


async def test_no_event_is_lost_between_its_commit_and_that_of_its_wait(database: str, rng: Random) -> None:
    """The daemon sweeps once an hour here: what is missed in this race stays missed."""
    scripts = {"waiter.bas": '#workflow\nx = WAIT FOR EVENT "${name}"\nTALK x', "idle.bas": "TALK 1"}
    names = [f"e{number}" for number in range(40)]
    async with chatting(database, scripts) as chat:
        sessions = {name: uuid4() for name in names}

        async def wait_for(name: str) -> None:
            await chat.clients.start("waiter.bas", session_id=sessions[name], params={"name": name})

        work: list[tuple[Any, str]] = [(wait_for, name) for name in names] + [
            (chat.clients.publish, name) for name in names
        ]
        rng.shuffle(work)
        await asyncio.gather(*(act(name) if act is wait_for else act(name, name) for act, name in work))
        await chat.idle()
        for name, session in sessions.items():
            assert await chat.said(session) == [name]
        assert await open_events(database) == []


async def test_an_event_told_to_one_who_is_cancelled_is_there_for_another(database: str) -> None:
    async with chatting(database, SCRIPTS) as chat:
        _, execution = await chat.start("waiter.bas")
        await fetch(database, "select workflow_pause($1)", execution)
        await publish(chat, "paid", '{"amount": 4}')
        await fetch(database, "select workflow_cancel($1)", execution)
        other, _ = await chat.start("waiter.bas")
        assert await chat.said(other) == ["waiting", "got 4"]
        assert await open_events(database) == []


async def test_an_event_is_heard_once_across_a_restart(database: str) -> None:
    async with chatting(database, SCRIPTS) as chat:
        session, _ = await chat.start("waiter.bas")
    await fetch(database, "select workflow_publish('paid', '{\"amount\": 5}')")
    async with chatting(database, SCRIPTS) as chat:
        await chat.idle()
        assert await chat.said(session) == ["waiting", "got 5"]
        assert await open_events(database) == []


async def test_another_bots_event_is_not_heard(database: str) -> None:
    async with chatting(database, SCRIPTS) as chat:
        mine, other = uuid4(), uuid4()
        session = uuid4()
        await chat.clients.start("waiter.bas", session_id=session, bot_id=mine)
        await chat.idle()
        await chat.clients.publish("paid", {"amount": 1}, other)
        await chat.idle()
        assert await chat.said(session) == ["waiting"]
        await chat.clients.publish("paid", {"amount": 2}, mine)
        await chat.idle()
        assert await chat.said(session) == ["got 2"]


async def test_what_comes_from_outside_starts_the_scripts_that_say_so(database: str) -> None:
    scripts = {
        "hook.bas": '#workflow\nWEBHOOK "Orders"\nTRIGGER "audit" WITH {"of": number}\nTALK "order ${number}"',
        "audit.bas": '#workflow\nTRIGGER "audit"\nSET BOT MEMORY "audited", of',
        "form.bas": "#workflow\nON FORM SUBMIT\nTALK trigger",
    }
    async with chatting(database, scripts) as chat:
        session = uuid4()
        call = "select * from workflow_trigger($1, $2::jsonb, session_id => $3, start_key => $4)"
        started = await fetch(database, call, "orders", '{"number": 12}', session, "delivery 1")
        again = await fetch(database, call, "ORDERS", '{"number": 12}', session, "delivery 1")
        assert started == again and len(started) == 2, "the form that takes any name is one of them"
        await chat.idle()
        assert sorted(await chat.said(session)) == ["order 12", "orders"]
        assert (await fetch(database, "select value from workflow_bot_memories"))[0][0] == "12"
        with pytest.raises(asyncpg.PostgresError, match="name of 1 to 200 characters"):
            await fetch(database, call, " ", "{}", session, None)
        await chat.daemon.deploy({"hook.bas": "TALK 1", "audit.bas": "TALK 2", "form.bas": "TALK 3"})
        with pytest.raises(asyncpg.PostgresError, match="No script is started by 'orders'"):
            await fetch(database, call, "orders", "{}", session, None)


async def test_bots_give_each_other_what_they_keep(database: str) -> None:
    shop, desk = uuid4(), uuid4()
    scripts = {
        "share.bas": '#workflow\nSET BOT MEMORY "motto", "never"\nBOT SHARE MEMORY "motto" WITH "Desk"\nTALK "done"',
        "sync.bas": '#workflow\nBOT SYNC MEMORY FROM "shop"\nTALK GET_BOT_MEMORY("motto")',
    }
    async with chatting(database, scripts) as chat:
        await execute(
            database,
            "create table bots (id uuid primary key, name text)",
            f"insert into bots values ('{shop}', 'Shop'), ('{desk}', 'Desk')",
        )
        for script, bot, said in (("share.bas", shop, "done"), ("sync.bas", desk, "never")):
            session = uuid4()
            await chat.clients.start(script, session_id=session, bot_id=bot)
            await chat.idle()
            assert await chat.said(session) == [said]
        rows = await fetch(database, "select bot_id from workflow_bot_memories where key = 'motto'")
        assert {row[0] for row in rows} == {shop, desk}


async def test_a_handler_runs_while_the_script_waits_and_may_ask_itself(database: str) -> None:
    async with chatting(database, SCRIPTS) as chat:
        session, execution = await chat.start("handler.bas")
        await publish(chat, "tick")
        await publish(chat, "TICK")
        assert await chat.said(session) == ["Name?", "tick 1", "tick 2", "Why twice?"]
        await publish(chat, "tick")
        assert await chat.said(session) == [], "no handler runs while one runs"
        assert await chat.say(session, "so") == ["because so", "tick 3"]
        assert await chat.say(session, "Ada") == ["Ada after 3"]
        assert await chat.status(execution) == "completed"
        assert await fetch(database, "select from workflow_event_waits") == []


async def test_an_event_starts_the_script_that_is_nothing_but_its_handler(database: str) -> None:
    async with chatting(database, SCRIPTS) as chat:
        await publish(chat, "Order placed", '{"id": 9}')
        rows = await fetch(database, "select status, script_path from workflow_executions")
        assert [tuple(row) for row in rows] == [("completed", "started.bas")]
        assert await open_events(database) == []
        assert (await fetch(database, "select value from workflow_bot_memories"))[0][0] == "9"


async def test_f27_of_answer_event_and_time_the_first_wins_and_the_others_are_given_up(database: str) -> None:
    async with chatting(database, SCRIPTS) as chat:
        by_text, _ = await chat.start("either.bas")
        assert await chat.say(by_text, "cash") == ["Pay?", "cash none", "And?"]
        by_event, _ = await chat.start("either.bas")
        await publish(chat, "paid")
        assert await chat.said(by_event) == ["Pay?", "nothing paid", "And?"]
        by_time, execution = await chat.start("either.bas")
        await chat.later(600)
        assert await chat.said(by_time) == ["Pay?", "nothing none", "And?"]
        await publish(chat, "paid")
        assert await open_events(database) == ["paid"]
        assert (await chat.show(execution)).listed.wait_kind == "message"
        assert await chat.say(by_time, "ok") == ["ok"]
