"""Several daemons, one database: leases, fencing, and what a stopping or a late daemon leaves behind."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from daemon.app import Daemon, run_daemon
from daemon.partitions import PARTITIONS, partition_of
from daemon.rows import PendingMessage
from daemon.store import Store
from tests.conftest import run
from tests.daemon.conversing import Chat, chatting, execute, fetch, settings_of, until
from tests.daemon.faulty_wire import wire_to
from tests.daemon.test_committer import CREATE, TICKETS, TOOLS, tickets

ROOT = Path(__file__).parents[2]
CREATE_GATED = (
    "create or replace function create_ticket(description text) returns bigint language sql as "
    "'{insert} select pg_advisory_xact_lock(7); select coalesce(max(id), 1) from tickets'"
)


async def test_a_second_daemon_takes_its_half_and_then_all(database: str) -> None:
    """Conversations whose partition moves go on from their rows, those of the others are not disturbed."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(chatting(database))
        started = [await first.start("echo.bas") for _ in range(12)]
        sessions = [session for session, _ in started]
        before = dict(first.daemon.supervisor._actors)
        async with run_daemon(settings_of(), dsn=database) as second:
            await until(lambda: shares(first.daemon, second) == [PARTITIONS // 2] * 2)
            await until(lambda: bool(second.readiness))
            stayed = first.daemon.supervisor._actors
            assert {id for id, actor in before.items() if stayed.get(id) is actor} == {
                id for session, id in started if partition_of(session) in first.daemon.partitions.owned
            }
            for number, session in enumerate(sessions):
                await first.clients.send(session, str(number))
            for number, session in enumerate(sessions):
                assert await first.until_said(session) == [f"you said {number}"]
            assert set(first.daemon.supervisor.partitions) <= first.daemon.partitions.owned
            assert 0 < second.supervisor.present_count < 12
            await until(lambda: first.daemon.listener.dozing and second.listener.dozing)  # no bed is shared
            await stack.aclose()  # the first stops and gives everything back
            await until(lambda: len(second.partitions.owned) == PARTITIONS)
            chat = Chat(second, database, second.connections.looking)
            for session in sessions:
                assert await chat.say(session, "who?") == ["you said who?"]


def shares(*daemons: Daemon) -> list[int]:
    return [len(daemon.partitions.owned) for daemon in daemons]


async def test_f12_f13_a_late_daemon_writes_nothing(database: str) -> None:
    """Its turn is in the middle of a tool when its lease ends; another daemon answers first."""
    gated = CREATE_GATED.format(insert="insert into tickets (description) values ($1);")
    await execute(database, CREATE, gated)
    gate = await asyncpg.connect(database)
    await gate.execute("select pg_advisory_lock(7)")
    async with chatting(database, TICKETS, **TOOLS) as late:
        session, execution = await late.start("t.bas")
        await late.clients.send(session, "once")
        await blocked(database)
        await late.daemon._cancel("partitions")  # as if the machine slept: no renewal any more
        await execute(database, "update workflow_daemons set lease_until = now() - interval '1 second'")
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


async def test_f12_a_partition_that_comes_back_is_heard_in_order(database: str) -> None:
    """Lost and claimed again while a turn was under way: what that turn heard is not overtaken by what came next."""
    gated = CREATE_GATED.format(insert="insert into tickets (description) values ($1);")
    await execute(database, CREATE, gated)
    gate = await asyncpg.connect(database)
    await gate.execute("select pg_advisory_lock(7)")
    script = {"t.bas": '#workflow\nDO\n  HEAR x\n  n = CREATE(x)\n  TALK "${x}"\nLOOP\n'}
    async with chatting(database, script, **TOOLS) as chat:
        session, _ = await chat.start("t.bas")
        for number, text in enumerate(("first", "second", "third"), 1):
            await chat.clients.send(session, text)
            if number == 1:
                await blocked(database)
        before = chat.daemon.metrics.actors_started._value.get()
        await execute(database, "update workflow_partitions set epoch = epoch + 1")
        chat.daemon.partitions.look()
        await until(lambda: chat.daemon.metrics.actors_started._value.get() > before)
        await blocked(database, 2)
        await gate.execute("select pg_advisory_unlock(7)")
        await chat.idle()
        assert await chat.said(session) == ["first", "second", "third"]
        assert [row[0] for row in await fetch(database, "select description from tickets order by id")] == [
            "first",
            "second",
            "third",
        ]
    await gate.close()


async def blocked(database: str, count: int = 1) -> None:
    """Return once so many turns wait at the gate."""
    waiting = "select from pg_locks where locktype = 'advisory' and not granted"
    while len(await fetch(database, waiting)) < count:
        await asyncio.sleep(0.005)


async def test_f13_turns_handed_over_after_the_lease_are_not_written(database: str) -> None:
    async with chatting(database) as late:
        session, execution = await late.start("echo.bas")
        await late.daemon._cancel("partitions")
        async with chatting(database, daemon__lease_seconds=30.0) as other:
            await other.daemon._cancel("partitions")
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
    await execute(database, CREATE, CREATE_GATED.format(insert=""))
    gate = await asyncpg.connect(database)
    await gate.execute("select pg_advisory_lock(7)")
    loop = asyncio.get_running_loop()
    async with chatting(database, TICKETS, daemon__stop_seconds_max=0.5, **TOOLS) as chat:
        session, execution = await chat.start("t.bas")
        await chat.clients.send(session, "stuck")
        await until(lambda: len(chat.daemon.supervisor.busy) > 0)
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


async def test_f56_a_daemon_whose_loop_stands_still_is_fenced_before_its_lease_ends(
    database: str, state_home: Path
) -> None:
    """Nothing prolongs its lease meanwhile, so another process takes over; once it moves, it knows that it is late."""
    async with chatting(database, daemon__lease_seconds=1.5, daemon__heartbeat_seconds=0.5) as chat:
        sessions = [(await chat.start("echo.bas"))[0] for _ in range(6)]
        arguments = (sys.executable, "-m", "tests.daemon.lonely_daemon", database)
        other = await asyncio.create_subprocess_exec(*arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
        try:
            await until(lambda: len(chat.daemon.partitions.owned) == PARTITIONS // 2)
            held = chat.daemon.partitions.owned
            assert chat.daemon.partitions.may_write()
            run(answered_by_another(database, sessions))  # in another thread: this loop stands still
            assert not chat.daemon.partitions.may_write(), "it knows without asking"
            chat.daemon.fetcher._supervisor.wake(None)
            await until(lambda: chat.daemon.partitions.may_write())
            epochs = await fetch(database, "select min(epoch) from workflow_partitions where number = any ($1)", held)
            assert epochs[0][0] >= 2, "what it held was another's"
            await until(lambda: len(chat.daemon.partitions.owned) == PARTITIONS // 2)
            for session in sessions:
                await chat.clients.send(session, "again")
                assert await chat.until_said(session) == ["you said again"]
        finally:
            other.kill()
            await other.communicate()


async def answered_by_another(database: str, sessions: list[UUID]) -> None:
    """Return once all sessions have been answered."""
    connection = await asyncpg.connect(database)
    for session in sessions:
        await connection.execute("insert into workflow_messages (session_id, content) values ($1, 'now')", session)
    for session in sessions:
        while not (row := await connection.fetchrow("select content from workflow_take_replies($1, 9)", session)):
            await asyncio.sleep(0.01)
        assert row["content"] == "you said now"
    await connection.close()


async def test_f14_a_database_that_goes_away_during_recovery_is_recovered_from(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a killed daemon left is looked for anew: nothing is remembered as being recovered."""
    direct = "TALK 1\nHEAR x\nTALK x\n"
    async with chatting(database, {"d.bas": direct}, scripts__default_mode="direct") as chat:
        _, execution = await chat.start("d.bas")
        await chat.daemon._cancel("partitions")  # it is killed: what follows does not go through its own stop
        await execute(database, "create table kept as select * from workflow_daemons")
    await execute(
        database,
        "insert into workflow_daemons select owner, host, pid, version, started_at, now(), false, 1 from kept",
        "update workflow_partitions set owner = (select owner from kept)",
        "update workflow_executions set status = 'waiting', ended_at = null",
    )
    async with wire_to(database) as wire:
        wire.lose_answer_to = b"Keeps true: a partition has one owner"
        cut = 0
        mark_lost = Store.mark_lost

        async def cut_off(store: Store, *given: Any) -> list[UUID]:
            nonlocal cut
            cut += 1
            if cut <= 2:
                wire.cut()
                raise ConnectionError
            return await mark_lost(store, *given)

        monkeypatch.setattr(Store, "mark_lost", cut_off)
        async with chatting(database, through=wire.dsn) as chat:
            await until(lambda: len(chat.daemon.partitions.owned) == PARTITIONS)
            assert cut >= 3 and wire.lost == 1
            assert await chat.status(execution) == "lost"
