"""Requests over the real daemon: performed once the turn is committed, answered once, never in each other's way."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from daemon.performing import AttemptFailed, TakenRequest
from engine.values import Value
from tests.daemon.conversing import ECHO, Chat, chatting, execute, fetch, until
from tests.daemon.performing import Told, done, never

ASK = """
#workflow
TRY
    x = SEND FILE where
    TALK "it is ${x}"
CATCH e
    TALK "no: ${e}"
END TRY
"""
ROOT = Path(__file__).parents[2]
SCRIPTS = {"a.bas": ASK, "echo.bas": ECHO}


async def begin(chat: Chat, count: int = 1, where: str = "here") -> list[tuple[UUID, UUID]]:
    """Start conversations that make a request each, and do not wait until nothing moves."""
    sessions = [uuid4() for _ in range(count)]
    params: dict[str, Value] = {"where": where}
    return [(s, await chat.clients.start("a.bas", session_id=s, params=params)) for s in sessions]


async def statuses(database: str) -> list[tuple[str, int, int]]:
    rows = await fetch(database, "select status, attempts, cut_short from workflow_requests order by created_at")
    return [tuple(row) for row in rows]


async def test_a_request_is_performed_and_its_answer_wakes_the_script(database: str) -> None:
    performer = Told()
    async with chatting(database, SCRIPTS, performers=[performer]) as chat:
        session, execution = await chat.start("a.bas", where="there")
        assert await chat.said(session) == ["it is done"]
        assert await chat.status(execution) == "completed"
        [asked] = performer.seen
        assert (asked.kind, asked.attempt, asked.execution_id) == ("SEND FILE", 1, execution)
        assert asked.payload["arguments"] == ["there"]
        assert await statuses(database) == [], "it goes with the turn that hears the answer"
        assert 'outcome="done"} 1.0' in chat.daemon.metrics.render()[0].decode()


async def test_what_fails_is_tried_again_under_the_same_key(database: str) -> None:
    async def answer(request: TakenRequest) -> Value:
        if request.attempt < 3:
            raise AttemptFailed("not now", again=True)
        return request.key

    performer = Told(answer)
    async with chatting(database, SCRIPTS, performers=[performer], requests__backoff_seconds_first=0.01) as chat:
        [(session, _)] = await begin(chat)
        [said] = await chat.until_said(session)
        assert said == f"it is {performer.seen[0].id}"
        assert [(r.key, r.attempt) for r in performer.seen] == [(performer.seen[0].key, n) for n in (1, 2, 3)]


async def test_a_server_says_when_to_come_back(database: str) -> None:
    async def answer(request: TakenRequest) -> Value:
        if request.attempt == 1:
            raise AttemptFailed("too many requests", again=True, after_seconds=600)
        return "back"

    async with chatting(database, SCRIPTS, performers=[Told(answer)]) as chat:
        session, execution = await chat.start("a.bas", where="here")
        await chat.later(599)
        assert await chat.said(session) == []
        assert (await chat.show(execution)).listed.wait_kind == "request"
        await chat.later(601)
        assert await chat.said(session) == ["it is back"]


@pytest.mark.parametrize(
    ("flaw", "said"),
    [
        (AttemptFailed("there is no such file", again=False), "no: there is no such file"),
        (AttemptFailed("it is away", again=True), "no: it is away"),
        (AttemptFailed("\0\ud800", again=False), "no: \N{REPLACEMENT CHARACTER}?"),
        (ZeroDivisionError("oops"), "no: Performing SEND FILE failed by a mistake of Stepwell: ZeroDivisionError."),
    ],
)
async def test_what_fails_for_good_is_an_error_of_the_script(database: str, flaw: Exception, said: str) -> None:
    async def answer(_: TakenRequest) -> Value:
        raise flaw

    async with chatting(database, SCRIPTS, performers=[Told(answer)], requests__attempts_max=1) as chat:
        session, _ = await chat.start("a.bas", where="here")
        assert await chat.said(session) == [said]


async def test_f46_an_answer_that_cannot_be_kept_is_an_error_of_its_request_alone(database: str) -> None:
    answers: dict[str, Value] = {"nul": "a\0b", "nan": float("nan"), "half": "\ud800", "deep": [], "fine": "fine"}
    for _ in range(200):
        answers["deep"] = [answers["deep"]]

    async def answer(request: TakenRequest) -> Value:
        arguments = request.payload["arguments"]
        assert isinstance(arguments, list)
        return answers[str(arguments[0])]

    async with chatting(database, SCRIPTS, performers=[Told(answer)]) as chat:
        begun = {where: (await begin(chat, 1, where))[0][0] for where in answers}
        for where, session in begun.items():
            [said] = await chat.until_said(session)
            assert said.startswith("it is fine" if where == "fine" else "no: The answer cannot be kept"), where


async def test_f52_hundreds_of_slow_requests_delay_nobody(database: str) -> None:
    async def answer(request: TakenRequest) -> Value:
        return await (done if request.payload["arguments"] == ["quick"] else never)(request)

    performer = Told(answer, lanes=True)
    async with chatting(
        database,
        SCRIPTS,
        performers=[performer],
        daemon__stop_seconds_max=0.2,
        requests__in_flight_per_host_max=50,
        requests__in_flight_max=120,
    ) as chat:
        for host in ("dead", "slow", "gone", "lost"):
            await begin(chat, 80, host)
        await until(lambda: performer.under_way >= 90)
        [(session, _)] = await begin(chat, 1, "quick")
        assert await chat.until_said(session) == ["it is done"], "a host that answers has room beside dead ones"
        echo = uuid4()
        await chat.clients.start("echo.bas", session_id=echo)
        await chat.clients.send(echo, "hello")
        assert await chat.until_said(echo) == ["you said hello"]
        assert performer.under_way < 120 and chat.daemon.partitions.may_write()
        counts = {row[0] for row in await statuses(database)}
        assert counts == {"taken", "pending"}, "what has no room waits in the database"
    assert {row[0] for row in await statuses(database)} == {"pending"}


async def test_a_bot_that_asks_much_leaves_room_for_another(database: str) -> None:
    async def answer(request: TakenRequest) -> Value:
        return await (done if request.payload["arguments"] == ["quick"] else never)(request)

    performer = Told(answer)
    async with chatting(
        database, SCRIPTS, performers=[performer], daemon__stop_seconds_max=0.2, requests__in_flight_per_bot_max=5
    ) as chat:
        await begin(chat, 12)
        await until(lambda: performer.under_way == 5)
        session = uuid4()
        await chat.clients.start("a.bas", session_id=session, bot_id=uuid4(), params={"where": "quick"})
        assert await chat.until_said(session) == ["it is done"]
        assert performer.most == 6


async def test_what_has_no_room_follows_when_there_is_some(database: str) -> None:
    async def answer(_: TakenRequest) -> Value:
        await asyncio.sleep(0)
        return "done"

    performer = Told(answer, lanes=True)
    async with chatting(
        database, SCRIPTS, performers=[performer], requests__in_flight_per_host_max=2, requests__in_flight_max=3
    ) as chat:
        begun = [s for where in ("a", "b") for s, _ in await begin(chat, 15, where)]
        await chat.idle()
        assert [await chat.said(s) for s in begun] == [["it is done"]] * 30
        assert performer.most <= 3


async def test_an_attempt_does_not_take_for_ever(database: str) -> None:
    async with chatting(
        database,
        SCRIPTS,
        performers=[Told(never)],
        requests__attempt_seconds_max=0.01,
        requests__attempts_max=1,
    ) as chat:
        [(session, _)] = await begin(chat)
        assert await chat.until_said(session) == ["no: There was no answer within 0.01 seconds."]


# ── what is given up, cut short, in doubt ──


async def test_a_request_that_nobody_waits_for_any_more_is_let_go(database: str) -> None:
    performer = Told(never)
    script = ASK.replace("where", "where TIMEOUT 1 SECONDS")
    async with chatting(database, {"a.bas": script}, performers=[performer]) as chat:
        [(_, cancelled), (session, _)] = await begin(chat, 2)
        await until(lambda: performer.under_way == 2)
        await chat.operators.cancel(cancelled)
        chat.daemon.look()
        await until(lambda: performer.under_way == 1)
        await chat.later(2)
        [said] = await chat.said(session)
        assert said.startswith("no: nobody answered SEND FILE")
        assert performer.under_way == 0
        assert {row[0] for row in await statuses(database)} == {"cancelled"}


@pytest.mark.parametrize("policy", ["repeat", "park"])
async def test_a_stop_in_the_middle_of_an_attempt(database: str, policy: str) -> None:
    first, second = Told(never), Told()
    async with chatting(
        database, SCRIPTS, performers=[first], daemon__stop_seconds_max=0.1, requests__in_doubt=policy
    ) as chat:
        [(session, execution)] = await begin(chat)
        await until(lambda: first.under_way == 1)
    assert await statuses(database) == [("pending" if policy == "repeat" else "in_doubt", 1, 1)]
    async with chatting(database, SCRIPTS, performers=[second], requests__in_doubt=policy) as chat:
        await chat.idle()
        if policy == "repeat":
            assert [(r.id, r.attempt) for r in second.seen] == [(first.seen[0].id, 2)]
            assert await chat.said(session) == ["it is done"]
            return
        assert second.seen == [] and await chat.status(execution) == "waiting"
        result = json.dumps("known to have arrived")
        await fetch(database, "select workflow_complete_request($1, $2)", first.seen[0].id, result)
        assert await chat.until_said(session) == ["it is known to have arrived"]


async def test_an_attempt_has_a_moment_to_end_when_the_daemon_stops(database: str) -> None:
    going = asyncio.Event()

    async def answer(_: TakenRequest) -> Value:
        await going.wait()
        return "in time"

    performer = Told(answer)
    async with chatting(database, SCRIPTS, performers=[performer]) as chat:
        [(session, _)] = await begin(chat)
        await until(lambda: performer.under_way == 1)
        asyncio.get_running_loop().call_later(0.1, going.set)
    async with chatting(database, SCRIPTS, performers=[]) as chat:
        assert await chat.until_said(session) == ["it is in time"]


async def test_the_loop_begins_anew_after_a_mistake_of_ours(database: str) -> None:
    performer = Told(never)
    async with chatting(database, SCRIPTS, performers=[performer], daemon__stop_seconds_max=0.2) as chat:
        [(session, _)] = await begin(chat)
        await until(lambda: performer.under_way == 1)
        performer.answer = done
        chat.daemon.requests._limits = None  # type: ignore[assignment]
        await begin(chat)
        assert await chat.until_said(session) == ["it is done"], "the attempt was cut short and is repeated"
        assert performer.seen[0].id == performer.seen[-1].id or performer.seen[0].id == performer.seen[-2].id


async def test_answers_outlast_lost_connections(database: str) -> None:
    going = asyncio.Event()

    async def answer(_: TakenRequest) -> Value:
        await going.wait()
        return "done"

    performer = Told(answer)
    kill = "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    async with chatting(database, SCRIPTS, performers=[performer]) as chat:
        begun = await begin(chat, 20)
        await until(lambda: performer.under_way == 20)
        going.set()
        for _ in range(3):
            with suppress(Exception):
                await execute(database, kill)
            await asyncio.sleep(0.02)
        await chat.idle()
        for session, _ in begun:
            assert await chat.until_said(session) == ["it is done"]
        assert len(performer.seen) == 20, "no attempt was made twice"


async def test_a_failed_script_that_is_retried_asks_anew(database: str) -> None:
    async def answer(_: TakenRequest) -> Value:
        raise AttemptFailed("no", again=False)

    performer = Told(answer)
    script = '#workflow\nSEND FILE "a"\nTALK "sent"\n'
    async with chatting(database, {"a.bas": script}, performers=[performer]) as chat:
        session, execution = await chat.start("a.bas")
        assert await chat.status(execution) == "failed"
        performer.answer = done
        await chat.operators.retry(execution)
        assert await chat.until_said(session) == ["sent"]
        assert len({r.id for r in performer.seen}) == 2, "another request, under a key of its own"


async def test_f32_a_crash_inside_an_attempt_leaves_it_in_doubt(database: str) -> None:
    async with chatting(database, SCRIPTS, performers=[]) as chat:
        [(session, execution)] = await begin(chat)
        await chat.idle()
    arguments = (sys.executable, "-m", "tests.daemon.lonely_performer", database)
    running = await asyncio.create_subprocess_exec(*arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    assert running.stdout is not None
    while not (line := await running.stdout.readline()).startswith(b"began "):
        assert line, "the daemon ended"
    running.kill()
    await running.communicate()
    performer = Told()
    async with chatting(database, SCRIPTS, performers=[performer], requests__in_doubt="park") as chat:
        await chat.idle()
        [doubtful] = await fetch(database, "select * from workflow_requests_open")
        assert (doubtful["status"], doubtful["execution_id"], doubtful["attempts"]) == ("in_doubt", execution, 1)
        assert performer.seen == [] and await chat.status(execution) == "waiting"
        await execute(database, f"select workflow_retry_request('{doubtful['id']}')")
        chat.daemon.look()
        assert await chat.until_said(session) == ["it is done"]
        assert f"began {performer.seen[0].key}\n".encode() == line and performer.seen[0].attempt == 2


async def test_f20_a_killed_daemon_keeps_no_place(database: str) -> None:
    """How many requests are under way is known by who makes them: what the dead one had under way takes no room."""
    flags: dict[str, Any] = {"requests__in_flight_per_host_max": 1, "daemon__stop_seconds_max": 0.2}
    stuck, performer = Told(never, lanes=True), Told(lanes=True)
    async with chatting(database, SCRIPTS, performers=[stuck], **flags) as killed:
        begun = await begin(killed)
        await until(lambda: stuck.under_way == 1)
        begun += await begin(killed, 2)
        # Killed: its row is found to be nobody's, and it does not know.
        await killed.daemon._cancel("partitions", "requests", "fetcher", "scheduler")
        await execute(database, "update workflow_daemons set lease_until = now() - interval '1 s'")
        async with chatting(database, SCRIPTS, performers=[performer], **flags) as heir:
            for session, _ in begun:
                assert await heir.until_said(session) == ["it is done"]
    assert len(stuck.seen) == 1 and sorted(request.attempt for request in performer.seen) == [1, 1, 2]


async def test_attempts_go_on_where_their_partition_was_given_back(database: str) -> None:
    """Who makes an attempt still lives: nobody repeats it, and its answer counts."""
    going = asyncio.Event()

    async def answer(_: TakenRequest) -> Value:
        await going.wait()
        return "done"

    first, second = Told(answer), Told()
    async with chatting(database, SCRIPTS, performers=[first], requests__in_doubt="park") as chat:
        begun = await begin(chat, 12)
        await until(lambda: first.under_way == 12)
        async with chatting(database, SCRIPTS, performers=[second]) as other:
            await until(lambda: len(other.daemon.partitions.owned) == len(chat.daemon.partitions.owned) == 128)
            other.daemon.requests.sweep()
            await until(lambda: not other.daemon.requests.moving)
            going.set()
            for session, _ in begun:
                assert await chat.until_said(session) == ["it is done"]
    assert len(first.seen) == 12 and second.seen == []


async def test_f56_a_daemon_that_lost_its_partitions_begins_nothing_and_is_not_heard(database: str) -> None:
    going = asyncio.Event()

    async def answer(_: TakenRequest) -> Value:
        await going.wait()
        return "too late"

    performer = Told(answer)
    async with chatting(database, SCRIPTS, performers=[performer], daemon__stop_seconds_max=0.5) as chat:
        [(session, _)] = await begin(chat)
        await until(lambda: performer.under_way == 1)
        # Another daemon has taken over, found the attempt cut short, and makes its own.
        await execute(
            database,
            "insert into workflow_daemons values ('other', 'elsewhere', 1, '1.0', now(), now() + interval '1 h')",
            "update workflow_partitions set owner = 'other', epoch = epoch + 1",
            "update workflow_requests set taken_by = 'other', attempts = 2, cut_short = 1",
        )
        await begin(chat)
        going.set()
        await until(lambda: chat.daemon.requests.in_flight == 0)
        chat.daemon.requests.sweep()
        await until(lambda: not chat.daemon.requests.moving)
        assert len(performer.seen) == 1 and await chat.said(session) == []
        assert await statuses(database) == [("taken", 2, 1)]


async def test_a_direct_mode_script_asks_too(database: str) -> None:
    async with chatting(
        database, {"a.bas": ASK.replace("#workflow", "")}, performers=[Told()], scripts__default_mode="direct"
    ) as chat:
        [(session, execution)] = await begin(chat)
        assert await chat.until_said(session) == ["it is done"]
        assert (await chat.show(execution)).listed.mode == "direct"
