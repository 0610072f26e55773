"""Floods and a slow database, with a real daemon: who else talks is answered, and memory is bounded (F58)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from daemon.held import PassedOver
from daemon.rows import PendingMessage, Signal, Status
from tests.daemon.conversing import ECHO, Chat, chatting, fetch, until

MANY = "insert into workflow_messages (session_id, content) select s, n::text from unnest($1::uuid[]) s, generate_series(1, $2) n"
OTHER = "insert into workflow_messages (session_id, content) values ($1, 'other')"
SAID = "select content, session_id from workflow_replies order by id"
SMALL: dict[str, Any] = {"limits__message_batch_max": 50}


async def both_at_once(dsn: str, flood: list[UUID], count: int, other: UUID) -> None:
    """Commit a flood and, in the same moment, what somebody else says: its id is the last of all."""
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            await connection.execute(MANY, flood, count)
            await connection.execute(OTHER, other)
    finally:
        await connection.close()


async def replies(chat: Chat, other: UUID) -> tuple[list[asyncpg.Record], int]:
    """Return what was said in the order in which it was, and at which place the other one was answered."""
    await chat.idle()
    said = await fetch(chat.dsn, SAID)
    return said, [row["session_id"] for row in said].index(other)


async def test_a_session_s_flood_does_not_delay_another_session(database: str) -> None:
    async with chatting(database, **SMALL) as chat:
        (flood, _), (other, _) = await chat.start("echo.bas"), await chat.start("echo.bas")
        in_vain = 0

        class Counting(PassedOver):
            def add(self, items: Iterable[PendingMessage | Signal]) -> None:
                nonlocal in_vain
                found = list(items)
                in_vain += len(found)
                super().add(found)

        chat.daemon.supervisor._passed_over = Counting()
        await both_at_once(database, [flood], 400, other)
        said, place = await replies(chat, other)
        assert place < 200
        assert in_vain <= 2 * SMALL["limits__message_batch_max"], "the flood is not read to find what is behind it"
        assert [r["content"] for r in said if r["session_id"] == flood] == [f"you said {n}" for n in range(1, 401)]
        assert not await fetch(database, "select from workflow_messages")


async def test_a_bot_s_flood_does_not_delay_another_bot(database: str) -> None:
    """300 conversations of one bot, two messages each: in the order of each, and the other bot's in between."""
    async with chatting(database, {"echo.bas": ECHO}, **SMALL) as chat:
        sessions, other = [uuid4() for _ in range(300)], uuid4()
        start = "select workflow_start('echo.bas', s, $2::uuid) from unnest($1::uuid[]) s"
        await fetch(database, start, sessions, uuid4())
        await fetch(database, start, [other], uuid4())
        await chat.idle()
        await both_at_once(database, sessions, 2, other)
        said, place = await replies(chat, other)
        assert len(said) == 601 and place < 300
        for session in sessions:
            assert [r["content"] for r in said if r["session_id"] == session] == ["you said 1", "you said 2"]


async def test_a_script_in_endless_loops_does_not_delay_another(database: str) -> None:
    """Six conversations run until they are taken for endless; who talks meanwhile is answered before the first ends."""
    endless = "#workflow\nHEAR x\nDO\n  y = 1\nLOOP\n"
    scripts = {"echo.bas": ECHO, "endless.bas": endless}
    async with chatting(database, scripts, limits__steps_per_turn_max=15_000) as chat:
        loops = [await chat.start("endless.bas") for _ in range(6)]
        other, _ = await chat.start("echo.bas")
        await both_at_once(database, [session for session, _ in loops], 1, other)
        assert await chat.until_said(other) == ["you said other"]
        statuses: list[Status] = [(await chat.show(execution)).listed.status for _, execution in loops]
        assert statuses == ["waiting"] * 6
        await chat.idle()
        assert {await chat.status(execution) for _, execution in loops} == {"failed"}


async def test_when_the_database_is_slow_less_is_read_and_it_is_told(database: str) -> None:
    flags: dict[str, Any] = {
        "limits__turns_pending_max": 30,
        "limits__messages_held_max": 60,
        "limits__commit_turns_max": 10,
    }
    async with chatting(database, {"echo.bas": ECHO}, **SMALL, **flags) as chat:
        daemon = chat.daemon
        sessions = [uuid4() for _ in range(200)]
        await fetch(database, "select workflow_start('echo.bas', s) from unnest($1::uuid[]) s", sessions)
        await chat.idle()

        def shown(name: str, **labels: str) -> float:
            return daemon.metrics.registry.get_sample_value(f"stepwell_{name}", labels) or 0.0

        def paused() -> bool:
            return shown("backpressure", reason="turns") + shown("backpressure", reason="messages") == 1

        before = shown("turns_total")
        blocker = await asyncpg.connect(database)
        async with blocker.transaction():
            await blocker.execute("lock table workflow_turns in exclusive mode")
            await fetch(database, MANY, sessions, 3)
            await until(paused)
            await until(lambda: bool(daemon.readiness.notes))
            assert "more slowly" in daemon.readiness.notes[0] and daemon.readiness
            assert shown("messages_held") <= 60 and shown("turns_pending") <= 60
            held = len(daemon.supervisor.held)
            await until(lambda: shown("backpressure_seconds_total", reason="turns")
                        + shown("backpressure_seconds_total", reason="messages") > 0.1)  # fmt: skip
            assert (
                len(daemon.supervisor.held) == held and shown("turns_total") == before
            )  # nothing moves, nothing grows
        await blocker.close()
        await chat.idle()
        assert not paused() and shown("messages_held") == 0 and shown("turns_pending") == 0
        assert shown("turns_total") == before + 600
        said = await fetch(database, SAID)
        for session in sessions:
            assert [r["content"] for r in said if r["session_id"] == session] == [f"you said {n}" for n in (1, 2, 3)]
        await until(lambda: not daemon.readiness.notes)
