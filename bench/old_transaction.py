"""What somebody's transaction that stays open costs everybody: what is dead meanwhile cannot go."""

from __future__ import annotations

import asyncio
import time

import asyncpg

from bench.load import end_conversations, keep_busy, start_conversations
from bench.plain import MANY, SCRIPTS
from bench.surroundings import Bench

SHORT_SECONDS = 2.0
HEALED_SECONDS = 5.0


async def measure_old_transaction(bench: Bench, seconds: int) -> None:
    """Keep conversations busy, for so long beside a transaction that has read something, and after it has ended."""
    scenario = f"A transaction that stays open, {MANY:,} busy conversations"
    add, of = bench.sheet.add, "before it"
    async with bench.database() as dsn, bench.daemon(dsn) as daemon:
        sessions = await start_conversations(dsn, SCRIPTS[0], MANY)

        async def turn_us() -> float:
            busy = await keep_busy(dsn, sessions, min(SHORT_SECONDS, bench.seconds), bench.meter(daemon))
            return busy.cost.postgres

        await turn_us()  # warm
        before = await turn_us()
        add(scenario, "PostgreSQL's CPU a turn, before", before, "µs")
        connection = await asyncpg.connect(dsn)
        try:
            async with connection.transaction(isolation="repeatable_read"):
                await connection.fetchval("select count(*) from workflow_plans")
                begun = time.perf_counter()
                while (age := time.perf_counter() - begun) < seconds:
                    cost = await turn_us()
                add(scenario, f"the same once it is {age:.0f} s old", cost, "µs", to=before, of=of)
        finally:
            await connection.close()
        await bench.execute(dsn, "vacuum")
        await asyncio.sleep(min(HEALED_SECONDS, bench.seconds))
        add(scenario, "the same after its end and a vacuum", await turn_us(), "µs", to=before, of=of)
        await end_conversations(dsn, sessions)
