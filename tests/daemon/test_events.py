"""Events between conversations and other programs: published, waited for, kept, raced for."""

from __future__ import annotations

from uuid import UUID, uuid4

from tests.daemon.conversing import Chat, chatting, fetch

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
BOT = UUID(int=0)


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


async def test_f27_an_event_told_to_a_wait_that_ended_first_comes_back(database: str) -> None:
    async with chatting(database, SCRIPTS) as chat:
        session, execution = await chat.start("waiter.bas")
        # As though it had been handed out in the moment in which the time-out was committed.
        number = (await fetch(database, "select number from workflow_event_waits"))[0][0]
        await chat.later(600)
        await fetch(database, "select workflow_pause($1)", execution)
        event = uuid4()
        other, _ = await chat.start("either.bas")
        await fetch(
            database,
            "insert into workflow_events (id, event_name, event_data_json) values ($1, 'paid', '{\"amount\": 4}')",
            event,
        )
        await chat.idle()
        assert (await chat.said(session))[-1] == "too late"
        assert number > 0
        assert await chat.said(other) == ["Pay?", "nothing paid", "And?"]


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
