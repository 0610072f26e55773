"""Where the time of busy conversations goes: the daemon's functions and PostgreSQL's statements."""

from __future__ import annotations

import asyncio
import pstats
import tempfile

import asyncpg

from bench.daemon_process import STARTING_SECONDS
from bench.load import WARM_SECONDS, keep_busy, start_conversations
from bench.processes import Daemon, http_server, prepare_stepwell, wait_for_scripts
from bench.server import create_database
from daemon.embedded import Running

PROFILE_LINES = 25


async def profile(running: Running, script: str, count: int, seconds: float) -> None:
    """Print where the daemon's time goes while `count` conversations of a script are busy."""
    dsn = await create_database(running, "stepwell")
    await prepare_stepwell(dsn)
    await watch_statements(dsn)
    with tempfile.NamedTemporaryFile(suffix=".prof") as file, http_server() as asked:
        daemon = Daemon(dsn, profile=file.name, settings=asked.settings)
        try:
            await wait_for_scripts(dsn)
            sessions = await start_conversations(dsn, script, count)
            await asyncio.sleep(STARTING_SECONDS)
            rate, _ = await keep_busy(dsn, sessions, seconds)
        finally:
            daemon.stop()
        print(f"{rate:,.0f} turns/s under the profiler")
        await show_statements(dsn, rate * (seconds + WARM_SECONDS))
        pstats.Stats(file.name).sort_stats("tottime").print_stats(PROFILE_LINES)


async def watch_statements(dsn: str) -> None:
    """Have the server add up its time by statement."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("create extension pg_stat_statements")
    finally:
        await connection.close()


async def show_statements(dsn: str, turns: float) -> None:
    """Print where PostgreSQL's time went, by statement, in microseconds a turn."""
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch(
            "select calls, total_exec_time + total_plan_time as ms, rows, query from pg_stat_statements"
            " where dbid = (select oid from pg_database where datname = current_database())"
            " order by total_exec_time desc limit 16"
        )
    finally:
        await connection.close()
    for row in rows:
        statement = " ".join(row["query"].split())[:150]
        print(f"{row['ms'] * 1000 / turns:>8.1f} µs a turn, {row['calls']:>6} calls: {statement}")
