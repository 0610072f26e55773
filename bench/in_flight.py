"""How many answers one daemon can wait for, what each costs, and whether anybody else notices."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import asyncpg

from bench.cpu import cpu_seconds, memory_mb, server_seconds
from bench.load import converse, end_conversations, start_conversations
from bench.processes import Daemon, HttpServer, http_server, wait_for_scripts
from bench.surroundings import Bench

POLL_SECONDS = 0.1
WAIT_SECONDS = 300.0
STILL_SECONDS = 60.0  # without any request more: that is all there will be
SETTLE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Glance:
    """The daemon's memory, and the latency of a neighbour."""

    memory_mb: float
    p50_ms: float


async def measure_in_flight(bench: Bench, count: int) -> None:
    """Have `count` conversations wait for an answer each, look at what that costs, and let them all be answered."""
    add = bench.sheet.add
    scenario = f"{count:,} answers that are waited for"
    async with bench.database() as dsn:
        with http_server() as asked:
            daemon = Daemon(dsn, settings=asked.settings)
            pids = [daemon.process.pid]
            try:
                await wait_for_scripts(dsn)
                echo = await start_conversations(dsn, "echo.bas", 1)
                await converse(dsn, echo, bench.seconds, 1)  # warm
                sessions = await start_conversations(dsn, "slow.bas", count)
                before = await glance(bench, scenario, "before", daemon, dsn, echo)
                used = cpu_seconds(pids)
                held, taken = await hold(dsn, asked, sessions)
                add(scenario, "in flight at once", held, "", to=count, of="all")
                add(scenario, "all in flight after", taken, "s")
                add(
                    scenario,
                    "CPU of the daemon for each request",
                    (cpu_seconds(pids) - used) / max(1, held) * 1e6,
                    "µs",
                )
                waiting = await glance(bench, scenario, "waiting", daemon, dsn, echo)
                size = (waiting.memory_mb - before.memory_mb) / max(1, held) * 1024
                add(scenario, "memory of a waiting answer", size, "KB")
                add(scenario, "p50 of another conversation", waiting.p50_ms, "ms", to=before.p50_ms, of="that before")
                used = cpu_seconds(pids)
                answered, taken = await release(dsn, asked, sessions)
                add(scenario, "have said their answer", answered, "", to=count, of="all")
                add(scenario, "all have said their answer after", taken, "s")
                add(
                    scenario,
                    "CPU of the daemon for each answer",
                    (cpu_seconds(pids) - used) / max(1, answered) * 1e6,
                    "µs",
                )
                await end_conversations(dsn, [*sessions, *echo])
            finally:
                daemon.stop()


async def hold(dsn: str, asked: HttpServer, sessions: list[str]) -> tuple[float, float]:
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


async def release(dsn: str, asked: HttpServer, sessions: list[str]) -> tuple[int, float]:
    """Have all answers come; return how many conversations said them, and after how many seconds."""
    begun = time.perf_counter()
    await asked.ask("/release")
    answered = await wait_for_replies(dsn, sessions)
    return answered, time.perf_counter() - begun


async def wait_for_replies(dsn: str, sessions: list[str]) -> int:
    """Wait until every conversation hears again; return how many have said their answer."""
    heard = "select count(*) from workflow_executions where session_id = any($1::uuid[]) and wait_kind = 'message'"
    connection = await asyncpg.connect(dsn)
    count, end = 0, time.perf_counter() + WAIT_SECONDS
    try:
        while count < len(sessions) and time.perf_counter() < end:
            await asyncio.sleep(POLL_SECONDS)
            count = await connection.fetchval(heard, sessions)
    finally:
        await connection.close()
    return count


async def glance(bench: Bench, scenario: str, name: str, daemon: Daemon, dsn: str, echo: list[str]) -> Glance:
    """Note and return memory, CPU while nothing happens, and the latency of a conversation that asks nobody."""
    await asyncio.sleep(SETTLE_SECONDS)
    pid, postmaster = daemon.process.pid, bench.running.pid or 0
    memory = memory_mb(pid)
    before = cpu_seconds([pid]), server_seconds(postmaster)
    begun = time.perf_counter()
    await asyncio.sleep(2 * bench.seconds)
    spent = time.perf_counter() - begun
    after = cpu_seconds([pid]), server_seconds(postmaster)
    talked = await converse(dsn, echo, 2 * bench.seconds, 1)
    cpu = [(b - a) / spent * 100 for a, b in zip(before, after, strict=True)]
    add = bench.sheet.add
    add(scenario, f"memory of the daemon, {name}", memory, "MB")
    add(scenario, f"CPU with nothing to do, {name}: daemon", cpu[0], "% of a core")
    add(scenario, f"CPU with nothing to do, {name}: PostgreSQL", cpu[1], "% of a core")
    add(scenario, f"p99 of another conversation, {name}", talked.p99_ms, "ms")
    return Glance(memory, talked.p50_ms)
