"""Timers that are due at one moment: how long until the last has fired, and whether anybody who talks notices."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from typing import Any

import asyncpg

from bench.copies import copy_conversation
from bench.cpu import memory_mb
from bench.load import LATE_SECONDS_MAX, Paced, latencies_of, start_conversations
from bench.plain import SCRIPTS
from bench.surroundings import Bench

SCRIPT = "timer.bas"
WITHIN_SECONDS = 60.0
TALKING = 300
MESSAGES_A_SECOND = 50.0
POLL_SECONDS = 1.0  # a look costs the server what some timers cost
COPIES_A_SECOND = 4_000  # rather too few: the moment must lie behind the copying and the usual latencies
LEFT = "select count(*) from workflow_timers where wake_at <= $1"


async def measure_timers(bench: Bench, count: int) -> None:
    """Have `count` timers fall due at one instant, the worst that a minute can be, while others talk."""
    scenario = f"{count:,} timers due at one instant"
    async with bench.database() as dsn, bench.daemon(dsn) as daemon:
        talking = await start_conversations(dsn, SCRIPTS[0], TALKING)
        usual_seconds = 4 * bench.seconds
        begun = time.perf_counter()
        delay = count / COPIES_A_SECOND + 2 * usual_seconds + 20
        session, due = await _start_timer(dsn, round(delay))
        await copy_conversation(dsn, session, count - 1)
        usual = await Paced(dsn, talking, MESSAGES_A_SECOND).run(usual_seconds)
        left = delay - (time.perf_counter() - begun)
        print(f"  {count:,} timers; {left:.0f} s are left until they are due", flush=True)
        await asyncio.sleep(max(0.0, left - 5.0))
        meter = bench.meter(daemon)
        paced = Paced(dsn, talking, MESSAGES_A_SECOND)
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(_watch(dsn, due))
            stopped = asyncio.Event()
            loading = tasks.create_task(paced.run_until(stopped))
            last, late = await watching
            moment = time.perf_counter()
            cost = meter.cost(count)
            stopped.set()
            await loading
        # The latencies of those messages that were due from the timers' moment until the last had fired.
        taken = [seconds for at, seconds in paced.taken if moment - last <= at <= moment]
        meanwhile = latencies_of(taken, last)
        add = bench.sheet.add
        add(scenario, "all have fired after", last, "s", to=WITHIN_SECONDS, of="the minute", aim="≤ 1")
        add(scenario, "not fired within the minute", late, "timers", aim="0")
        add(scenario, "CPU a timer: daemon", cost.daemon, "µs")
        add(scenario, "CPU a timer: PostgreSQL", cost.postgres, "µs")
        add(
            scenario,
            f"{len(taken):,} messages meanwhile, p50",
            meanwhile.p50_ms,
            "ms",
            to=usual.p50_ms,
            of="the usual p50",
        )
        of = "the usual p99"
        add(scenario, "messages meanwhile, p99", meanwhile.p99_ms, "ms", to=usual.p99_ms, of=of, aim="≤ 2")
        add(scenario, "memory of the daemon then", memory_mb(daemon.process.pid), "MB")


async def _start_timer(dsn: str, seconds: int) -> tuple[str, datetime]:
    """Start one conversation that waits so long; return its session and the moment."""
    connection = await asyncpg.connect(dsn)
    try:
        session = await connection.fetchval("select gen_random_uuid()")
        params = f'{{"seconds": {seconds}}}'
        await connection.execute("select workflow_start($1, session_id => $2, params => $3)", SCRIPT, session, params)
        waiting = "select wake_at from workflow_executions where session_id = $1 and status = 'waiting'"
        while (due := await connection.fetchval(waiting, session)) is None:
            await asyncio.sleep(0.05)
    finally:
        await connection.close()
    return str(session), due


async def _watch(dsn: str, due: datetime) -> tuple[float, float]:
    """Return how long after their moment the last timer had fired, and how many took over a minute."""
    connection: asyncpg.Connection[Any] = await asyncpg.connect(dsn)
    try:
        wait = float(await connection.fetchval("select extract(epoch from $1 - clock_timestamp())::float8", due))
        left = await connection.fetchval(LEFT, due)
        await asyncio.sleep(max(0.0, wait))
        begun = time.perf_counter()
        late = 0.0
        while left and time.perf_counter() - begun < WITHIN_SECONDS + 2 * LATE_SECONDS_MAX:
            left = await connection.fetchval(LEFT, due)
            spent = time.perf_counter() - begun
            if spent >= WITHIN_SECONDS and not late:
                late = float(left)
            await asyncio.sleep(POLL_SECONDS)
        return time.perf_counter() - begun - POLL_SECONDS, late
    finally:
        await connection.close()
