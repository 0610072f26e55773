"""How many answers one daemon can wait for, what each costs, and whether anybody else notices."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import asyncpg

from bench.cpu import children_of, cpu_seconds
from bench.load import converse, end_conversations, start_conversations
from bench.processes import Daemon, HttpServer, http_server, prepare_stepwell, wait_for_scripts
from bench.server import create_database
from daemon.embedded import Running

POLL_SECONDS = 0.1
WAIT_SECONDS = 300.0
STILL_SECONDS = 60.0  # without any request more: that is all there will be
SETTLE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Glance:
    """The daemon's memory, and the latency of a neighbour."""

    memory_kb: int
    p50_ms: float


async def measure_in_flight(running: Running, count: int, seconds: float) -> None:
    """Have `count` conversations wait for an answer each, look at what that costs, and let them all be answered."""
    dsn = await create_database(running, "stepwell")
    await prepare_stepwell(dsn)
    with http_server() as asked:
        daemon = Daemon(dsn, settings=asked.settings)
        pids = [daemon.process.pid]
        try:
            await wait_for_scripts(dsn)
            echo = await start_conversations(dsn, "echo.bas", 1)
            await converse(dsn, echo, seconds, 1)  # warm
            sessions = await start_conversations(dsn, "slow.bas", count)
            before = await glance("before", running, daemon, dsn, echo, seconds)
            used = cpu_seconds(pids)
            held, taken = await hold(dsn, asked, sessions)
            each = (cpu_seconds(pids) - used) / max(1, held) * 1e6
            print(f"{held:,.0f} of {count:,} in flight after {taken:.1f} s; {each:,.0f} µs of the daemon's CPU each")
            waiting = await glance("waiting", running, daemon, dsn, echo, seconds)
            size = (waiting.memory_kb - before.memory_kb) / max(1, held)
            ratio = waiting.p50_ms / before.p50_ms
            print(f"each waiting answer: {size:.1f} KB of memory; the other one's p50: {ratio:.2f} x what it was")
            used = cpu_seconds(pids)
            answered, taken = await release(dsn, asked, sessions)
            each = (cpu_seconds(pids) - used) / max(1, answered) * 1e6
            print(
                f"{answered:,} of {count:,} said their answer {taken:.1f} s after it came; {each:,.0f} µs of CPU each"
            )
            await glance("after", running, daemon, dsn, echo, seconds)
            await end_conversations(dsn, [*sessions, *echo])
        finally:
            daemon.stop()


async def hold(dsn: str, asked: HttpServer, sessions: list[UUID]) -> tuple[float, float]:
    """Have every conversation ask; return how many wait at the server once it gets no more, and after how long."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(
            "insert into workflow_messages (session_id, content) select s, 'hello' from unnest($1::uuid[]) s", sessions
        )
    finally:
        await connection.close()
    begun = last = time.perf_counter()
    held = 0.0
    while held < len(sessions) and time.perf_counter() - last < STILL_SECONDS:
        await asyncio.sleep(POLL_SECONDS)
        now = (await asked.ask("/count"))["held"]
        if now != held:
            held, last = now, time.perf_counter()
    return held, last - begun


async def release(dsn: str, asked: HttpServer, sessions: list[UUID]) -> tuple[int, float]:
    """Have all answers come; return how many conversations said them, and after how many seconds."""
    begun = time.perf_counter()
    await asked.ask("/release")
    answered = await wait_for_replies(dsn, sessions)
    return answered, time.perf_counter() - begun


async def wait_for_replies(dsn: str, sessions: list[UUID]) -> int:
    """Wait until every conversation hears again; return how many have said their answer."""
    heard = "select count(*) from workflow_executions where session_id = any($1) and wait_kind = 'message'"
    connection = await asyncpg.connect(dsn)
    count, end = 0, time.perf_counter() + WAIT_SECONDS
    try:
        while count < len(sessions) and time.perf_counter() < end:
            await asyncio.sleep(POLL_SECONDS)
            count = await connection.fetchval(heard, sessions)
    finally:
        await connection.close()
    return count


async def glance(name: str, running: Running, daemon: Daemon, dsn: str, echo: list[UUID], seconds: float) -> Glance:
    """Print and return memory, CPU while nothing happens, and the latency of a conversation that asks nobody."""
    await asyncio.sleep(SETTLE_SECONDS)
    pid = daemon.process.pid
    memory = memory_kb(pid)
    before = cpu_seconds([pid]), cpu_seconds(children_of(running.pid or 0))
    begun = time.perf_counter()
    await asyncio.sleep(2 * seconds)
    spent = time.perf_counter() - begun
    after = cpu_seconds([pid]), cpu_seconds(children_of(running.pid or 0))
    talked = await converse(dsn, echo, 2 * seconds, 1)
    cpu = [(b - a) / spent for a, b in zip(before, after, strict=True)]
    print(
        f"{name:>8}: daemon {memory / 1024:,.0f} MB;"
        f" CPU with nothing to do: daemon {cpu[0]:.1%}, PostgreSQL {cpu[1]:.1%} of a core;"
        f" one other conversation: p50 {talked.p50_ms:.2f} ms, p99 {talked.p99_ms:.2f} ms",
        flush=True,
    )
    return Glance(memory, talked.p50_ms)


def memory_kb(pid: int) -> int:
    """Return the memory of a process that is in use, in KB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise ProcessLookupError(f"process {pid} is gone")
