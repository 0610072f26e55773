"""`python -m bench`: every figure of docs/performance.md, beside pgbench on the same server in the same run."""

from __future__ import annotations

import argparse
import asyncio
import platform
import pstats
import signal
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.cpu import children_of, cpu_seconds
from bench.daemon_process import STARTING_SECONDS
from bench.load import Latencies, converse, end_conversations, keep_busy, start_conversations
from bench.server import HERE, Pgbench, create_database, prepare_pgbench, run_pgbench, server
from daemon.embedded import Running
from daemon.migrations import migrate

PGBENCH_CLIENTS = (1, 8, 16, 32)
CONVERSATIONS = (1, 32, 1000)
PROFILE_LINES = 25
DATA_CONVERSATIONS = 32  # each of whose turns writes a row by SAVE (data.bas)


async def prepare_stepwell(dsn: str) -> None:
    """Create the schema of Stepwell."""
    import asyncpg

    connection = await asyncpg.connect(dsn)
    try:
        await migrate(connection)
    finally:
        await connection.close()


class Daemon:
    """The daemon under measurement, a process of its own."""

    def __init__(self, dsn: str, profile: str | None = None) -> None:
        command = [sys.executable, "-m", "bench.daemon_process", dsn, str(HERE), *([profile] if profile else [])]
        self.process = subprocess.Popen(command)

    def stop(self) -> None:
        """Stop it gracefully."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


def best_pgbench(running: Running, dsn: str, seconds: float) -> dict[int, Pgbench]:
    """Return pgbench's figures by number of clients."""
    return {clients: run_pgbench(running, dsn, clients, seconds) for clients in PGBENCH_CLIENTS}


async def measure(running: Running, arguments: argparse.Namespace) -> None:
    """Measure in rounds, pgbench and Stepwell in turn, and print medians with their spread."""
    plain = await create_database(running, "plain")
    await prepare_pgbench(plain)
    dsn = await create_database(running, "stepwell")
    await prepare_stepwell(dsn)
    daemon = Daemon(dsn)
    busy: dict[int, list[float]] = {n: [] for n in CONVERSATIONS}
    talked: dict[int, list[Latencies]] = {n: [] for n in CONVERSATIONS}
    references: list[dict[int, Pgbench]] = []
    written: list[float] = []
    try:
        await wait_for_script(dsn)
        for number in range(1, arguments.rounds + 1):
            references.append(best_pgbench(running, plain, arguments.seconds))
            show_reference(number, references[-1])
            for count in CONVERSATIONS:
                sessions = await start_conversations(dsn, "echo.bas", count)
                before = cpu_seconds([daemon.process.pid]), cpu_seconds(children_of(running.pid or 0))
                rate = await keep_busy(dsn, sessions, arguments.seconds)
                after = cpu_seconds([daemon.process.pid]), cpu_seconds(children_of(running.pid or 0))
                turns = rate * arguments.seconds
                spent = [(b - a) / turns * 1e6 for a, b in zip(before, after, strict=True)]
                latencies = await converse(dsn, sessions, arguments.seconds, min(count, 16))
                await end_conversations(dsn, sessions)
                busy[count].append(rate)
                talked[count].append(latencies)
                print(
                    f"round {number}: {count:>5} conversations: {rate:>8,.0f} turns/s busy;"
                    f" closed loop {latencies.rate:>7,.0f} turns/s,"
                    f" p50 {latencies.p50_ms:.2f} ms, p99 {latencies.p99_ms:.2f} ms;"
                    f" CPU a turn: daemon {spent[0]:.0f} µs, PostgreSQL {spent[1]:.0f} µs",
                    flush=True,
                )
            written.append(await measure_data(dsn, arguments.seconds))
            print(f"round {number}: one SAVE a turn: {written[-1]:>8,.0f} turns/s busy", flush=True)
    finally:
        daemon.stop()
    summarize(references, busy, talked)
    ratios = [rate / max(p.rate for p in r.values()) for rate, r in zip(written, references, strict=True)]
    print(f"{DATA_CONVERSATIONS:>5} conversations, one SAVE a turn: busy {spread(ratios)} x pgbench's best")


async def measure_data(dsn: str, seconds: float) -> float:
    """Return the turns a second of busy conversations whose every turn writes a row."""
    sessions = await start_conversations(dsn, "data.bas", DATA_CONVERSATIONS)
    rate = await keep_busy(dsn, sessions, seconds)
    await end_conversations(dsn, sessions)
    return rate


async def wait_for_script(dsn: str) -> None:
    """Wait until the daemon has deployed the measured script."""
    import asyncpg

    connection = await asyncpg.connect(dsn)
    try:
        for _ in range(3_000):
            if await connection.fetchval("select exists (select from workflow_scripts)"):
                return
            await asyncio.sleep(0.01)
    finally:
        await connection.close()
    raise SystemExit("the daemon did not deploy its script within 30 s")


def show_reference(number: int, reference: dict[int, Pgbench]) -> None:
    """Print one round of pgbench."""
    shown = ", ".join(f"{p.clients} clients {p.rate:,.0f}/s" for p in reference.values())
    print(f"round {number}: pgbench: {shown}; one transaction {reference[1].latency_ms:.2f} ms", flush=True)


def summarize(
    references: list[dict[int, Pgbench]], busy: dict[int, list[float]], talked: dict[int, list[Latencies]]
) -> None:
    """Print each figure as a ratio to pgbench in the same round: median, least and most."""
    best = [max(p.rate for p in reference.values()) for reference in references]
    alone = [reference[1].latency_ms for reference in references]
    print(f"\n{platform.platform()}, Python {platform.python_version()}")
    print(f"pgbench's best: {spread(best)} turns/s; one client: {spread(alone)} ms")
    for count in CONVERSATIONS:
        ratios = [rate / top for rate, top in zip(busy[count], best, strict=True)]
        loops = [t.rate / top for t, top in zip(talked[count], best, strict=True)]
        p50 = [t.p50_ms / one for t, one in zip(talked[count], alone, strict=True)]
        p99 = [t.p99_ms / one for t, one in zip(talked[count], alone, strict=True)]
        print(f"{count:>5} conversations: busy {spread(ratios)} x pgbench's best; closed loop {spread(loops)} x;")
        print(f"      latency p50 {spread(p50)} x, p99 {spread(p99)} x one pgbench transaction")


def spread(values: list[float]) -> str:
    """Return the median with the least and the most."""
    digits = 0 if min(values) > 100 else 2
    return f"{statistics.median(values):,.{digits}f} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


async def profile(running: Running, arguments: argparse.Namespace) -> None:
    """Print where the daemon's time goes while 1,000 conversations are busy."""
    dsn = await create_database(running, "stepwell")
    await prepare_stepwell(dsn)
    await watch_statements(dsn)
    with tempfile.NamedTemporaryFile(suffix=".prof") as file:
        daemon = Daemon(dsn, file.name)
        try:
            await wait_for_script(dsn)
            sessions = await start_conversations(dsn, "echo.bas", arguments.profile)
            await asyncio.sleep(STARTING_SECONDS)
            rate = await keep_busy(dsn, sessions, arguments.seconds)
        finally:
            daemon.stop()
        print(f"{rate:,.0f} turns/s under the profiler")
        await show_statements(dsn, rate * arguments.seconds)
        pstats.Stats(file.name).sort_stats("tottime").print_stats(PROFILE_LINES)


async def watch_statements(dsn: str) -> None:
    """Have the server add up its time by statement."""
    import asyncpg

    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("create extension pg_stat_statements")
    finally:
        await connection.close()


async def show_statements(dsn: str, turns: float) -> None:
    """Print where PostgreSQL's time went, by statement, in microseconds a turn."""
    import asyncpg

    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch(
            "select calls, total_exec_time + total_plan_time as ms, rows, query from pg_stat_statements"
            " where dbid = (select oid from pg_database where datname = current_database())"
            " order by total_exec_time desc limit 12"
        )
    finally:
        await connection.close()
    for row in rows:
        statement = " ".join(row["query"].split())[:150]
        print(f"{row['ms'] * 1000 / turns:>8.1f} µs a turn, {row['calls']:>6} calls: {statement}")


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="rounds of pgbench and Stepwell in turn")
    parser.add_argument("--seconds", type=float, default=4, help="length of each pgbench run and closed loop")
    parser.add_argument("--postgres-bin", type=Path, help="binaries of another PostgreSQL")
    parser.add_argument("--profile", type=int, metavar="CONVERSATIONS", help="profile that many instead")
    arguments = parser.parse_args()
    with server(arguments.postgres_bin) as running:
        print(f"PostgreSQL {running.version}, fsync on, synchronous_commit on", flush=True)
        asyncio.run((profile if arguments.profile else measure)(running, arguments))


if __name__ == "__main__":
    main()
