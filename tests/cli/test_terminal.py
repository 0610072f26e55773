"""demo, chat and up as processes of their own, over an embedded server each."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from daemon.embedded import find_running
from tests.cli.terminal import ROOT, SECONDS_MAX, command_line, in_its_own_process, surroundings
from tests.conftest import run

CONVERSATION = "bot: Describe the issue\nyou: {said}\nbot: Ticket #{number} created\n"


@pytest.fixture(scope="module")
def home(state_home: Path) -> Iterator[Path]:
    """The folder of an embedded server that the tests of this module share, one after the other."""
    folder = Path(tempfile.mkdtemp(prefix="cli-", dir=state_home))
    folder.chmod(0o711)
    yield folder / "pg"


class Typing:
    """A command on a terminal of its own."""

    def __init__(self, *arguments: object) -> None:
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            command_line(*arguments), stdin=slave, stdout=slave, stderr=slave, cwd=ROOT, env=surroundings() | {"TERM": "xterm"},
            start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        self.seen = ""

    def __enter__(self) -> Typing:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing behind, however the test went."""
        self.process.kill()
        self.process.wait()
        os.close(self.master)

    def until(self, text: str) -> None:
        """Wait until the terminal shows a text."""
        deadline = time.monotonic() + SECONDS_MAX
        while text not in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self.seen):
            ready, _, _ = select.select([self.master], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, self.seen
            try:
                self.seen += os.read(self.master, 65_536).decode()
            except OSError:  # the other side is closed
                raise AssertionError(self.seen) from None

    def type(self, text: str) -> None:
        """Type something."""
        os.write(self.master, text.encode())

    def end(self) -> int:
        """Wait for the end and return the exit status."""
        return self.process.wait(SECONDS_MAX)


def test_the_demo_holds_the_conversation_twice_and_after_a_kill(home: Path) -> None:
    first = in_its_own_process("demo", "--embedded-directory", home, answers="my printer is on fire\n")
    assert first.status == 0, first.err
    assert first.out.startswith(CONVERSATION.format(said="my printer is on fire", number=1))
    assert "description  my printer is on fire" in first.out and "stepwell show" in first.out
    assert "bot:" not in first.err and "Starting PostgreSQL" in first.err

    with Typing("demo", "--embedded-directory", home) as killed:
        killed.until("you> ")
        killed.process.kill()
        assert killed.end() == -signal.SIGKILL

    again = in_its_own_process("demo", "--embedded-directory", home, answers="again\n")
    assert again.status == 0, again.err
    assert again.out.startswith(CONVERSATION.format(said="again", number=2))


def test_the_demo_on_a_terminal_asks_and_leaves_at_ctrl_d(home: Path) -> None:
    with Typing("demo", "--embedded-directory", home) as demo:
        demo.until("you> ")
        demo.type("\x04")
        demo.until("--session")
        assert demo.end() == 0


def test_chat_is_durable_across_ctrl_c(home: Path) -> None:
    with Typing("chat", "examples/order.bas", "--param", "table_number=7", "--embedded-directory", home) as chat:
        chat.until("you> ")
        chat.type("that is all, said nobody\n")
        chat.until("We do not have")
        chat.type("coffee\n")
        chat.until("How many?")
        chat.process.send_signal(signal.SIGINT)
        chat.until("--session ")
        assert chat.end() == 130
    [session] = re.findall(r"--session ([0-9a-f-]{36})", chat.seen.replace("\r\n", ""))

    back = in_its_own_process(
        "chat", "examples/order.bas", "--session", session, "--embedded-directory", home, answers="2\nThat is all\n"
    )
    assert back.status == 0, back.err
    assert "bot: How many?\nyou: 2\nbot: 2 × Coffee, that makes 3.60 € so far.\n" in back.out
    assert back.out.endswith("     In all 3.60 €.\n")


def test_a_secret_is_not_shown_and_a_failure_ends_with_1(home: Path, tmp_path: Path) -> None:
    (tmp_path / "pin.bas").write_text('HEAR pin AS PASSWORD WITH "PIN?"\nTHROW "no such pin"\n')
    told = in_its_own_process("chat", tmp_path / "pin.bas", "--embedded-directory", home, answers="hunter-22\n")
    assert told.status == 1 and "hunter" not in told.out + told.err
    assert "you: [hidden]\n" in told.out and "no such pin" in told.out and "stepwell retry" in told.out


def test_chat_of_a_script_that_does_not_compile_starts_nothing(tmp_path: Path) -> None:
    (tmp_path / "bad.bas").write_text("TLAK 1\n")
    told = in_its_own_process("chat", tmp_path / "bad.bas", "--embedded-directory", tmp_path / "pg")
    assert told.status == 1 and "did you mean TALK?" in told.out and not (tmp_path / "pg").exists()


def test_up_deploys_runs_and_stops_and_others_talk_to_it(home: Path) -> None:
    flags = ("--config", "examples/stepwell.toml", "--embedded-directory", home)
    environment = surroundings() | {"STEPWELL_HTTP_LISTEN": "127.0.0.1:0"}
    up = subprocess.Popen(command_line("up", *flags), cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
    assert up.stderr is not None
    try:
        for line in up.stderr:
            if "scripts_deployed" in line:
                break
        else:
            raise AssertionError("up has ended")
        talked = in_its_own_process("chat", "examples/rating.bas", "--param", "subject=tea", *flags, answers="4\n")
        assert (talked.status, talked.out) == (0, "bot: tea?\nyou: 4\n")
        refused = in_its_own_process("demo", "--embedded-directory", home)
        assert refused.status == 1 and "a daemon runs on this database already" in refused.err
        another = in_its_own_process("up", *flags)
        assert another.status == 3 and f"(process {up.pid})" in another.err.splitlines()[-1]
        dsn = find_running(home)
        assert dsn is not None
        assert run(owners(dsn)) == 1
    finally:
        up.terminate()
        _, rest = up.communicate(timeout=SECONDS_MAX)
    assert up.returncode == 0, rest


async def owners(dsn: str) -> int:
    """Return how many daemons own partitions."""
    connection = await asyncpg.connect(dsn)
    try:
        return int(await connection.fetchval("select count(distinct owner) from workflow_partitions"))
    finally:
        await connection.close()
