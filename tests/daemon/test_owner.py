"""Who a daemon is, and when it certainly is gone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from daemon.owner import is_gone, owner_name

CHILD = "from daemon.owner import owner_name; print(owner_name(), flush=True); input()"


@pytest.fixture
def child() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that waits, and its name as an owner."""
    command = [sys.executable, "-c", CHILD]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
        process.kill()


def test_an_owner_that_lives_is_not_gone(child: tuple[subprocess.Popen[str], str]) -> None:
    _, name = child
    assert not is_gone(owner_name())
    assert not is_gone(name)


def test_an_owner_that_was_killed_is_gone_also_before_its_parent_looks(
    child: tuple[subprocess.Popen[str], str],
) -> None:
    process, name = child
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # dead, and a zombie until it is waited for
    assert is_gone(name)
    process.wait()
    assert is_gone(name)


def test_a_process_that_was_given_the_same_number_later_is_another() -> None:
    host, machine, pid, start, unique = owner_name().rsplit(":", 4)
    assert is_gone(f"{host}:{machine}:{pid}:{int(start) - 1}:{unique}")


@pytest.mark.parametrize("place", [1, 0], ids=["another machine, boot or container", "nothing is known of the machine"])
def test_of_other_machines_nothing_is_known(place: int) -> None:
    host, machine, _, start, unique = owner_name().rsplit(":", 4)
    other = "0" * len(machine) if place else ""
    assert not is_gone(f"{host}:{other}:{2**22 + 1}:{start}:{unique}")


@pytest.mark.parametrize("name", ["", "d1", "::::", "a:b:c:d:e", f"h:m:{10**30}:1:x"])
def test_a_name_of_another_make_is_nobody_who_is_gone(name: str) -> None:
    assert not is_gone(name)


def test_a_host_may_have_colons() -> None:
    _, machine, _, start, unique = owner_name().rsplit(":", 4)
    assert is_gone(f"fe80::1:{machine}:{2**22 + 1}:{start}:{unique}")
