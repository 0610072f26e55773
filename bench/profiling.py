"""Where the time of busy conversations goes: the daemon by part and function, PostgreSQL by process and statement."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import subprocess
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import asyncpg

from bench.cpu import cpu_seconds
from bench.load import WARM_SECONDS, Busy, end_conversations, keep_busy, start_conversations
from bench.processes import Daemon
from bench.surroundings import Bench

FUNCTIONS = 30
STATEMENTS = 20
SETTLE_SECONDS = 4.0  # compiling the scripts at the start is not what is measured
WAIT_SECONDS = 10.0


async def profile(bench: Bench, script: str, count: int) -> None:
    """Tell where a turn's microseconds go while `count` conversations of a script are busy."""
    async with bench.database() as dsn:
        await bench.execute(dsn, "create extension pg_stat_statements")
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "samples.json")
            async with bench.daemon(dsn, sampled=str(file)) as daemon:
                sessions = await start_conversations(dsn, script, count)
                await asyncio.sleep(SETTLE_SECONDS)
                await bench.execute(dsn, "vacuum analyze")
                await keep_busy(dsn, sessions, bench.seconds, bench.meter(daemon))  # warm
                await _sampled(bench, dsn, daemon, sessions, file, count)
                await _native(bench, dsn, daemon, sessions)
                for track in ("top", "all"):
                    await _statements(bench, dsn, daemon, sessions, track)
                await end_conversations(dsn, sessions)


async def _busy_while(bench: Bench, dsn: str, daemon: Daemon, sessions: list[str], work: Any) -> Busy:
    """Keep everybody busy, and have `work` done within the counted time."""
    async with asyncio.TaskGroup() as tasks:
        busy = tasks.create_task(keep_busy(dsn, sessions, bench.seconds, bench.meter(daemon)))
        await asyncio.sleep(WARM_SECONDS + 0.1)
        await work()
    return busy.result()


async def _sampled(bench: Bench, dsn: str, daemon: Daemon, sessions: list[str], file: Path, count: int) -> None:
    """Sample the daemon, and PostgreSQL's processes, for as long as is counted."""
    found: dict[str, float] = defaultdict(float)

    async def work() -> None:
        before = await _processes(bench)
        daemon.process.send_signal(signal.SIGUSR1)
        await asyncio.sleep(bench.seconds * 0.9)
        daemon.process.send_signal(signal.SIGUSR2)
        after = await _processes(bench)
        for pid, (name, seconds) in after.items():
            found[name] += seconds - before.get(pid, ("", 0.0))[1]

    busy = await _busy_while(bench, dsn, daemon, sessions, work)
    told = await asyncio.to_thread(_read, file)
    turns = told["seconds"] / max(busy.cost.daemon / 1e6, 1e-9)  # as many as the sampled CPU time is worth
    scenario = f"Profile: the daemon, {count:,} busy conversations"
    samples = sum(row[2] for row in told["rows"])
    each = told["seconds"] / max(1, samples) / turns * 1e6
    bench.sheet.add(scenario, "a turn in all", busy.cost.daemon, "µs")
    parts: dict[str, float] = defaultdict(float)
    functions: dict[str, float] = defaultdict(float)
    for part, function, seen in told["rows"]:
        parts[part] += seen * each
        functions[function or part] += seen * each
    for part, us in sorted(parts.items(), key=lambda item: -item[1]):
        bench.sheet.add(scenario, part, us, "µs", to=busy.cost.daemon, of="the turn")
    collector = told["collector"] / turns * 1e6
    bench.sheet.add(scenario, "of all this, the collector", collector, "µs", to=busy.cost.daemon, of="the turn")
    print(f"  {samples} samples; the functions with their own time and that of the libraries they call:")
    for function, us in sorted(functions.items(), key=lambda item: -item[1])[:FUNCTIONS]:
        print(f"  {us:>7.1f} µs  {function}")
    scenario = f"Profile: PostgreSQL's processes, {count:,} busy conversations"
    bench.sheet.add(scenario, "a turn in all", busy.cost.postgres, "µs")
    for name, seconds in sorted(found.items(), key=lambda item: -item[1]):
        us = seconds / turns * 1e6
        if us >= 0.5:
            bench.sheet.add(scenario, name, us, "µs", to=busy.cost.postgres, of="the turn")


def _read(file: Path) -> dict[str, Any]:
    """Return the samples, as soon as the daemon has written them. Raises FileNotFoundError."""
    for _ in range(round(WAIT_SECONDS / 0.05)):
        if file.exists():
            break
        time.sleep(0.05)
    told: dict[str, Any] = json.loads(file.read_text())
    return told


async def _processes(bench: Bench) -> dict[int, tuple[str, float]]:
    """Return the CPU seconds of PostgreSQL's processes, and what they last did."""
    connection = await asyncpg.connect(bench.running.dsn)
    try:
        rows = await connection.fetch("select pid, backend_type, query from pg_stat_activity")
    finally:
        await connection.close()
    found = {}
    for row in rows:
        said = " ".join((row["query"] or "").split())[:60].replace("|", "/")
        name = f"last said: {said}" if said else row["backend_type"]
        found[row["pid"]] = name, cpu_seconds([row["pid"]])
    return found


async def _native(bench: Bench, dsn: str, daemon: Daemon, sessions: list[str]) -> None:
    """Have perf, where there is one, say in which libraries the daemon's time goes."""
    perf = shutil.which("perf")
    if perf is None:
        print("  no perf here: the daemon's time by library is left out")
        return
    with tempfile.TemporaryDirectory() as folder:
        data = str(Path(folder, "perf.data"))

        async def work() -> None:
            seconds = str(max(1, round(bench.seconds * 0.9)))
            command = [
                perf or "",
                "record",
                "-q",
                "-F",
                "999",
                "-o",
                data,
                "-p",
                str(daemon.process.pid),
                "--",
                "sleep",
                seconds,
            ]
            recording = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
            await recording.wait()

        busy = await _busy_while(bench, dsn, daemon, sessions, work)
        command = [perf, "report", "-i", data, "--stdio", "--no-children", "--sort", "dso"]
        said = await asyncio.to_thread(subprocess.run, command, check=False, capture_output=True, text=True)
    for line in said.stdout.splitlines():
        share, _, library = line.strip().partition("%")
        if library and not line.startswith("#") and float(share) >= 0.5:
            us = busy.cost.daemon * float(share) / 100
            bench.sheet.add(
                "Profile: the daemon by library (perf)", library.strip(), us, "µs", to=busy.cost.daemon, of="the turn"
            )


async def _statements(bench: Bench, dsn: str, daemon: Daemon, sessions: list[str], track: str) -> None:
    """Print where PostgreSQL's time goes by statement; with track all, also inside of functions and triggers."""
    await bench.execute(
        bench.running.dsn, f"alter system set pg_stat_statements.track = '{track}'", "select pg_reload_conf()"
    )
    rows: list[asyncpg.Record] = []

    async def work() -> None:
        await bench.execute(dsn, "select pg_stat_statements_reset()")
        await asyncio.sleep(bench.seconds * 0.8)
        connection = await asyncpg.connect(dsn)
        try:
            rows.extend(
                await connection.fetch(
                    "select toplevel, calls, total_exec_time as ms, total_plan_time as planning, query"
                    " from pg_stat_statements"
                    " where dbid = (select oid from pg_database where datname = current_database())"
                    " order by total_exec_time + total_plan_time desc limit $1",
                    STATEMENTS,
                )
            )
        finally:
            await connection.close()

    busy = await _busy_while(bench, dsn, daemon, sessions, work)
    turns = max(1.0, busy.rate * bench.seconds * 0.8)
    scenario = f"Profile: PostgreSQL by statement, wall time (pg_stat_statements, track {track})"
    for row in rows:
        us = (row["ms"] + row["planning"]) * 1000 / turns
        if us >= 0.5:
            nested = "" if row["toplevel"] else "nested: "
            name = f"{nested}{' '.join(row['query'].split())[:110]} ({turns / row['calls']:,.0f} turns a call)".replace(
                "|", "/"
            )
            bench.sheet.add(scenario, name, us, "µs")
