"""What a turn costs: busy conversations, one at a time, and an open loop at half the greatest rate."""

from __future__ import annotations

from collections.abc import Sequence

from bench.load import Paced, converse, end_conversations, keep_busy, start_conversations
from bench.processes import Daemon
from bench.server import Reference
from bench.surroundings import Bench

CONVERSATIONS = (1, 32, 1000)
# The first is what the others are compared with.
SCRIPTS = ("turn.bas", "echo.bas", "deadline.bas", "http.bas", "data.bas")
BEST = "pgbench's best rate"
ONE = "one pgbench transaction"
MANY = 1000
MANY_ONLY = {"deadline.bas"}  # what it costs beside the first shows where turns are many


async def measure_turns(bench: Bench, scripts: Sequence[str], conversations: Sequence[int]) -> None:
    """Measure in rounds, pgbench and Stepwell in turn."""
    async with bench.database() as dsn, bench.daemon(dsn) as daemon:
        for _ in range(bench.rounds):
            reference = bench.reference()
            tell_reference(bench, reference)
            plain: dict[int, float] = {}
            for script, count in [(s, n) for s in scripts for n in conversations if n == MANY or s not in MANY_ONLY]:
                rate = await _row(bench, daemon, dsn, script, count, reference, plain.get(count, 0.0))
                plain.setdefault(count, rate)


def tell_reference(bench: Bench, reference: Reference) -> None:
    """Note what everything else is compared with."""
    best = reference.best_run
    bench.sheet.add("pgbench", "best rate", best.rate, "turns/s")
    bench.sheet.add("pgbench", "one transaction", reference.alone_ms, "ms")
    bench.sheet.add("pgbench", "CPU a turn at the best rate: PostgreSQL", best.postgres_us, "µs")
    bench.sheet.add("pgbench", "CPU a turn at the best rate: pgbench itself", best.client_us, "µs")


async def _row(
    bench: Bench, daemon: Daemon, dsn: str, script: str, count: int, reference: Reference, plain: float
) -> float:
    """Measure so many conversations of a script, which begin and end with this; return the busy rate."""
    sheet = bench.sheet
    scenario = f"{script}, {count:,} conversation{'s' if count > 1 else ''}"
    sessions = await start_conversations(dsn, script, count)
    busy = await keep_busy(dsn, sessions, bench.seconds, bench.meter(daemon))
    aimed = script == SCRIPTS[0]
    aim = "≥ 2" if aimed and count == MANY else ""
    sheet.add(scenario, "busy", busy.rate, "turns/s", to=reference.best, of=BEST, aim=aim)
    if plain:
        sheet.add(scenario, f"busy, beside {SCRIPTS[0]}", busy.rate, "turns/s", to=plain, of=SCRIPTS[0])
    best = reference.best_run
    sheet.add(scenario, "CPU a turn: daemon", busy.cost.daemon, "µs", to=best.postgres_us, of="PostgreSQL's of pgbench")
    sheet.add(
        scenario, "CPU a turn: PostgreSQL", busy.cost.postgres, "µs", to=best.postgres_us, of="PostgreSQL's of pgbench"
    )
    sheet.add(scenario, "CPU a turn: the client", busy.cost.client, "µs", to=best.client_us, of="pgbench's own")
    if count <= 32:
        talked = await converse(dsn, sessions, bench.seconds, min(count, 16))
        aim = "≤ 2" if aimed and count == 1 else ""
        sheet.add(scenario, "closed loop", talked.rate, "turns/s", to=reference.best, of=BEST)
        sheet.add(
            scenario, "INSERT to committed reply, p50", talked.p50_ms, "ms", to=reference.alone_ms, of=ONE, aim=aim
        )
        sheet.add(scenario, "INSERT to committed reply, p99", talked.p99_ms, "ms", to=reference.alone_ms, of=ONE)
    elif aimed:
        paced = await Paced(dsn, sessions, max(1.0, busy.rate / 2)).run(bench.seconds)
        name = "open loop at half the busy rate"
        sheet.add(scenario, name, paced.rate, "turns/s", to=busy.rate, of="the busy rate")
        sheet.add(scenario, f"{name}, p50", paced.p50_ms, "ms", to=reference.alone_ms, of=ONE)
        sheet.add(scenario, f"{name}, p99", paced.p99_ms, "ms", to=reference.alone_ms, of=ONE, aim="≤ 20")
    await end_conversations(dsn, sessions)
    return busy.rate
