"""The processes of a measurement beside PostgreSQL: the daemon, and the HTTP server that its scripts ask."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import httpx2

from bench.server import HERE
from daemon.migrations import migrate

COMPILED = {"PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir(), "stepwell-bench-compiled"))}
ANSWER_SECONDS = 60.0
READY_SECONDS_MAX = 120.0
# Room for as many conversations as are measured at once, all of one bot and asking one host.
ROOM = {
    "requests.in_flight_max": "12000",
    "requests.in_flight_per_host_max": "10000",
    "requests.in_flight_per_bot_max": "10000",
    "web.timeout_seconds": "900",
}


class Daemon:
    """The daemon under measurement."""

    def __init__(self, dsn: str, *, sampled: str = "", settings: Mapping[str, str] | None = None) -> None:
        """`sampled` names a file for what it does, sampled from SIGUSR1 to SIGUSR2 (bench.sampler)."""
        self.port = free_port()
        told = {"http.listen": f"127.0.0.1:{self.port}"} | dict(settings or {})
        given = [f"--set={key}={value}" for key, value in told.items()]
        command = [sys.executable, "-m", "bench.daemon_process", dsn, str(HERE), f"--sampled={sampled}", *given]
        self.begun = time.perf_counter()
        # As an installed package has it, a module is compiled once, not at each start.
        environ = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"} | COMPILED
        self.process = subprocess.Popen(command, env=environ)

    async def until_ready(self) -> float:
        """Wait until /readyz says so; return the seconds from the start of the process. Raises TimeoutError."""
        async with asyncio.timeout(READY_SECONDS_MAX):
            while not await self._is_ready():
                await asyncio.sleep(0.005)
        return time.perf_counter() - self.begun

    async def _is_ready(self) -> bool:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.write(b"GET /readyz HTTP/1.1\r\nHost: bench\r\n\r\n")
            first = await reader.readline()
            writer.close()
        except OSError:
            return False
        return b" 200 " in first

    def stop(self) -> None:
        """Stop it gracefully."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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
