"""CPU time and memory of processes, from /proc: what a turn costs whatever else the machine is doing."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def machine_ticks() -> tuple[int, int]:
    """Return the clock ticks that this machine has worked since it started, and those that its host kept from it."""
    user, nice, system, _idle, _wait, irq, soft, stolen, *_ = map(
        int, Path("/proc/stat").read_text(encoding="ascii").split(None, 10)[1:10]
    )
    return user + nice + system + irq + soft, stolen


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU of the daemons, of PostgreSQL and of the client: seconds, or microseconds a turn."""

    daemon: float
    postgres: float
    client: float

    @property
    def both(self) -> float:
        """What Stepwell costs: its daemon and its database."""
        return self.daemon + self.postgres


class Meter:
    """Adds up the CPU of a measurement: of some daemons, of a server with all its processes, of this process."""

    def __init__(self, daemons: Sequence[int], postmaster: int) -> None:
        self._daemons = daemons
        self._postmaster = postmaster
        self.restart()

    def restart(self) -> None:
        """Count from now on."""
        self._begun = self._read()

    def cost(self, turns: int = 0) -> Cost:
        """Return what was used since the restart: seconds in all, or microseconds a turn."""
        by = 1e6 / turns if turns else 1.0
        return Cost(*((now - before) * by for now, before in zip(self._read(), self._begun, strict=True)))

    def _read(self) -> tuple[float, float, float]:
        return cpu_seconds(self._daemons), server_seconds(self._postmaster), time.process_time()


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has started: of a PostgreSQL server, its backends and helpers."""
    return [int(p) for task in Path(f"/proc/{pid}/task").glob("*/children") for p in task.read_text().split()]


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the user and system time that the processes have used; one that is gone counts nothing."""
    return sum(_ticks(pid)[0] for pid in pids) / TICKS_A_SECOND


def server_seconds(postmaster: int) -> float:
    """Return the CPU time of a PostgreSQL server: what runs, and what has run and ended."""
    ended = _ticks(postmaster)[1] / TICKS_A_SECOND
    return ended + cpu_seconds([postmaster, *children_of(postmaster)])


def memory_mb(pid: int) -> float:
    """Return the memory of a process that is in use (VmRSS), in MB. Raises ProcessLookupError if it is gone."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise ProcessLookupError(f"process {pid} is gone")


def _ticks(pid: int) -> tuple[int, int]:
    """Return a process's own ticks, and those of its children that it has waited for."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0, 0
    return int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14])
