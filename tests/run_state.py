"""The state directory of a run of the tests: workers and the processes they start share the grammar's tables in it.

Building the tables takes seconds of CPU, and dozens of processes need them. The first one builds them, the others
wait for that; pytest's cache keeps them for the next run, and bytecode where none is written beside the sources.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

from lark import Lark

from daemon.grammar_tables import PREFIX, TablesInDirectory
from engine.registry import keep_tables

VARIABLE = "STATE_DIRECTORY"
NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"


class SharedTables:
    """Tables of a directory that several processes ask for at once: one builds them."""

    def __init__(self, directory: Path) -> None:
        self._tables = TablesInDirectory(directory)
        self._lock = directory / "building"

    def read(self, name: str) -> Lark | None:
        """Return the parser, once nobody builds it; None to the one who is to build it."""
        if parser := self._tables.read(name):
            return parser
        self._held = self._lock.open("w")  # whoever dies lets it go
        fcntl.flock(self._held, fcntl.LOCK_EX)
        if parser := self._tables.read(name):
            self._held.close()
        return parser

    def write(self, name: str, parser: Lark) -> None:
        """Keep the parser, and let the others read it."""
        self._tables.write(name, parser)
        self._held.close()


def use_tables() -> None:
    """Share the tables of this run's state directory, in this process; without a run nothing is kept."""
    if made := os.environ.get(VARIABLE):
        keep_tables(SharedTables(Path(made)))


def make(cache: Path) -> Path:
    """Make the state directory of the run, for this process and all it starts; `cache` has an earlier run's tables."""
    made = Path(tempfile.mkdtemp(prefix="stepwell-state-"))
    made.chmod(0o711)  # a server's user walks through it
    os.environ[VARIABLE] = str(made)
    _copy(cache, made)
    if os.environ.pop(NO_BYTECODE, ""):
        # Whoever wants none beside the sources need not have every process compile them anew, for seconds of CPU.
        os.environ.setdefault("PYTHONPYCACHEPREFIX", str((cache if cache.is_dir() else made) / "bytecode"))
    return made


def end(made: Path, cache: Path) -> None:
    """Remove the state directory; its tables go to `cache`."""
    _copy(made, cache)
    shutil.rmtree(made, ignore_errors=True)
    os.environ.pop(VARIABLE, None)


def _copy(source: Path, target: Path) -> None:
    for file in source.glob(f"{PREFIX}*"):
        name = file.name.removeprefix(PREFIX)
        if tables := TablesInDirectory(source).trusted(name):
            TablesInDirectory(target).keep(name, tables)
