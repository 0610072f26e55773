"""Daemons as processes that have imported everything already: importing is most of the CPU of a start.

They are forked, by a process that has nothing but imports behind it, and are as much processes as others: they have
a process id, a session with nobody, and can be stopped, paused and killed. Tests that start dozens ask for this;
tests of the command line, and `python -m tests.faults`, start their programs anew.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver
from multiprocessing.context import ForkServerProcess
from pathlib import Path

IMPORTED = [
    "daemon.app",
    "daemon.cli.app",
    "daemon.cli.up",
    "daemon.serve",
    "daemon.performers",
    "tests.daemon.conversing",
]

_context = multiprocessing.get_context("forkserver")


class Preloaded:
    """A process like one of subprocess."""

    def __init__(self, process: ForkServerProcess) -> None:
        assert process.pid is not None
        self._process = process
        self.pid = process.pid

    def poll(self) -> int | None:
        """Return the exit status, None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status once it has ended. Raises subprocess.TimeoutExpired."""
        self._process.join(timeout)
        status = self._process.exitcode
        if status is None:
            raise subprocess.TimeoutExpired("a preloaded process", timeout or 0.0)
        return status

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


def warm_up() -> None:
    """Have the process that forks import, while we do something else."""
    _context.set_forkserver_preload(IMPORTED)
    forkserver.ensure_running()


def start(
    module: str, arguments: Sequence[str], output: Path, *, directory: Path, environment: Mapping[str, str]
) -> Preloaded:
    """Start what `python -m module arguments` is; what it says is added to `output`."""
    warm_up()
    process = _context.Process(
        target=_become, args=(module, list(arguments), str(output), str(directory), dict(environment)), daemon=True
    )
    process.start()
    return Preloaded(process)


def _become(module: str, arguments: list[str], output: str, directory: str, environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(directory)
    descriptor = os.open(output, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for standard in (1, 2):
        os.dup2(descriptor, standard)
    os.close(descriptor)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
