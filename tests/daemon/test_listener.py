"""The listener when notifications do not come: lost, half dead, deaf, behind a pooler."""

from __future__ import annotations

import asyncio
import struct
from typing import Any
from uuid import uuid4

import asyncpg

from daemon.bell import Bell
from tests.daemon.conversing import Chat, chatting, fetch, settings_of, until
from tests.daemon.faulty_wire import wire_to


async def dozing(chat: Chat) -> None:
    """Wait until the daemon sleeps and every insert notifies."""
    daemon = chat.daemon
    await until(lambda: daemon.listener.dozing and daemon.supervisor.messages_bell.awaited)


async def test_f4_notifications_come_over_a_connection_of_their_own(database: str) -> None:
    async with chatting(database) as chat:
        session, _ = await chat.start("echo.bas")
        await chat.said(session)
        await dozing(chat)
        await chat.clients.send(session, "hello")  # nothing looks but by the notification: sweeps are an hour apart
        assert await chat.until_said(session) == ["you said hello"]
        await dozing(chat)
        await chat.clients.start("ticket.bas", session_id=(fresh := uuid4()))
        assert await chat.until_said(fresh) == ["Describe the issue"]


async def test_f1_what_was_notified_while_nobody_listened_is_found(database: str) -> None:
    async with wire_to(database) as wire, chatting(database, through=wire.dsn) as chat:
        session, _ = await chat.start("echo.bas")
        await dozing(chat)
        wire.refuse = True
        wire.cut()
        await chat.clients.send(session, "anyone?")
        wire.refuse = False
        assert await chat.until_said(session) == ["you said anyone?"]


async def test_f3_a_half_dead_connection_is_found_by_its_heartbeat(database: str) -> None:
    flags: dict[str, Any] = {"daemon__heartbeat_seconds": 0.3, "database__statement_seconds_max": 1.0}
    async with wire_to(database) as wire, chatting(database, through=wire.dsn, **flags) as chat:
        session, _ = await chat.start("echo.bas")
        await dozing(chat)
        wire.hole = True
        await chat.clients.send(session, "into the hole")
        await until(lambda: not chat.daemon.listener.listening, 5)
        wire.hole = False
        assert await chat.until_said(session) == ["you said into the hole"]
        await until(lambda: chat.daemon.listener.listening)


def test_f3_the_default_heartbeat_finds_it_within_15_seconds() -> None:
    assert 2 * settings_of().daemon.heartbeat_seconds <= 15


async def test_f5_f11_behind_a_pooler_it_polls_and_says_so(database: str) -> None:
    """A pooler answers with a backend key of its own: what a transaction pooler cannot hide."""

    def other_key(answer: bytes) -> bytes:
        place = answer.find(b"K\x00\x00\x00\x0c")
        if place < 0:
            return answer
        (pid,) = struct.unpack_from("!i", answer, place + 5)
        return answer[: place + 5] + struct.pack("!i", pid + 1) + answer[place + 9 :]

    async with wire_to(database) as wire:
        wire.change = other_key
        async with chatting(database, through=wire.dsn) as chat:
            session, _ = await chat.start("echo.bas")
            await until(lambda: chat.daemon.listener.deaf)
            for word in ("one", "two"):
                await chat.clients.send(session, word)
                assert await chat.until_said(session) == [f"you said {word}"]
            assert not chat.daemon.listener.dozing


async def test_f7_an_exception_in_the_callback_loses_nothing(database: str) -> None:
    async with chatting(database) as chat:
        session, _ = await chat.start("echo.bas")
        await dozing(chat)
        channel = await chat.daemon.store.channel("wake")
        errors = chat.daemon.metrics.errors.labels(kind="internal")
        before = errors._value.get()
        await fetch(database, "select pg_notify($1, 'not a number')", channel)
        await until(lambda: errors._value.get() > before)
        assert await chat.say(session, "still here") == ["you said still here"]


async def test_f2_no_message_is_lost_between_looking_and_sleeping(database: str) -> None:
    """Inserts race the daemon into its sleep; sweeps are an hour apart, so one lost message would hang."""
    async with chatting(database) as chat:
        session, _ = await chat.start("echo.bas")
        connection = await asyncpg.connect(database)
        statement = "insert into workflow_messages (session_id, content) values ($1, $2)"
        for n in range(150):
            await connection.execute(statement, session, str(n))
            assert await chat.until_said(session) == [f"you said {n}"]
        await connection.close()


async def test_f2_f21_whoever_begins_to_hear_has_the_messages_looked_for(database: str) -> None:
    """Nothing notifies when a commit of our own makes a script hear what is there already."""
    script = '#workflow\nHEAR a\nTALK "a ${a}"\nWAIT 0.05\nHEAR b\nTALK "b ${b}"\n'
    async with chatting(database, {"s.bas": script}) as chat:
        session = uuid4()
        early = "insert into workflow_messages (session_id, content) select $1, n::text from generate_series(1, 3) n"
        await fetch(database, early, session)
        await dozing(chat)
        lower = await chat.clients.start("s.bas", session_id=session)
        said: list[str] = []
        while len(said) < 2:
            said += await chat.until_said(session)
        assert said == ["a 1", "b 2"]
        await until(lambda: lower not in chat.daemon.supervisor.present)


async def test_f2_an_open_transaction_only_makes_the_daemon_poll(database: str) -> None:
    """Inserted while the daemon was awake, committed long after: no notification was sent for it."""
    async with chatting(database) as chat:
        session, _ = await chat.start("echo.bas")
        await chat.daemon.listener.wake_up()
        slow = await asyncpg.connect(database)
        transaction = slow.transaction()
        await transaction.start()
        await slow.execute("insert into workflow_messages (session_id, content) values ($1, 'slow')", session)
        chat.daemon.look()
        for _ in range(50):
            await asyncio.sleep(0.002)
            assert not chat.daemon.listener.dozing
        await transaction.commit()
        await slow.close()
        assert await chat.until_said(session) == ["you said slow"]
        await dozing(chat)


async def test_a_connection_is_used_by_one_at_a_time_and_blamed_for_its_own_mistakes_only(database: str) -> None:
    """Else each new connection is lost to whoever wants to doze on it while it begins to listen, and so on for ever."""
    async with chatting(database) as chat:
        listener: Any = chat.daemon.listener
        await dozing(chat)
        check, may_listen = listener._check, asyncio.Event()

        async def check_late(*arguments: Any) -> None:
            await may_listen.wait()
            await check(*arguments)

        listener._check = check_late
        lost = listener._connection
        assert lost is not None
        lost.terminate()
        others = "select from pg_stat_activity where datname = current_database() and query ilike 'listen %'"
        while not await fetch(database, others):
            pass
        assert not listener.listening and not await listener.doze(chat.daemon.partitions.owned)
        may_listen.set()
        await until(lambda: listener.listening)
        listener._terminate(lost, TimeoutError())  # whoever waited for an answer on it hears of its end only now
        assert not listener._ended.rung
        await chat.idle()
        await dozing(chat)


async def test_a_bell_is_never_missed() -> None:
    bell = Bell()
    bell.ring()
    assert await bell.wait(0.0)
    assert not await bell.wait(0.001)
    waiting = asyncio.create_task(bell.wait())
    await asyncio.sleep(0)
    bell.ring()
    assert await waiting


async def test_f2_a_start_that_is_told_together_with_a_message_is_not_overlooked(database: str) -> None:
    async with chatting(database) as chat:
        talking, _ = await chat.start("echo.bas")
        starting = uuid4()
        both = (
            "with said as (insert into workflow_messages (session_id, content) values ($1, 'hello') returning id)"
            " select workflow_start('ticket.bas', session_id => $2) from said"
        )
        await fetch(database, both, talking, starting)
        assert await chat.until_said(starting) == ["Describe the issue"]
        assert await chat.until_said(talking) == ["you said hello"]
