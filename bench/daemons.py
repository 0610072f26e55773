"""Several daemons on one database: their rate beside that of one."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack

from bench.load import end_conversations, keep_busy, start_conversations
from bench.plain import BEST, SCRIPTS
from bench.processes import Daemon, wait_for_scripts
from bench.surroundings import Bench

TALKING = 1_000
SHARED_SECONDS = 15.0  # until each has its share of the partitions


async def measure_daemons(bench: Bench, most: int) -> None:
    """Measure one daemon, two, four and so on, each number on a database of its own, beside pgbench."""
    counts = [n for n in (1, 2, 4, 8) if n <= most]
    for _ in range(bench.rounds):
        reference = bench.reference()
        alone = 0.0
        for count in counts:
            async with bench.database() as dsn:
                with ExitStack() as stack:
                    daemons = []
                    for _ in range(count):
                        daemons.append(Daemon(dsn))
                        stack.callback(daemons[-1].stop)
                    await wait_for_scripts(dsn)
                    await asyncio.sleep(SHARED_SECONDS if count > 1 else 0)
                    sessions = await start_conversations(dsn, SCRIPTS[0], TALKING)
                    busy = await keep_busy(dsn, sessions, bench.seconds, bench.meter(*daemons))
                    await end_conversations(dsn, sessions)
            alone = alone or busy.rate
            scenario = f"{count} daemon{'s' if count > 1 else ''} on one database, {TALKING:,} busy conversations"
            add = bench.sheet.add
            add(scenario, "busy", busy.rate, "turns/s", to=reference.best, of=BEST)
            add(scenario, "beside one daemon", busy.rate, "turns/s", to=alone, of="that of one")
            add(scenario, "CPU a turn: daemons", busy.cost.daemon, "µs")
            add(scenario, "CPU a turn: PostgreSQL", busy.cost.postgres, "µs")
