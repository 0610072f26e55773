"""Conversations that wait: what a million of them cost in memory, on disk, at the start, and for those that talk."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from random import Random

import asyncpg

from bench.copies import copy_conversation, sizes, some_sessions, variables_bytes
from bench.cpu import cpu_seconds, memory_mb
from bench.load import Busy, Latencies, Paced, converse, keep_busy, start_conversations
from bench.plain import BEST, ONE
from bench.processes import Daemon
from bench.surroundings import Bench

SCRIPT = "turn.bas"
FEW = 1_000
BUSY = 1_000
STARTS = 3
IDLE_SECONDS = 3.0
HEARD_SECONDS_MAX = 60.0
ACTORS_MAX = 2_000  # while messages go to conversations all over the table


@dataclass(slots=True)
class Measured:
    """A database with so many conversations that wait, and its daemon."""

    dsn: str
    count: int
    daemon: Daemon
    busy: list[str]


async def measure_waiting(bench: Bench, count: int) -> None:
    """Compare `count` waiting conversations with a thousand, in turn, each with a database and a daemon of its own."""
    scenario = f"{count:,} conversations waiting"
    async with AsyncExitStack() as stack:
        few_dsn = await stack.enter_async_context(bench.database())
        many_dsn = await stack.enter_async_context(bench.database())
        await _fill(bench, few_dsn, FEW, "")
        await _fill(bench, many_dsn, count, scenario)
        of = f"that with {FEW:,}"
        for _ in range(1 if bench.quick else STARTS):
            few_seconds, few_cpu = await _start(few_dsn)
            seconds, cpu = await _start(many_dsn)
            bench.sheet.add(scenario, "start to ready", seconds, "s", to=few_seconds, of=of, aim="< 2 s")
            bench.sheet.add(scenario, "CPU of the daemon from start to ready", cpu, "s", to=few_cpu, of=of)
        few = await _attend(stack, few_dsn, FEW)
        many = await _attend(stack, many_dsn, count)
        await asyncio.sleep(IDLE_SECONDS)
        few_mb, mb = memory_mb(few.daemon.process.pid), memory_mb(many.daemon.process.pid)
        bench.sheet.add(scenario, "memory of the daemon after its start", mb, "MB", to=few_mb, of=of, aim="< 200 MB")
        await _idle(bench, scenario, many)
        rates = [await _compare(bench, scenario, few, many) for _ in range(bench.rounds)]
        few_mb, mb = memory_mb(few.daemon.process.pid), memory_mb(many.daemon.process.pid)
        bench.sheet.add(scenario, "memory after the load", mb, "MB", to=few_mb, of=of, aim="< 200 MB")
        many.daemon.stop()
        await _everywhere(bench, scenario, many, max(1.0, min(rates) / 3))


async def _fill(bench: Bench, dsn: str, count: int, scenario: str) -> None:
    """Have one conversation start and wait, and copy it; note what a copy takes of the disk."""
    async with bench.daemon(dsn):
        session = (await start_conversations(dsn, SCRIPT, 1))[0]
    before = await sizes(dsn)
    begun = time.perf_counter()
    await copy_conversation(dsn, session, count - 1)
    print(f"  {count:,} conversations made in {time.perf_counter() - begun:.0f} s", flush=True)
    if scenario:
        own = await variables_bytes(dsn, session)
        after = await sizes(dsn)
        for table, size in after.items():
            bench.sheet.add(scenario, f"disk a conversation: {table}", (size - before[table]) / count, "bytes")
        each = (sum(after.values()) - sum(before.values())) / count
        name = f"disk a conversation beyond its own {own:,} bytes of variables"
        bench.sheet.add(scenario, name, each - own, "bytes", to=own, of="its variables", aim="< 1,536 bytes")


async def _start(dsn: str) -> tuple[float, float]:
    """Return how long the daemon takes to be ready, and its CPU, in seconds."""
    daemon = Daemon(dsn)
    found = await daemon.until_ready(), cpu_seconds([daemon.process.pid])
    await asyncio.sleep(1)
    daemon.stop()
    return found


async def _attend(stack: AsyncExitStack, dsn: str, count: int) -> Measured:
    """Start the daemon that stays, and choose who will talk."""
    daemon = Daemon(dsn)
    stack.callback(daemon.stop)
    await daemon.until_ready()
    return Measured(dsn, count, daemon, await some_sessions(dsn, BUSY))


async def _idle(bench: Bench, scenario: str, many: Measured) -> None:
    """Note what the daemon costs while everybody waits, gauges and sweeps included."""
    meter = bench.meter(many.daemon)
    seconds = 5.0 if bench.quick else 30.0
    await asyncio.sleep(seconds)
    cost = meter.cost()
    bench.sheet.add(scenario, "CPU while all wait: daemon", cost.daemon / seconds * 100, "% of a core")
    bench.sheet.add(scenario, "CPU while all wait: PostgreSQL", cost.postgres / seconds * 100, "% of a core")


async def _compare(bench: Bench, scenario: str, few: Measured, many: Measured) -> float:
    """Measure one after the other, beside pgbench; return the rate of the many."""
    reference = bench.reference()
    found: dict[int, tuple[Busy, Latencies]] = {}
    for one in (few, many):
        busy = await keep_busy(one.dsn, one.busy, bench.seconds, bench.meter(one.daemon))
        found[one.count] = busy, await converse(one.dsn, one.busy[:1], bench.seconds, 1)
    (few_busy, few_alone), (busy, alone) = found[few.count], found[many.count]
    add, of = bench.sheet.add, f"that with {FEW:,}"
    name = f"busy, {len(many.busy):,} of them"
    add(scenario, name, busy.rate, "turns/s", to=few_busy.rate, of=of, aim="≥ 0.9")
    add(scenario, f"{name}, beside pgbench", busy.rate, "turns/s", to=reference.best, of=BEST)
    add(scenario, "CPU a turn: daemon", busy.cost.daemon, "µs", to=few_busy.cost.daemon, of=of)
    add(scenario, "CPU a turn: PostgreSQL", busy.cost.postgres, "µs", to=few_busy.cost.postgres, of=of)
    add(scenario, "p50, one of them", alone.p50_ms, "ms", to=few_alone.p50_ms, of=of, aim="≤ 1.1")
    add(scenario, "p50, one of them, beside pgbench", alone.p50_ms, "ms", to=reference.alone_ms, of=ONE)
    return busy.rate


async def _everywhere(bench: Bench, scenario: str, many: Measured, rate: float) -> None:
    """Messages go to conversations all over the table, at a third of the busy rate: each is brought into memory."""
    daemon = Daemon(many.dsn, settings={"limits.actors_max": str(ACTORS_MAX)})
    try:
        await daemon.until_ready()
        sessions = await some_sessions(many.dsn, min(many.count, 200_000))
        Random(4).shuffle(sessions)
        begun = time.perf_counter()
        paced = Paced(many.dsn, sessions, rate)
        meter = bench.meter(daemon)
        found = await paced.run(bench.seconds * 3)
        spoken = len(paced.taken)
        cost = meter.cost(max(1, spoken))
        spent = time.perf_counter() - begun
        await _check(many.dsn)
    finally:
        mb = memory_mb(daemon.process.pid)
        daemon.stop()
    add = bench.sheet.add
    name = f"messages to {spoken:,} of them, {ACTORS_MAX:,} actors at most"
    add(scenario, f"{name}: rate", spoken / spent, "turns/s")
    add(scenario, f"{name}: p50", found.p50_ms, "ms")
    add(scenario, f"{name}: p99", found.p99_ms, "ms")
    add(scenario, f"{name}: CPU a turn, daemon", cost.daemon, "µs")
    add(scenario, f"{name}: CPU a turn, PostgreSQL", cost.postgres, "µs")
    add(scenario, f"{name}: memory of the daemon", mb, "MB", aim="< 200 MB")


async def _check(dsn: str) -> None:
    """A copy is as good as the original: all that were spoken to answer, and wait again."""
    connection = await asyncpg.connect(dsn)
    end = time.perf_counter() + HEARD_SECONDS_MAX
    try:
        while unheard := await connection.fetchval("select count(*) from workflow_messages"):
            if time.perf_counter() > end:
                raise SystemExit(f"{unheard} messages were not heard")
            await asyncio.sleep(0.1)
        failed = await connection.fetchval("select count(*) from workflow_executions where status <> 'waiting'")
    finally:
        await connection.close()
    if failed:
        raise SystemExit(f"{failed} conversations do not wait any more")
