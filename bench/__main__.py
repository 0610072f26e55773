"""`python -m bench`: every figure of docs/performance.md, beside pgbench on the same server in the same run."""

from __future__ import annotations

import argparse
import asyncio
import platform
import statistics
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from bench.cpu import children_of, cpu_seconds
from bench.in_flight import measure_in_flight
from bench.load import Latencies, converse, end_conversations, keep_busy, start_conversations
from bench.processes import Daemon, http_server, prepare_stepwell, raise_file_limit, wait_for_scripts
from bench.profiling import profile
from bench.server import Pgbench, create_database, prepare_pgbench, run_pgbench, server
from daemon.embedded import Running

PGBENCH_CLIENTS = (1, 8, 16, 32)
CONVERSATIONS = (1, 32, 1000)
SCRIPTS = ("echo.bas", "http.bas", "data.bas")  # the first is what the others are compared with


@dataclass(frozen=True, slots=True)
class Measured:
    """One row of a round: busy turns a second, the closed loop, CPU a turn in microseconds."""

    rate: float
    talked: Latencies
    daemon_us: float
    postgres_us: float


@dataclass(frozen=True, slots=True)
class Round:
    """What was measured within a few seconds of each other."""

    reference: dict[int, Pgbench]
    rows: dict[tuple[str, int], Measured]

    @property
    def best(self) -> float:
        """pgbench's best rate."""
        return max(p.rate for p in self.reference.values())

    @property
    def alone_ms(self) -> float:
        """One pgbench transaction, in milliseconds."""
        return self.reference[1].latency_ms


async def measure(running: Running, arguments: argparse.Namespace) -> None:
    """Measure in rounds, pgbench and Stepwell in turn, and print medians with their spread."""
    plain = await create_database(running, "plain")
    await prepare_pgbench(plain)
    dsn = await create_database(running, "stepwell")
    await prepare_stepwell(dsn)
    rounds: list[Round] = []
    with http_server() as asked:
        daemon = Daemon(dsn, settings=asked.settings)
        try:
            await wait_for_scripts(dsn)
            for number in range(1, arguments.rounds + 1):
                reference = {n: run_pgbench(running, plain, n, arguments.seconds) for n in PGBENCH_CLIENTS}
                show_reference(number, reference)
                rounds.append(Round(reference, {}))
                for script in arguments.scripts:
                    for count in arguments.conversations:
                        row = await measure_row(running, daemon, dsn, script, count, arguments.seconds)
                        rounds[-1].rows[script, count] = row
                        show_row(number, script, count, row)
        finally:
            daemon.stop()
    summarize(rounds)


async def measure_row(running: Running, daemon: Daemon, dsn: str, script: str, count: int, seconds: float) -> Measured:
    """Measure so many conversations of a script, which begin and end with this."""
    sessions = await start_conversations(dsn, script, count)

    def look() -> list[float]:
        return [cpu_seconds([daemon.process.pid]), cpu_seconds(children_of(running.pid or 0))]

    rate, (daemon_us, postgres_us) = await keep_busy(dsn, sessions, seconds, look)
    talked = await converse(dsn, sessions, seconds, min(count, 16))
    await end_conversations(dsn, sessions)
    return Measured(rate, talked, daemon_us, postgres_us)


def show_reference(number: int, reference: dict[int, Pgbench]) -> None:
    """Print one round of pgbench."""
    shown = ", ".join(f"{p.clients} clients {p.rate:,.0f}/s" for p in reference.values())
    print(f"round {number}: pgbench: {shown}; one transaction {reference[1].latency_ms:.2f} ms", flush=True)


def show_row(number: int, script: str, count: int, row: Measured) -> None:
    """Print one row of one round."""
    print(
        f"round {number}: {script:>8}, {count:>5} conversations: {row.rate:>8,.0f} turns/s busy;"
        f" closed loop {row.talked.rate:>7,.0f} turns/s,"
        f" p50 {row.talked.p50_ms:.2f} ms, p99 {row.talked.p99_ms:.2f} ms;"
        f" CPU a turn: daemon {row.daemon_us:.0f} µs, PostgreSQL {row.postgres_us:.0f} µs",
        flush=True,
    )


def summarize(rounds: list[Round]) -> None:
    """Print each figure as a ratio to pgbench in the same round: median, least and most."""
    print(f"\n{platform.platform()}, Python {platform.python_version()}")
    print(f"pgbench's best: {spread([r.best for r in rounds])} turns/s; one client: ", end="")
    print(f"{spread([r.alone_ms for r in rounds])} ms")
    for key in rounds[0].rows:
        script, count = key
        found: dict[str, list[float]] = defaultdict(list)
        for one in rounds:
            row = one.rows[key]
            found["rate"].append(row.rate)
            found["busy"].append(row.rate / one.best)
            found["loop"].append(row.talked.rate / one.best)
            found["p50"].append(row.talked.p50_ms / one.alone_ms)
            found["p99"].append(row.talked.p99_ms / one.alone_ms)
            found["daemon"].append(row.daemon_us)
            found["postgres"].append(row.postgres_us)
            if plain := one.rows.get((SCRIPTS[0], count)):
                found["echo"].append(row.rate / plain.rate)
        shown = {name: spread(values) for name, values in found.items()}
        print(f"{script:>8}, {count:>5} conversations: busy {shown['busy']} x pgbench's best", end="")
        print(f", {shown['echo']} x {SCRIPTS[0]}" if script != SCRIPTS[0] and "echo" in shown else "", end="")
        print(f" ({shown['rate']} turns/s); closed loop {shown['loop']} x;")
        print(f"      latency p50 {shown['p50']} x, p99 {shown['p99']} x one pgbench transaction;", end="")
        print(f" CPU a turn: daemon {shown['daemon']} µs, PostgreSQL {shown['postgres']} µs")


def spread(values: list[float]) -> str:
    """Return the median with the least and the most."""
    digits = 0 if min(values) > 100 else 2
    return f"{statistics.median(values):,.{digits}f} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="rounds of pgbench and Stepwell in turn")
    parser.add_argument("--seconds", type=float, default=4, help="length of each pgbench run and closed loop")
    parser.add_argument("--postgres-bin", type=Path, help="binaries of another PostgreSQL")
    parser.add_argument("--scripts", nargs="+", default=SCRIPTS, choices=SCRIPTS, help="only these rows")
    parser.add_argument("--conversations", nargs="+", type=int, default=CONVERSATIONS, help="only so many at once")
    parser.add_argument("--profile", type=int, metavar="CONVERSATIONS", help="profile that many of --scripts instead")
    parser.add_argument("--in-flight", type=int, metavar="REQUESTS", help="so many wait for an answer at once, instead")
    arguments = parser.parse_args()
    raise_file_limit()
    with server(arguments.postgres_bin) as running:
        print(f"PostgreSQL {running.version}, fsync on, synchronous_commit on", flush=True)
        if arguments.profile:
            asyncio.run(profile(running, arguments.scripts[0], arguments.profile, arguments.seconds))
        elif arguments.in_flight:
            asyncio.run(measure_in_flight(running, arguments.in_flight, arguments.seconds))
        else:
            asyncio.run(measure(running, arguments))


if __name__ == "__main__":
    main()
