"""The processes of a measurement beside PostgreSQL: the daemon, and the HTTP server that its scripts ask."""

from __future__ import annotations

import asyncio
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import asyncpg
import httpx2

from bench.server import HERE
from daemon.migrations import migrate

ANSWER_SECONDS = 60.0
# Room for as many conversations as are measured at once, all of one bot and asking one host.
ROOM = {
    "requests.in_flight_max": "12000",
    "requests.in_flight_per_host_max": "10000",
    "requests.in_flight_per_bot_max": "10000",
    "web.timeout_seconds": "900",
}


class Daemon:
    """The daemon under measurement."""

    def __init__(self, dsn: str, *, profile: str = "", settings: Mapping[str, str] | None = None) -> None:
        given = [f"--set={key}={value}" for key, value in (settings or {}).items()]
        command = [sys.executable, "-m", "bench.daemon_process", dsn, str(HERE), f"--profile={profile}", *given]
        self.process = subprocess.Popen(command)

    def stop(self) -> None:
        """Stop it gracefully."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


class HttpServer:
    """The server that is asked, as its own process."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.settings = {"web.base_url": self.url} | ROOM

    async def ask(self, path: str) -> dict[str, float]:
        """Return what it answers."""
        async with httpx2.AsyncClient(trust_env=False, timeout=ANSWER_SECONDS) as client:
            answer: dict[str, float] = (await client.get(self.url + path)).json()
            return answer


@contextmanager
def http_server(delay: float = 0.0) -> Iterator[HttpServer]:
    """Run the HTTP server while the block runs."""
    command = [sys.executable, "-m", "bench.http_server", str(delay)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield HttpServer(int(process.stdout.readline()))
    finally:
        process.kill()
        process.wait(30)


def raise_file_limit() -> int:
    """Let this process and those it starts have as many open files as the system lets them; return how many."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


async def prepare_stepwell(dsn: str) -> None:
    """Create the schema of Stepwell."""
    connection = await asyncpg.connect(dsn)
    try:
        await migrate(connection)
    finally:
        await connection.close()


async def wait_for_scripts(dsn: str) -> None:
    """Wait until the daemon has deployed the measured scripts."""
    connection = await asyncpg.connect(dsn)
    try:
        for _ in range(9_000):
            if await connection.fetchval("select exists (select from workflow_scripts)"):
                return
            await asyncio.sleep(0.01)
    finally:
        await connection.close()
    raise SystemExit("the daemon did not deploy its scripts within 90 s")
