"""Several daemons, one database: leases, fencing, and what a stopping or a late daemon leaves behind."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import asyncpg

from daemon.app import run_daemon
from daemon.partitions import PARTITIONS
from daemon.rows import PendingMessage
from tests.daemon.conversing import Chat, chatting, execute, fetch, settings_of, until
from tests.daemon.faulty_wire import wire_to
from tests.daemon.test_committer import CREATE, TICKETS, TOOLS, tickets


async def test_a_second_daemon_waits_and_takes_over_at_once(database: str) -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(chatting(database))
        session, _ = await first.start("echo.bas")
        async with run_daemon(settings_of(), dsn=database) as second:
            await until(lambda: any("another daemon" in r for r in second.readiness.reasons))
            assert not second.partitions.owned
            await stack.aclose()  # the first stops and gives everything back
            await until(lambda: len(second.partitions.owned) == PARTITIONS)
            chat = Chat(second, database, second.connections.looking)
            assert await chat.say(session, "who?") == ["you said who?"]


async def test_f12_f13_a_late_daemon_writes_nothing(database: str) -> None:
    """Its turn is in the middle of a tool when its lease ends; another daemon answers first."""
    gated = (
        "create or replace function create_ticket(description text) returns bigint language sql as "
        "'insert into tickets (description) values ($1); "
        "select pg_advisory_xact_lock(7); select max(id) from tickets'"
    )
    await execute(database, CREATE, gated)
    gate = await asyncpg.connect(database)
    await gate.execute("select pg_advisory_lock(7)")
    async with chatting(database, TICKETS, **TOOLS) as late:
        session, execution = await late.start("t.bas")
        await late.clients.send(session, "once")
        await until(lambda: late.daemon.supervisor.busy)
        await late.daemon._cancel("partitions")  # as if the machine slept: no renewal any more
        await execute(database, "update workflow_partitions set lease_until = now() - interval '1 second'")
        await execute(database, CREATE.replace("create table tickets", "create table if not exists tickets")
                      .replace("create function", "create or replace function"))  # fmt: skip
        async with run_daemon(settings_of(**TOOLS), dsn=database) as second:
            chat = Chat(second, database, second.connections.looking)
            await until(lambda: bool(second.partitions.owned))
            await chat.idle()
            await gate.execute("select pg_advisory_unlock(7)")
            await until(lambda: not late.daemon.supervisor.present)
            assert len(await tickets(database)) == 1
            assert len(await chat.said(session)) == 1
            turns = await fetch(
                database, "select turn, epoch from workflow_turns where execution_id = $1 order by turn", execution
            )
            assert [row["turn"] for row in turns] == [1, 2] and turns[0]["epoch"] < turns[1]["epoch"]
    await gate.close()


async def test_f13_turns_handed_over_after_the_lease_are_not_written(database: str) -> None:
    async with chatting(database) as late:
        session, execution = await late.start("echo.bas")
        await late.daemon._cancel("partitions")
        async with chatting(database, daemon__lease_seconds=30.0) as other:
            assert not other.daemon.partitions.owned
            await execute(database, "update workflow_partitions set owner = 'somebody else', epoch = epoch + 1")
            before = await late.show(execution)
            messages = await late.daemon.store.fetch_messages([], 10)
            assert messages == []
            await late.clients.send(session, "nobody may answer")
            actor = late.daemon.supervisor._actors[execution]
            pending = await fetch(database, "select m.*, now() as now from workflow_messages m")
            row = pending[0]
            actor.mailbox.put(
                PendingMessage(row["id"], session, execution, row["content"], None, None, row["created_at"], row["now"])
            )
            actor.poke()
            await until(lambda: not late.daemon.supervisor.present)
            assert (await late.show(execution)).revision == before.revision
            assert await late.said(session) == []


async def test_f19_a_renewal_whose_answer_is_lost_is_repeated(database: str) -> None:
    async with wire_to(database) as wire, chatting(database, through=wire.dsn) as chat:
        session, _ = await chat.start("echo.bas")
        before = chat.daemon.partitions._until
        wire.cut()
        chat.daemon.partitions._poke.ring()
        await until(lambda: chat.daemon.partitions._until > before)
        assert len(chat.daemon.partitions.owned) == PARTITIONS
        assert await chat.say(session, "on") == ["you said on"]


async def test_a_daemon_whose_lease_cannot_be_renewed_fences_itself_and_comes_back(database: str) -> None:
    flags: dict[str, Any] = {
        "daemon__lease_seconds": 1.5,
        "daemon__heartbeat_seconds": 0.3,
        "database__statement_seconds_max": 1.0,
    }
    async with wire_to(database) as wire, chatting(database, through=wire.dsn, **flags) as chat:
        session, _ = await chat.start("echo.bas")
        wire.hole = True
        await until(lambda: not chat.daemon.partitions.may_write())
        await until(lambda: chat.daemon.partitions.reason is not None)
        wire.hole = False
        wire.cut()
        await until(lambda: chat.daemon.partitions.may_write())
        assert await chat.say(session, "back") == ["you said back"]


async def test_f38_f9_a_stop_is_bounded_and_gives_everything_back(database: str) -> None:
    stuck = (
        "create or replace function create_ticket(description text) returns bigint language sql as "
        "'select pg_advisory_xact_lock(7); select 1::bigint'"
    )
    await execute(database, CREATE, stuck)
    gate = await asyncpg.connect(database)
    await gate.execute("select pg_advisory_lock(7)")
    loop = asyncio.get_running_loop()
    async with chatting(database, TICKETS, daemon__stop_seconds_max=0.5, **TOOLS) as chat:
        session, execution = await chat.start("t.bas")
        await chat.clients.send(session, "stuck")
        await until(lambda: chat.daemon.supervisor.busy)
        began = loop.time()
        await chat.daemon.stop()
        assert loop.time() - began < 5
        owned = await fetch(database, "select from workflow_partitions where owner is not null")
        assert not owned
        assert (await chat.show(execution)).messages_pending == 1
    await gate.execute("select pg_advisory_unlock(7)")
    await gate.close()


async def test_f57_many_daemons_start_at_once_and_share_without_quarrel(database: str) -> None:
    async with AsyncExitStack() as stack:
        flags: dict[str, Any] = {"database__pool_max": 1, "daemon__stop_seconds_max": 1.0}
        daemons = [await stack.enter_async_context(run_daemon(settings_of(**flags), dsn=database)) for _ in range(6)]
        await until(lambda: sum(len(d.partitions.owned) for d in daemons) == PARTITIONS)
        shares = [d.partitions.owned for d in daemons]
        assert len(frozenset().union(*shares)) == PARTITIONS
        chat = Chat(daemons[0], database, daemons[0].connections.looking)
        await daemons[0].deploy({"hi.bas": '#workflow\nTALK "hi"\n'})
        session = uuid4()
        await chat.clients.start("hi.bas", session_id=session)
        assert await chat.until_said(session) == ["hi"]
