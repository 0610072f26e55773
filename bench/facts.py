"""Where and with what was measured: the machine, the versions, the settings."""

from __future__ import annotations

import os
import platform
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import asyncpg

from bench.processes import ROOM
from bench.server import HERE
from daemon.embedded import Running
from daemon.version import stepwell_version

FLUSHES = 200
DAEMON_VERSIONS = ("asyncpg", "uvloop", "msgspec")


async def facts_of(running: Running) -> dict[str, dict[str, Any]]:
    """Return what is to be known about a run, by subject."""
    connection = await asyncpg.connect(running.dsn)
    try:
        changed = await connection.fetch(
            "select name, current_setting(name) as value from pg_settings"
            " where source in ('command line', 'configuration file')"
            " and name !~ 'directory|_file|listen|socket|locale|^lc_|log_|port|search|TimeZone|DateStyle' order by name"
        )
    finally:
        await connection.close()
    return {
        "machine": machine(running.data),
        "versions": versions(running),
        "PostgreSQL's settings": {row["name"]: row["value"] for row in changed},
        "Stepwell's settings": {"all": "their defaults", "but where the world is asked": str(ROOM)},
    }


def machine(folder: Path) -> dict[str, Any]:
    """Return processor, memory, kernel, and what a flush of the disk takes."""
    model = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    memory = [int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal:")]
    return {
        "processor": (model or [platform.processor()])[0],
        "cores": len(os.sched_getaffinity(0)),
        "memory": f"{memory[0] / 2**20:.0f} GB" if memory else "unknown",
        "kernel": platform.release(),
        "flush of 8 KB": f"{flush_ms(folder.parent):.2f} ms",
        "load before": f"{os.getloadavg()[0]:.1f}",
    }


def versions(running: Running) -> dict[str, str]:
    """Return the versions of all that takes part."""
    from importlib.metadata import version

    commit = subprocess.run(
        ["git", "-C", str(HERE), "rev-parse", "--short", "HEAD"], check=False, capture_output=True, text=True
    ).stdout.strip()
    found = {"PostgreSQL": running.version, "Python": platform.python_version()}
    found |= {name: version(name) for name in DAEMON_VERSIONS}
    return found | {"Stepwell": f"{stepwell_version()} at {commit or 'no commit'}"}


def flush_ms(folder: Path) -> float:
    """Return how long writing 8 KB and flushing it takes, in milliseconds: the median."""
    taken = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(FLUSHES):
            begun = time.perf_counter()
            os.pwrite(file.fileno(), b"x" * 8192, 0)
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - begun)
    return sorted(taken)[FLUSHES // 2] * 1000


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines()
