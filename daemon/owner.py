"""Who a daemon is to the others, and whether one of this machine still lives.

A daemon that was killed cannot give its partitions back, and its lease would keep every conversation waiting. Its
successor on the same machine need not wait: the name of an owner says which process it is, and the kernel knows
whether that process is still there. Of other machines, and of other containers, nothing can be known here: their
leases run out. Names are never used again, so a daemon that is gone stays gone; and should the kernel's answer
be wrong all the same, the fence in every statement holds.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

from daemon.store_partitions import Herald
from daemon.version import stepwell_version

BOOT = Path("/proc/sys/kernel/random/boot_id")
START_FIELD = 22  # of /proc/PID/stat, in proc(5): when the process started, in clock ticks since boot
STATE_FIELD = 3
ENDED = ("Z", "X")  # nothing of it runs any more; only its parent has not looked yet


def owner_name() -> str:
    """Return a name that no other daemon ever has, telling where this one runs: host:machine:pid:start:unique."""
    pid = os.getpid()
    found = _state_and_start(pid)
    return f"{socket.gethostname()}:{_machine()}:{pid}:{found[1] if found else ''}:{uuid4().hex[:12]}"


def herald_of(owner: str) -> Herald:
    """Return how the daemon of that name, which is this process, announces itself."""
    return Herald(owner, socket.gethostname(), os.getpid(), stepwell_version())


def is_gone(owner: str) -> bool:
    """Return whether an owner certainly is a process of this machine that has ended. False where it is not known."""
    parts = owner.rsplit(":", 4)
    if len(parts) != 5 or not parts[1] or parts[1] != _machine() or not parts[2].isdigit():
        return False
    pid, start = int(parts[2]), parts[3]
    try:
        os.kill(pid, 0)  # asks only; unlike /proc it is answered for processes that are hidden from us
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    found = _state_and_start(pid)
    return found is not None and (found[0] in ENDED or found[1] != start)


def _machine() -> str:
    """Return what a process id is unique in: this boot of this machine and its namespace of processes; or ""."""
    with suppress(OSError):
        place = f"{BOOT.read_text().strip()} {Path('/proc/self/ns/pid').readlink()}"
        return sha256(place.encode()).hexdigest()[:12]
    return ""


def _state_and_start(pid: int) -> tuple[str, str] | None:
    """Return the state and the start of a process, or None where they cannot be read."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # the name, in brackets, may hold anything; the state follows it
    return fields[0], fields[START_FIELD - STATE_FIELD]
