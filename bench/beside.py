"""Measurements that are commands of their own: what they print goes to the figures, line by line."""

from __future__ import annotations

import asyncio
import subprocess
import sys

from bench.surroundings import Bench

# What is measured: the module, its arguments, and those of a quick run.
COMMANDS = {
    "The engine alone": ("bench.engine", (), ("--rounds", "3")),
    "The daemon without a database": ("bench.actors", (), ("--rounds", "10")),
    "Floods": ("tests.faults", ("flood",), ("flood", "--messages", "2000", "--seconds", "2")),
}


async def measure_beside(bench: Bench) -> None:
    """Run each of them to its end. Raises CalledProcessError if one fails."""
    for scenario, (module, full, small) in COMMANDS.items():
        command = [sys.executable, "-m", module, *(small if bench.quick else full)]
        output = await asyncio.to_thread(subprocess.check_output, command, text=True)
        for line in output.splitlines():
            bench.sheet.tell(f"{scenario} (python {' '.join(command[1:])})", line)
