"""The floor: what a daemon in Python costs that does the least there is, on this machine, with the bench's client.

Below it nothing can be reached whatever is done in Stepwell: two processes and five connections hand a message on,
and after a rest of some milliseconds a machine needs longer for the same. So each aim has a figure that says how much
of the way is ours.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import uuid4

import asyncpg

from bench.cpu import Meter
from bench.load import Paced, converse, end_conversations, keep_busy, start_conversations
from bench.plain import BEST, ONE, SCRIPTS
from bench.server import HERE, Reference, create_database, run_pgbench
from bench.surroundings import Bench

RESTED_A_SECOND = 250.0  # transactions: each has some milliseconds of rest before it
SCENARIO = "The floor"
OURS = "the floor"


async def measure_floor(bench: Bench, count: int) -> None:
    """Measure pgbench, a worker that does the least, and Stepwell, in turn."""
    floor = await create_database(bench.running, "floor")
    sessions = [str(uuid4()) for _ in range(count)]
    await _prepare(floor, sessions)
    async with bench.database() as dsn:
        for _ in range(bench.rounds):
            reference = bench.reference()
            rested = run_pgbench(bench.running, bench.plain, 1, bench.seconds, rate=RESTED_A_SECOND)
            name = f"one pgbench transaction, {RESTED_A_SECOND:,.0f} a second"
            bench.sheet.add(SCENARIO, name, rested.latency_ms, "ms", to=reference.alone_ms, of=ONE)
            least = await _least(bench, floor, sessions, reference)
            await _ours(bench, dsn, count, least)


async def _prepare(dsn: str, sessions: Sequence[str]) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute((HERE / "floor.sql").read_text())
        states = (
            "insert into floor_states (session_id, state) select s::uuid, repeat('x', 1000) from unnest($1::text[]) s"
        )
        await connection.execute(states, sessions)
        await connection.execute("vacuum analyze")
    finally:
        await connection.close()


async def _least(bench: Bench, dsn: str, sessions: Sequence[str], reference: Reference) -> tuple[float, float, float]:
    """Return the floor: p50 of one conversation, turns a second of all, p99 at half of that; in ms."""
    add = bench.sheet.add
    with _worker(dsn, 1):
        alone = await converse(dsn, sessions[:1], bench.seconds, 1)
    await bench.execute(dsn, "alter table workflow_messages disable trigger floor_wake")
    with _worker(dsn, 2) as worker:
        meter = Meter([worker.pid], bench.running.pid or 0)
        busy = await keep_busy(dsn, sessions, bench.seconds, meter)
        paced = await Paced(dsn, sessions, busy.rate / 2).run(bench.seconds)
    await bench.execute(dsn, "alter table workflow_messages enable trigger floor_wake", "vacuum analyze")
    add(SCENARIO, "one conversation, p50", alone.p50_ms, "ms", to=reference.alone_ms, of=ONE)
    add(SCENARIO, f"{len(sessions):,} busy conversations", busy.rate, "turns/s", to=reference.best, of=BEST)
    add(SCENARIO, "CPU a turn: worker", busy.cost.daemon, "µs")
    add(SCENARIO, "CPU a turn: PostgreSQL", busy.cost.postgres, "µs")
    add(SCENARIO, "half the busy rate, p50", paced.p50_ms, "ms", to=reference.alone_ms, of=ONE)
    add(SCENARIO, "half the busy rate, p99", paced.p99_ms, "ms", to=reference.alone_ms, of=ONE)
    return alone.p50_ms, busy.rate, paced.p99_ms


async def _ours(bench: Bench, dsn: str, count: int, least: tuple[float, float, float]) -> None:
    """Measure the same of Stepwell, beside the floor."""
    p50_ms, rate, p99_ms = least
    add, scenario = bench.sheet.add, "Stepwell beside the floor"
    async with bench.daemon(dsn) as daemon:
        sessions = await start_conversations(dsn, SCRIPTS[0], count)
        alone = await converse(dsn, sessions[:1], bench.seconds, 1)
        busy = await keep_busy(dsn, sessions, bench.seconds, bench.meter(daemon))
        paced = await Paced(dsn, sessions, busy.rate / 2).run(bench.seconds)
        await end_conversations(dsn, sessions)
    add(scenario, "one conversation, p50", alone.p50_ms, "ms", to=p50_ms, of=OURS)
    add(scenario, f"{count:,} busy conversations", busy.rate, "turns/s", to=rate, of=OURS)
    add(scenario, "half the busy rate, p99", paced.p99_ms, "ms", to=p99_ms, of=OURS)


@contextmanager
def _worker(dsn: str, halves: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run the worker while the block runs."""
    worker = subprocess.Popen([sys.executable, "-m", "bench.floor_worker", dsn, str(halves)])
    try:
        yield worker
    finally:
        worker.kill()
        worker.wait(30)
