"""CPU time of processes, from /proc: what a turn costs whatever else the machine is doing."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has started: of a PostgreSQL server, its backends and helpers."""
    return [int(p) for task in Path(f"/proc/{pid}/task").glob("*/children") for p in task.read_text().split()]


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the user and system time that the processes have used; one that is gone counts nothing."""
    ticks = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS_A_SECOND
