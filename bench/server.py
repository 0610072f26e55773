"""The server that is measured: an embedded PostgreSQL with everything durable, and pgbench on it."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

import asyncpg

from bench.cpu import server_seconds
from daemon.embedded import Running, start_embedded

HERE = Path(__file__).parent
SETTINGS = {
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.track_planning": "on",
}


@dataclass(frozen=True, slots=True)
class Pgbench:
    """One run of pgbench: turns a second, the mean latency of one transaction in milliseconds, and CPU a turn in µs."""

    clients: int
    rate: float
    latency_ms: float
    client_us: float
    postgres_us: float


@dataclass(frozen=True, slots=True)
class Reference:
    """pgbench with several numbers of clients, run within a few seconds of each other."""

    runs: dict[int, Pgbench]

    @property
    def best(self) -> float:
        """The best rate, in turns a second."""
        return max(p.rate for p in self.runs.values())

    @property
    def best_run(self) -> Pgbench:
        """The run with the best rate."""
        return max(self.runs.values(), key=lambda p: p.rate)

    @property
    def alone_ms(self) -> float:
        """One transaction of one client, in milliseconds."""
        return self.runs[1].latency_ms


@contextmanager
def server(binaries: Path | None) -> Iterator[Running]:
    """Yield a fresh server that is thrown away afterwards; fsync and synchronous_commit are on."""
    directory = Path(tempfile.mkdtemp(prefix="stepwell-bench-"))
    directory.chmod(0o755)
    try:
        with start_embedded(directory / "state", binaries=binaries, settings=SETTINGS) as running:
            yield running
    finally:
        rmtree(directory, ignore_errors=True)


async def create_database(running: Running, name: str) -> str:
    """Create an empty database and return its DSN."""
    connection = await asyncpg.connect(running.dsn)
    try:
        await connection.execute(f'create database "{name}"')
    finally:
        await connection.close()
    return running.dsn_of(name)


async def prepare_pgbench(dsn: str) -> None:
    """Create the tables of the least durable turn."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute((HERE / "pgbench.sql").read_text())
        await connection.execute("vacuum analyze")
    finally:
        await connection.close()


def run_pgbench(running: Running, dsn: str, clients: int, seconds: float, *, rate: float = 0.0) -> Pgbench:
    """Run the least durable turn as one function call a transaction, `rate` of them a second at most if that is not 0.
    A latency is the transaction's own then, not from when it was due. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "turn.sql")
        script.write_text("\\set which random(1, 1000)\nselect bench_turn(:which);\n")
        Path(folder).chmod(0o755)
        command = [str(running.binaries / "pgbench"), "-n", "-M", "prepared", "-f", str(script)]
        command += ["-c", str(clients), "-j", str(min(clients, 2)), "-T", str(max(1, round(seconds)))]
        command += [*([f"--rate={rate}"] if rate else []), dsn]
        client, postgres = children_seconds(), server_seconds(running.pid or 0)
        said = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
        client, postgres = children_seconds() - client, server_seconds(running.pid or 0) - postgres
    tps = re.search(r"tps = ([0-9.]+)", said.stdout)
    latency = re.search(r"latency average = ([0-9.]+) ms", said.stdout)
    count = re.search(r"transactions actually processed: ([0-9]+)", said.stdout)
    lag = re.search(r"rate limit schedule lag: avg ([0-9.]+)", said.stdout)
    assert tps and latency and count, said.stdout
    by = 1e6 / max(1, int(count[1]))
    alone_ms = float(latency[1]) - (float(lag[1]) if lag else 0.0)
    return Pgbench(clients, float(tps[1]), alone_ms, client * by, postgres * by)


def children_seconds() -> float:
    """Return the CPU time of this process's children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
