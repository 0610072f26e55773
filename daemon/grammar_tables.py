"""The tables of the scripts' grammar, kept between two starts: building them takes seconds of CPU.

They are a pickle, so they are read only where nobody else can have written them: a file of our own user, in a
directory of our own user, neither writable by anybody else. Where that is not so, they are built anew and not kept.
"""

from __future__ import annotations

import io
import os
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lark import Lark

PREFIX = "grammar-"


@dataclass(frozen=True, slots=True)
class TablesInDirectory:
    """Tables as files of a directory, one for each grammar; writing one removes those of other grammars."""

    directory: Path

    def read(self, name: str) -> Lark | None:
        """Return the parser of that name; None where its tables cannot be read, or others may have written them."""
        tables = self.trusted(name)
        if tables is None:
            return None
        try:
            return Lark.load(io.BytesIO(tables))
        except Exception:  # whatever is wrong with a file: the tables are built anew
            return None

    def write(self, name: str, parser: Lark) -> None:
        """Keep the parser's tables; where that is not possible, nothing happens."""
        file = io.BytesIO()
        parser.save(file)
        self.keep(name, file.getvalue())

    def trusted(self, name: str) -> bytes | None:
        """Return the tables of that name; None where there are none that only we can have written."""
        path = self.directory / f"{PREFIX}{name}"
        try:
            if not _is_ours(self.directory.stat()):
                return None
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as file:
                return file.read() if _is_ours(os.fstat(file.fileno())) else None
        except OSError:
            return None

    def keep(self, name: str, tables: bytes) -> None:
        """Write the tables, whole or not at all; where that is not possible, nothing happens."""
        with suppress(OSError):
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not _is_ours(self.directory.stat()):
                return
            descriptor, temporary = tempfile.mkstemp(prefix=PREFIX, dir=self.directory)  # mode 0600
            with os.fdopen(descriptor, "wb") as file:
                file.write(tables)
            Path(temporary).replace(self.directory / f"{PREFIX}{name}")
            for other in self.directory.glob(f"{PREFIX}*"):
                if other.name != f"{PREFIX}{name}":
                    other.unlink(missing_ok=True)


def _is_ours(found: os.stat_result) -> bool:
    return found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
