"""No room for more conversations in memory: what is passed over is taken as soon as there is room, never by a sweep."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import asyncpg

from tests.daemon.conversing import CLOCK, Chat, chatting, execute, fetch, until

SAY = "insert into workflow_messages (session_id, content) select s, 'hello' from unnest($1::uuid[]) s"
GATE = """
create function pass_gate() returns bigint language sql as 'select pg_advisory_xact_lock(7); select 1::bigint'
"""


def sweep_while_loading(chat: Chat) -> None:
    """Have the daemon look for everything, once, while it brings conversations into memory: as it does after a
    reconnect, a change of leases, or when a conversation has left."""
    loading: Any = chat.daemon.supervisor._loading
    load = loading.load

    async def load_late(*arguments: Any) -> Any:
        loading.load = load
        loaded = await load(*arguments)
        chat.daemon.look()
        return loaded

    loading.load = load_late


async def heard(chat: Chat, sessions: list[UUID]) -> None:
    """Wait until each of the sessions was answered; nothing here makes the daemon look."""
    for session in sessions:
        assert await chat.until_said(session, 5) == ["you said hello"]


async def test_a_sweep_while_others_are_loaded_does_not_forget_who_found_no_room(database: str) -> None:
    async with chatting(database, limits__actors_max=2) as chat:
        sessions = [(await chat.start("echo.bas"))[0] for _ in range(5)][:3]
        sweep_while_loading(chat)
        await fetch(database, SAY, sessions)
        await heard(chat, sessions)


async def test_idle_waits_for_who_found_no_room(database: str) -> None:
    async with chatting(database, limits__actors_max=2) as chat:
        sessions = [(await chat.start("echo.bas"))[0] for _ in range(5)][:3]
        sweep_while_loading(chat)
        await fetch(database, SAY, sessions)
        await chat.idle()
        assert [await chat.said(session) for session in sessions] == 3 * [["you said hello"]]


async def test_a_message_for_who_had_to_make_room_meanwhile_is_fetched_again(database: str) -> None:
    async with chatting(database, limits__actors_max=2) as chat:
        talks = [await chat.start("echo.bas") for _ in range(3)]
        supervisor = chat.daemon.supervisor
        absent, gone = talks[0], talks[2]
        supervisor._leave(supervisor._actors[gone[1]])
        await supervisor._starting.acquire()  # as though somebody else was being started …
        await fetch(database, SAY, [absent[0], gone[0]])
        await until(lambda: supervisor._starting.statistics().tasks_waiting == 1)
        await supervisor._start([gone[1]])  # … who is a stranger to the look, and idle, …
        supervisor._actors.move_to_end(gone[1], last=False)  # … and the first to make room
        supervisor._starting.release()
        await heard(chat, [absent[0], gone[0]])


async def test_what_is_due_and_what_is_told_find_room_when_others_have_ended_their_turns(database: str) -> None:
    """Nobody leaves by itself: those who fill the memory only go idle."""
    await execute(database, GATE)
    gate = await asyncpg.connect(database)
    scripts = {
        "slow.bas": "#workflow\nHEAR x\nn = PASS()\nHEAR x\n",
        "begins.bas": '#workflow\nTALK "begun"\nHEAR x\n',
        "told.bas": '#workflow\nWAIT FOR EVENT "bell" TIMEOUT 1000\nTALK "told"\nHEAR x\n',
    }
    async with chatting(database, scripts, limits__actors_max=2, tools={"pass": "pass_gate"}) as chat:
        told, _ = await chat.start("told.bas")
        busy = [await chat.start("slow.bas") for _ in range(2)]
        await gate.execute("select pg_advisory_lock(7)")
        await fetch(database, SAY, [session for session, _ in busy])
        supervisor = chat.daemon.supervisor
        await until(lambda: len(supervisor.busy) == 2)
        begun = UUID(int=7)
        await chat.clients.start("begins.bas", session_id=begun)
        await fetch(database, "select workflow_publish('bell', '{}')")
        await until(lambda: bool(supervisor._passed_over.ids))
        await until(lambda: bool(supervisor._passed_over.due))
        await gate.execute("select pg_advisory_unlock(7)")
        assert await chat.until_said(begun, 5) == ["begun"]
        assert await chat.until_said(told, 5) == ["told"]
    await gate.close()


async def test_a_deadline_of_who_makes_room_for_another_one_is_not_put_off(database: str) -> None:
    script = '#workflow\nDO\nWAIT 60\nTALK "still here"\nLOOP\n'
    async with chatting(database, {"t.bas": script}, limits__actors_max=2) as chat:
        sessions = [(await chat.start("t.bas"))[0] for _ in range(3)]
        await execute(database, CLOCK.format(seconds=61))
        chat.daemon.look()
        for session in sessions:
            assert await chat.until_said(session, 5) == ["still here"]


async def test_whoever_is_absent_comes_before_those_who_may_make_room(database: str) -> None:
    """F15, in one look: two conversations have every place and something to hear, a third has waited."""
    async with chatting(database, limits__actors_max=2) as chat:
        absent, first, second = [await chat.start("echo.bas") for _ in range(3)]
        supervisor, store = chat.daemon.supervisor, chat.daemon.store
        assert set(supervisor.present) == {first[1], second[1]}
        await chat.daemon._cancel("fetcher")
        await fetch(database, SAY, [absent[0], first[0], second[0]])
        found = {message.execution_id: message for message in await store.fetch_messages([], 10)}
        assert await supervisor.deliver([found[e] for _, e in (first, second, absent)]) == 2
        assert set(supervisor.present) == {absent[1], second[1]}
        assert found[first[1]].id not in supervisor.held and None is supervisor.take_named()  # all are looked for again
        await until(lambda: not supervisor.busy)
        assert await chat.said(absent[0]) == ["you said hello"]


async def test_who_is_busy_gets_no_more_while_another_finds_no_room(database: str) -> None:
    """F15: else a conversation that never pauses would never be let go."""
    await execute(database, GATE)
    gate = await asyncpg.connect(database)
    slow = "#workflow\nDO\nHEAR x\nn = PASS()\nLOOP\n"
    scripts = {"slow.bas": slow, "echo.bas": "#workflow\nHEAR x\nTALK x\n"}
    async with chatting(database, scripts, limits__actors_max=2, tools={"pass": "pass_gate"}) as chat:
        absent = await chat.start("echo.bas")
        busy = [await chat.start("slow.bas") for _ in range(2)]
        supervisor, store = chat.daemon.supervisor, chat.daemon.store
        await gate.execute("select pg_advisory_lock(7)")
        await fetch(database, SAY, [session for session, _ in busy])
        await until(lambda: len(supervisor.busy) == 2)
        await chat.daemon._cancel("fetcher")
        await fetch(database, SAY, [absent[0], *(session for session, _ in busy)])
        found = await store.fetch_messages(supervisor.held, 10)
        assert len(found) == 3 and await supervisor.deliver(found) == 0
        assert supervisor.short_of_room and all(not actor.mailbox.messages for actor in supervisor.busy)
        await gate.execute("select pg_advisory_unlock(7)")
        await until(lambda: not supervisor.busy)
    await gate.close()
