"""The group commit when things go wrong: a poisoned turn, a lost answer, a cancelled actor, an own transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from daemon.backoff import Backoff
from daemon.committer import Committer
from daemon.metrics import create_metrics
from daemon.rows import LoadedExecution, Turn
from daemon.store_faults import Fault, fault_of
from tests.daemon.conversing import chatting, execute, fetch, until
from tests.daemon.faulty_wire import wire_to
from tests.sql.world import CLOCK, turn_of

POISON = """
create or replace function poison() returns trigger language plpgsql as $$
begin
    if new.content like '%poison%' then raise exception using errcode = '23514', message = 'not this one'; end if;
    return new;
end $$;
create trigger poison before insert on workflow_replies for each row execute function poison();
"""

TOOLS: dict[str, Any] = {"tools": {"create": "create_ticket"}}
SHORT: dict[str, Any] = TOOLS | {"daemon__lease_seconds": 0.9, "daemon__heartbeat_seconds": 0.3}
CREATE = """
create table tickets (id bigint generated always as identity, description text);
create function create_ticket(description text) returns bigint language sql as
    'insert into tickets (description) values ($1) returning id'
"""
TICKETS = {"t.bas": '#workflow\nHEAR d\nticket = CREATE(d)\nTALK "Ticket #{ticket}"\nHEAR d\n'}


async def test_one_poisoned_turn_harms_nobody(database: str) -> None:
    await execute(database, POISON)
    async with chatting(database) as chat:
        talks = [await chat.start("echo.bas") for _ in range(12)]
        both = (
            "insert into workflow_messages (session_id, content) "
            "select s, w from unnest($1::uuid[], $2::text[]) x (s, w)"
        )
        words = ["poison" if n == 5 else f"fine {n}" for n in range(12)]
        await fetch(database, both, [session for session, _ in talks], words)
        await chat.idle()
        for n, (session, execution) in enumerate(talks):
            if n == 5:
                shown = await chat.show(execution)
                assert (shown.listed.status, shown.messages_pending) == ("paused", 1)
                assert shown.listed.problem is not None and "not this one" in shown.listed.problem
            else:
                assert await chat.said(session) == [f"you said {words[n]}"]


async def test_turns_that_are_ready_together_are_committed_together(database: str) -> None:
    async with chatting(database) as chat:
        talks = [await chat.start("echo.bas") for _ in range(40)]
        many = "insert into workflow_messages (session_id, content) select s, 'x' from unnest($1::uuid[]) s"
        await fetch(database, many, [session for session, _ in talks])
        await chat.idle()
        sizes = chat.daemon.metrics.commit_turns
        commits = next(s.value for m in sizes.collect() for s in m.samples if s.name.endswith("_count"))
        turns = next(s.value for m in sizes.collect() for s in m.samples if s.name.endswith("_sum"))
        assert turns == 80 and commits <= 40 + 4


class StandingStill:
    """A database that commits nothing until it is told to; it notes the batches."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.goes_on = asyncio.Event()

    async def commit_turns(self, turns: Sequence[Turn]) -> set[UUID]:
        self.batches.append([turn.number for turn in turns])
        await self.goes_on.wait()
        return {turn.execution_id for turn in turns}

    async def commit_turn(self, turn: Turn) -> bool:
        return bool(await self.commit_turns([turn]))


def numbered(number: int) -> Turn:
    return turn_of(
        LoadedExecution(uuid4(), number, None, uuid4(), "t", "p1", "workflow", "waiting", "", 0, CLOCK), number=number
    )


async def test_turns_of_messages_go_before_those_of_timers() -> None:
    database = StandingStill()
    committer = Committer(database, create_metrics(), Random(1), turns_max=100)  # type: ignore[arg-type]
    told: list[int] = []
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(committer.run())
        with committer.together():
            for n in range(1, 101):
                committer.commit(numbered(n), lambda _, n=n: told.append(n), patient=True)  # type: ignore[misc]
            await asyncio.sleep(0)
            assert database.batches == [], "they wait for the rest of their slice"
        committer.commit(numbered(101), lambda _: told.append(101), patient=True)
        await asyncio.sleep(0.01)
        assert [len(batch) for batch in database.batches] == [64], "one writer is there for messages"
        assert committer.pending == 37 and not committer.idle
        committer.commit(numbered(200), lambda _: told.append(200))
        await asyncio.sleep(0.01)
        assert database.batches[1:] == [[200]]
        committer.commit(numbered(201), lambda _: told.append(201))
        database.goes_on.set()
        await until(lambda: len(told) == 103)
        assert database.batches[2] == [201] and len(database.batches) == 4 and committer.idle
        running.cancel()


async def test_turns_of_timers_are_not_passed_by_for_ever() -> None:
    database = StandingStill()
    database.goes_on.set()
    committer = Committer(database, create_metrics(), Random(1), turns_max=1)  # type: ignore[arg-type]
    told: list[int] = []

    def heard(number: int) -> None:
        """Somebody who has the next thing to say as soon as the last one was answered."""
        told.append(number)
        if number < 100:
            committer.commit(numbered(number + 2), lambda _: heard(number + 2))

    async with asyncio.TaskGroup() as tasks:
        for number in (1, 2, 3, 4):  # more than there are writers: some turn always waits
            committer.commit(numbered(number), lambda _, n=number: heard(n))  # type: ignore[misc]
        committer.commit(numbered(1000), lambda _: told.append(1000), patient=True)
        running = tasks.create_task(committer.run())
        await until(lambda: 1000 in told)
        assert told.index(1000) < 20
        await until(lambda: committer.idle)
        running.cancel()


async def test_f25_f33_a_commit_whose_answer_was_lost_is_not_repeated(database: str) -> None:
    async with wire_to(database) as wire, chatting(database, through=wire.dsn) as chat:
        session, execution = await chat.start("echo.bas")
        wire.lose_answer_to = b"you said lost answer"
        assert await chat.say(session, "lost answer") == ["you said lost answer"]
        assert wire.lost == 1
        assert await chat.say(session, "next") == ["you said next"]
        assert (await chat.show(execution)).listed.turn == 3


async def test_f25_also_for_many_turns_and_in_direct_mode(database: str) -> None:
    scripts = {"d.bas": '#direct\nDO\nHEAR x\nTALK "direct ${x}"\nLOOP\n'}
    async with wire_to(database) as wire, chatting(database, scripts, through=wire.dsn) as chat:
        talks = [await chat.start("d.bas") for _ in range(8)]
        for word in ("one", "two", "three"):
            wire.lose_answer_to = f"direct {word}".encode()
            many = "insert into workflow_messages (session_id, content) select s, $2 from unnest($1::uuid[]) s"
            await fetch(database, many, [session for session, _ in talks], word)
            await chat.idle()
        assert wire.lost == 3
        for session, execution in talks:
            assert await chat.said(session) == ["direct one", "direct two", "direct three"]
            assert await chat.status(execution) == "waiting"


async def test_f17_a_connection_cut_before_the_commit_loses_and_doubles_nothing(database: str) -> None:
    async with wire_to(database) as wire, chatting(database, through=wire.dsn) as chat:
        session, _ = await chat.start("echo.bas")
        for n in range(5):
            wire.cut()
            assert await chat.say(session, f"w{n}") == [f"you said w{n}"]


async def tickets(dsn: str) -> list[str]:
    """Return the descriptions of all tickets."""
    return [row["description"] for row in await fetch(dsn, "select description from tickets order by id")]


async def test_a_tool_runs_in_the_turns_own_transaction(database: str) -> None:
    await execute(database, CREATE)
    async with chatting(database, TICKETS, **TOOLS) as chat:
        session, _ = await chat.start("t.bas")
        assert await chat.say(session, "no paper") == ["Ticket #1"]
        assert await tickets(database) == ["no paper"]


async def test_f18_f53_a_turn_that_asks_is_repeated_whole(database: str) -> None:
    """The first two attempts end in a deadlock and a serialization failure after the ticket was inserted."""
    flaky = """
    create sequence attempts;
    create or replace function create_ticket(description text) returns bigint language plpgsql as $$
    declare made bigint; attempt bigint := nextval('attempts');
    begin
        insert into tickets (description) values ($1) returning id into made;
        if attempt = 1 then raise exception using errcode = '40P01'; end if;
        if attempt = 2 then raise exception using errcode = '40001'; end if;
        if attempt = 3 then raise exception using errcode = '57014'; end if;
        return attempt;
    end $$
    """
    await execute(database, CREATE, flaky)
    async with chatting(database, TICKETS, **TOOLS) as chat:
        session, execution = await chat.start("t.bas")
        assert await chat.say(session, "once") == ["Ticket #4"]
        assert await tickets(database) == ["once"]
        assert (await chat.show(execution)).listed.turn == 2


async def test_a_tool_that_refuses_is_a_script_error_and_undoes_only_itself(database: str) -> None:
    script = '#workflow\nHEAR d\nTRY\nt = CREATE(d)\nCATCH e\nTALK "refused"\nEND TRY\nSET BOT MEMORY "k", d\nHEAR d\n'
    refuse = "create or replace function create_ticket(description text) returns bigint language sql as 'select 1/0'"
    await execute(database, CREATE, refuse)
    async with chatting(database, {"t.bas": script}, **TOOLS) as chat:
        session, _ = await chat.start("t.bas")
        assert await chat.say(session, "x") == ["refused"]
        assert len(await fetch(database, "select from workflow_bot_memories where key = 'k'")) == 1


async def test_f25_a_lost_answer_in_a_turn_that_asks(database: str) -> None:
    await execute(database, CREATE)
    async with wire_to(database) as wire, chatting(database, TICKETS, through=wire.dsn, **TOOLS) as chat:
        session, _ = await chat.start("t.bas")
        wire.lose_answer_to = b"Ticket #"  # the commit_turn inside the transaction: cut before COMMIT
        assert await chat.say(session, "cut") != []
        assert await tickets(database) == ["cut"]


async def test_f25_a_lost_answer_to_the_commit_itself_also_in_direct_mode(database: str) -> None:
    await execute(database, CREATE)
    scripts = {"d.bas": TICKETS["t.bas"].replace("#workflow", "#direct")}
    async with wire_to(database) as wire, chatting(database, scripts, through=wire.dsn, **TOOLS) as chat:
        session, execution = await chat.start("d.bas")
        wire.lose_answer_to = b"COMMIT;"
        assert await chat.say(session, "cut") == ["Ticket #1"]
        assert (wire.lost, await tickets(database)) == (1, ["cut"])
        assert await chat.status(execution) == "waiting"


async def test_f55_a_server_that_takes_no_writes_is_waited_for(database: str) -> None:
    await execute(database, CREATE)
    name = (await fetch(database, "select current_database() as name"))[0]["name"]
    others = "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    scripts = TICKETS | {"echo.bas": "#workflow\nDO\nHEAR x\nTALK x\nLOOP\n"}
    async with chatting(database, scripts, **TOOLS) as chat:
        talks = [await chat.start("t.bas"), await chat.start("echo.bas")]
        await execute(database, f"alter database {name} set default_transaction_read_only = on", others)
        sent = (
            "insert into workflow_messages (session_id, content) select s, 'x' from unnest(array['{}','{}']::uuid[]) s"
        )
        writes = "set default_transaction_read_only = off"
        writer = await asyncpg.connect(database)
        await writer.execute(writes)
        await writer.execute(sent.format(*(session for session, _ in talks)))
        chat.daemon.look()
        refused = chat.daemon.metrics.errors.labels(kind="connection")
        before = refused._value.get()
        await until(lambda: refused._value.get() > before + 2)
        await writer.execute(f"alter database {name} reset default_transaction_read_only")
        await writer.execute(others)
        await writer.close()
        await chat.idle()
        assert [await chat.said(session) for session, _ in talks] == [["Ticket #1"], ["x"]]


async def test_f52_slow_questions_delay_nobody_else(database: str) -> None:
    slow = (
        "create or replace function create_ticket(description text) returns bigint language sql as "
        "'select pg_advisory_xact_lock(7); select 1::bigint'"
    )
    await execute(database, CREATE, slow)
    gate = await asyncpg.connect(database)
    await gate.execute("select pg_advisory_lock(7)")
    scripts = TICKETS | {"echo.bas": "#workflow\nHEAR x\nTALK x\nHEAR x\n"}
    async with chatting(database, scripts, database__pool_max=2, **TOOLS) as chat:
        slow_ones = [await chat.start("t.bas") for _ in range(6)]
        for session, _ in slow_ones:
            await chat.clients.send(session, "slow")
        quick = uuid4()
        await chat.clients.start("echo.bas", session_id=quick)
        await chat.clients.send(quick, "quick")
        assert await chat.until_said(quick) == ["quick"]
        await gate.execute("select pg_advisory_unlock(7)")
        await chat.idle()
        for session, _ in slow_ones:
            assert await chat.said(session) == ["Ticket #1"]
    await gate.close()


async def test_f34_a_cancelled_daemon_leaves_nothing_open(database: str) -> None:
    """Cut off at every await in turn: no transaction stays open, and the next daemon goes on."""
    await execute(database, CREATE, "create table sent (word text)")
    rounds, session = 8, uuid4()
    for n in range(rounds):
        with_daemon = asyncio.create_task(one_daemon(database, session, n))
        for _ in range(40 * (n + 1)):
            await asyncio.sleep(0.0005)
        with_daemon.cancel()
        await asyncio.gather(with_daemon, return_exceptions=True)
    began = (await fetch(database, "select clock_timestamp() as at"))[0]["at"]
    async with chatting(database, TICKETS, **SHORT) as chat:
        await chat.idle()
        open_ones = (
            "select from pg_stat_activity where datname = current_database() and backend_start < $1"
            " and state like 'idle in trans%'"  # the daemon that runs now may have one
        )
        assert not await fetch(database, open_ones, began)
        heard = await fetch(database, "select count(*) n from workflow_turns where came_in ->> 'kind' = 'message'")
        sent = await fetch(database, "select count(*) n from sent")
        assert heard[0]["n"] == sent[0]["n"] == len(await tickets(database))


async def one_daemon(dsn: str, session: object, n: int) -> None:
    """Run a daemon that hears one message, until cancelled. What was sent is counted beside it."""
    send = (
        "with s as (insert into workflow_messages (session_id, content) values ($1, $2) returning 1) "
        "insert into sent select $2 from s"
    )
    script = {"t.bas": "#workflow\nDO\nHEAR d\nticket = CREATE(d)\nTALK ticket\nLOOP\n"}
    async with chatting(dsn, script, daemon__stop_seconds_max=0.001, **SHORT) as chat:
        await chat.clients.start("t.bas", session_id=session)  # type: ignore[arg-type]
        await fetch(dsn, send, session, f"w{n}")
        await asyncio.Event().wait()


async def test_f50_a_changed_table_does_not_break_what_was_prepared(database: str) -> None:
    async with chatting(database) as chat:
        session, _ = await chat.start("echo.bas")
        await chat.say(session, "one")
        await execute(database, "alter table workflow_messages add column later_version text default 'x'")
        await execute(database, "alter table workflow_executions alter column workflow_name type varchar(500)")
        assert await chat.say(session, "two") == ["you said two"]


def test_f35_pauses_are_bounded_however_often_it_failed() -> None:
    backoff = Backoff(0.02, 5.0, Random(1))
    pauses = [backoff.next_pause() for _ in range(5_000)]
    assert all(0 < pause <= 5.0 for pause in pauses) and max(pauses) > 4.5


def test_what_an_error_means() -> None:
    assert fault_of(ConnectionResetError()) is Fault.LOST
    assert fault_of(asyncpg.AdminShutdownError("x")) is Fault.LOST
    assert fault_of(asyncpg.DeadlockDetectedError("x")) is Fault.AGAIN
    assert fault_of(asyncpg.DiskFullError("x")) is Fault.LATER
    assert fault_of(asyncpg.CheckViolationError("x")) is Fault.REFUSED
    assert fault_of(KeyError("ours")) is Fault.REFUSED
