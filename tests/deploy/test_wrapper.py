"""./stepwell: set up once, whatever happens on the way. The installer is a stand-in, the locks are real."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
WRAPPER = PROJECT / "stepwell"
WAIT_SECONDS_MAX = 30
# Stands in for uv: makes an environment whose `stepwell` tells its arguments, and writes down every call.
UV = """#!/bin/sh
echo "$*" >> "$FAKE_CALLS"
for last; do :; done
case $1 in
    venv)
        mkdir -p "$last/bin"
        ln -s "$FAKE_PYTHON" "$last/bin/python"
        printf '#!/bin/sh\\necho "ran: $*"\\n' > "$last/bin/stepwell"
        chmod +x "$last/bin/stepwell"
        ;;
    pip)
        echo "Resolved 3 packages in 1ms"
        [ ! -e "$FAKE_FAILS" ] || { echo "no route to the index" >&2; exit 1; }
        [ ! -e "$FAKE_HANGS" ] || exec sleep 600
        ;;
esac
"""
# Stands in for Python where it makes an environment, which takes seconds of CPU: one whose pip finds no index.
PYTHON = """#!/bin/sh
for last; do :; done
case "$1 $2" in
    "-m venv")
        mkdir -p "$last/bin"
        printf '#!/bin/sh\\necho "$*" >> "$FAKE_CALLS"\\necho "pip: no index" >&2\\nexit 1\\n' > "$last/bin/python"
        chmod +x "$last/bin/python"
        ;;
    *version_info*) echo "$0" ;;
    *) exec "$FAKE_PYTHON" "$@" ;;
esac
"""


class Tree:
    """A source tree of its own, with a path that has the stand-in for uv and no pip."""

    def __init__(self, folder: Path) -> None:
        self.source = folder / "a tree"
        self.source.mkdir()
        shutil.copy(WRAPPER, self.source / "stepwell")
        shutil.copy(PROJECT / "pyproject.toml", self.source)
        programs = folder / "bin"
        programs.mkdir()
        (programs / "uv").write_text(UV)
        (programs / "uv").chmod(0o755)
        self.calls = folder / "calls"
        self.fails = folder / "fails"
        self.hangs = folder / "hangs"
        self.environ = {
            "PATH": f"{programs}:/usr/bin:/bin",
            "STEPWELL_PYTHON": sys.executable,
            "FAKE_PYTHON": sys.executable,
            "FAKE_CALLS": str(self.calls),
            "FAKE_FAILS": str(self.fails),
            "FAKE_HANGS": str(self.hangs),
            # Where uv failed, pip is tried: it must not find the network from here either.
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": "",
            "HOME": str(folder),
        }

    def start(self, *arguments: str, program: Path | None = None) -> subprocess.Popen[str]:
        """Start the wrapper in a group of its own."""
        return subprocess.Popen(
            [str(program or self.source / "stepwell"), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd="/",
            env=self.environ,
            start_new_session=True,
        )

    def run(self, *arguments: str, program: Path | None = None) -> tuple[int, str, str]:
        """Run the wrapper; return status, output and complaints."""
        process = self.start(*arguments, program=program)
        out, err = process.communicate(timeout=WAIT_SECONDS_MAX)
        return process.returncode, out, err

    def count(self, what: str) -> int:
        """Return how often the installer was called so."""
        text = self.calls.read_text() if self.calls.exists() else ""
        return sum(1 for line in text.splitlines() if line.startswith(what))


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """A tree where nothing is set up."""
    return Tree(tmp_path)


def until(true: Callable[[], bool]) -> None:
    """Wait for what another process does."""
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_it_sets_up_once_and_passes_everything_on(tree: Tree) -> None:
    status, out, err = tree.run("ps", "--json", "a b")
    assert (status, out) == (0, "ran: ps --json a b\n")
    assert "Setting up, once" in err and "Resolved 3 packages" in err
    assert tree.run("--version") == (0, "ran: --version\n", "")
    assert (tree.count("venv"), tree.count("pip")) == (1, 1)


def test_other_needs_make_another_environment(tree: Tree) -> None:
    tree.run("ps")
    with (tree.source / "pyproject.toml").open("a") as file:
        file.write("# changed\n")
    assert tree.run("ps")[0] == 0
    assert tree.count("venv") == 2
    environments = [path for path in (tree.source / ".stepwell").iterdir() if path.name.startswith("run-")]
    assert len(environments) == 1, "the old one is gone"


def test_development_has_an_environment_of_its_own(tree: Tree) -> None:
    tree.run("ps")
    status, _, err = tree.run("dev", "no-such-tool")
    assert status == 2 and "there is no tool no-such-tool" in err
    assert tree.count("venv") == 2
    assert "-r" in tree.calls.read_text().splitlines()[-1]
    tree.run("ps")
    assert tree.count("venv") == 2


def test_a_failed_setting_up_is_told_and_tried_again(tree: Tree, tmp_path: Path) -> None:
    python = tmp_path / "bin" / "python-of-test"
    python.write_text(PYTHON)
    python.chmod(0o755)
    tree.environ["STEPWELL_PYTHON"] = str(python)
    tree.fails.touch()
    status, out, err = tree.run("ps")
    assert (status, out) == (2, "")
    assert "going on with venv and pip" in err and "The first run needs the network" in err
    assert tree.count("-m pip install") == 1 and "pip: no index" in err
    tree.fails.unlink()
    assert tree.run("ps")[:2] == (0, "ran: ps\n")


@pytest.mark.parametrize("whole_group", [True, False])
def test_a_start_killed_in_the_middle_is_made_good(tree: Tree, whole_group: bool) -> None:
    tree.hangs.touch()
    process = tree.start("ps")
    until(lambda: tree.count("pip") == 1)
    if whole_group:
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()
    tree.hangs.unlink()
    second = tree.start("ps")
    if not whole_group:
        # The installer of the killed start lives on, and holds the lock: nobody installs beside it.
        assert second.stderr is not None and "waiting for it" in second.stderr.readline()
        assert tree.count("venv") == 1
        os.killpg(process.pid, signal.SIGKILL)
    out, _ = second.communicate(timeout=WAIT_SECONDS_MAX)
    process.communicate()
    assert (second.returncode, out) == (0, "ran: ps\n")
    assert tree.count("venv") == 2


def test_two_that_start_at_once_set_up_once(tree: Tree) -> None:
    processes = [tree.start("ps", str(number)) for number in range(3)]
    answers = [process.communicate(timeout=WAIT_SECONDS_MAX)[0] for process in processes]
    assert answers == ["ran: ps 0\n", "ran: ps 1\n", "ran: ps 2\n"]
    assert tree.count("venv") == 1


def test_a_link_to_it_finds_its_tree(tree: Tree, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("a tree/stepwell")
    (tmp_path / "second").symlink_to(tmp_path / "link")
    assert tree.run("ps", program=tmp_path / "second")[:2] == (0, "ran: ps\n")
    assert (tree.source / ".stepwell").is_dir()


def test_an_environment_whose_python_is_gone_is_made_anew(tree: Tree) -> None:
    tree.run("ps")
    (environment,) = (tree.source / ".stepwell").glob("run-*")
    (environment / "bin" / "python").unlink()
    (environment / "bin" / "python").symlink_to("/nowhere/python3")
    assert tree.run("ps")[:2] == (0, "ran: ps\n")
    assert tree.count("venv") == 2


def test_without_python_there_is_a_sentence(tree: Tree) -> None:
    tree.environ["STEPWELL_PYTHON"] = "/nowhere/python3"
    status, _, err = tree.run("ps")
    assert status == 2 and "Python 3.11 or newer is needed and was not found" in err


def test_a_folder_that_cannot_be_made_is_a_sentence(tree: Tree) -> None:
    tree.environ["STEPWELL_HOME"] = "/dev/null/x"
    status, _, err = tree.run("ps")
    assert status == 2 and "STEPWELL_HOME" in err


def test_the_shell_is_plain() -> None:
    if shutil.which("shellcheck"):
        answer = subprocess.run(["shellcheck", WRAPPER], capture_output=True, text=True)
        assert answer.stdout == ""
    assert WRAPPER.read_text().startswith("#!/bin/sh\n")
    assert subprocess.run(["sh", "-n", WRAPPER]).returncode == 0
    assert os.access(WRAPPER, os.X_OK)
