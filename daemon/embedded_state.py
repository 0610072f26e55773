"""The state directory of the embedded server: who runs it, what lies where, who is in it now.

data/           the cluster; `data.tmp` while initdb is making it
run/            the unix socket, mode 0700
lock            held with flock by the one process that owns the server, for as long as it lives
postgres.log    what the server says
hba.conf, ident.conf    rewritten at every start
binaries-…/     a copy of the programs, only where their user cannot reach the package
"""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict
from urllib.parse import quote

PORT = 5432  # part of the socket's name only; nothing listens on TCP
SOCKET_PATH_BYTES_MAX = 107  # sun_path of Linux, less its closing NUL
SUPERUSER = "postgres"
ACCOUNTS_FOR_ROOT = ("postgres", "nobody")


class EmbeddedError(Exception):
    """The embedded PostgreSQL cannot be started; the text says why and what to do."""


class EmbeddedInUse(EmbeddedError):
    """Another process runs a server in this directory."""


class PopenAccount(TypedDict, total=False):
    """The arguments of subprocess that make the child another user."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True)
class Account:
    """The operating system's user the server runs as: ourselves, or an ordinary one where we are root."""

    name: str
    uid: int
    gid: int

    def popen(self) -> PopenAccount:
        """Return the arguments for subprocess; nothing where the child stays the same user."""
        if self.uid == os.geteuid():
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def server_account() -> Account:
    """Return the user to run the server as: PostgreSQL refuses root. Raises EmbeddedError."""
    uid = os.geteuid()
    if uid != 0:
        try:
            entry = pwd.getpwuid(uid)
        except KeyError:
            raise EmbeddedError(
                f"The user id {uid} has no name on this machine, and PostgreSQL's initdb needs one. Add it "
                "to /etc/passwd, or give the address of a server: --database-url postgresql://…"
            ) from None
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    for name in ACCOUNTS_FOR_ROOT:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    raise EmbeddedError(
        "PostgreSQL does not run as root, and this machine has neither a user postgres nor a user nobody. "
        "Add one (useradd --system postgres), or start stepwell as an ordinary user."
    )


def account_name() -> str:
    """Return the name of the user we are, as PostgreSQL's peer authentication sees it."""
    return pwd.getpwuid(os.geteuid()).pw_name


def reachable(directory: Path, account: Account) -> bool:
    """Say whether `account` can enter `directory`; the child itself tries, so ACLs and mounts count too."""
    answer = subprocess.run(
        ["/bin/sh", "-c", 'cd -- "$1"', "sh", str(directory)],
        capture_output=True,
        cwd="/",
        **account.popen(),
    )
    return answer.returncode == 0


@dataclass(frozen=True, slots=True)
class PidFile:
    """What `postmaster.pid` says: process, socket directory, port, and the state (`ready` when it serves)."""

    pid: int
    socket_dir: str
    port: int
    status: str


def read_pid_file(data: Path) -> PidFile | None:
    """Return the cluster's `postmaster.pid`, or None where there is none, or only half of one yet."""
    try:
        lines = (data / "postmaster.pid").read_text(errors="replace").splitlines()
        pid = abs(int(lines[0]))
    except (OSError, ValueError, IndexError):
        return None
    lines += [""] * (8 - len(lines))
    return PidFile(
        pid=pid,
        socket_dir=lines[4].strip(),
        port=int(lines[3]) if lines[3].strip().isdigit() else PORT,
        status=lines[7].strip(),
    )


def serves(pid: int, data: Path) -> bool:
    """Say whether process `pid` is a live PostgreSQL of the cluster in `data`.

    A zombie is not, and neither is another program that was given the number of a dead server. A postmaster
    stays in its data directory; where we may not see that (root without CAP_SYS_PTRACE), its name decides.
    """
    process = Path("/proc") / str(pid)
    try:
        if not process.joinpath("comm").read_text().startswith("postgres"):
            return False
        if process.joinpath("stat").read_text().rsplit(")", 1)[1].split()[0] in "ZX":
            return False
        return _same(process / "cwd", data)
    except PermissionError:
        return True
    except (OSError, IndexError):
        return False


def processes_in(data: Path) -> list[int]:
    """Return the PostgreSQL processes of the cluster in `data` that we may see, ascending."""
    found = []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            if process.joinpath("comm").read_text().startswith(("postgres", "initdb")) and _same(process / "cwd", data):
                found.append(int(process.name))
        except OSError:
            continue
    return sorted(found)


def _same(link: Path, folder: Path) -> bool:
    return link.readlink() == folder.resolve()


def dsn(socket_dir: Path | str, database: str = "postgres", port: int = PORT) -> str:
    """Return the address of a database behind a unix socket, as asyncpg and psql both read it."""
    host = quote(str(socket_dir), safe="")
    return f"postgresql://{SUPERUSER}@/{quote(database, safe='')}?host={host}&port={port}"


def socket_fits(directory: Path) -> bool:
    """Say whether the socket's path in `directory` is short enough for the kernel."""
    return len(os.fsencode(directory / f".s.PGSQL.{PORT}")) <= SOCKET_PATH_BYTES_MAX


def find_running(state_dir: Path) -> str | None:
    """Return the address of the live server of this state directory, or None.

    For commands that only talk to the server that `stepwell up` runs.
    """
    data = state_dir / "data"
    found = read_pid_file(data)
    if found is None or not found.status.startswith("ready") or not serves(found.pid, data):
        return None
    return dsn(found.socket_dir, port=found.port)
