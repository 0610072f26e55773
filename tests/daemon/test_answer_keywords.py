"""examples/bot_server: the program that answers keywords by SQL, beside a real daemon; killed in the middle, too."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

from tests.cli.conftest import stepwell as stepwell  # the fixture
from tests.cli.terminal import Command
from tests.daemon.conversing import chatting, fetch

EXAMPLE = Path(__file__).parents[2] / "examples" / "bot_server"
SCRIPTS = {"manual.bas": (EXAMPLE / "manual.bas").read_text()}


@asynccontextmanager
async def program(dsn: str, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the program until the end of the block."""
    arguments = (str(EXAMPLE / "answer_keywords.py"), dsn, str(folder / "files"), str(folder / "outbox"))
    running = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=asyncio.subprocess.PIPE)
    try:
        assert running.stdout is not None
        assert await running.stdout.readline() == b"answering SEND FILE, USE KB\n"
        yield running
    finally:
        running.kill()
        await running.communicate()


async def test_keywords_are_answered_by_another_program(database: str, tmp_path: Path) -> None:
    (tmp_path / "files" / "printers").mkdir(parents=True)
    (tmp_path / "files" / "printers" / "laser.txt").write_text("Mind the drum.")
    async with chatting(database, SCRIPTS, performers=[]) as chat:
        async with program(database, tmp_path):
            session = uuid4()
            await chat.clients.start("manual.bas", session_id=session)
            assert await chat.until_said(session) == ["I know 1 manuals. Which one?"]
            await chat.clients.send(session, "laser")
            assert await chat.until_said(session) == ["Here it is: laser.txt"]
            [sent] = (tmp_path / "outbox").iterdir()
            assert sent.read_text() == "Mind the drum."
            await chat.clients.start("manual.bas", session_id=session)
            assert await chat.until_said(session) == ["I know 1 manuals. Which one?"]
            await chat.clients.send(session, "../../etc/passwd")
            assert await chat.until_said(session) == ["Sorry. There is no file printers/../../etc/passwd.txt."]
        # A taker that died with what it had taken: its lease ends, and the next one answers.
        session = uuid4()
        await chat.clients.start("manual.bas", session_id=session)
        while not (dead := await fetch(database, "select * from workflow_take_requests('USE KB', 9, '1 millisecond')")):
            await asyncio.sleep(0.01)
        async with program(database, tmp_path):
            assert await chat.until_said(session) == ["I know 1 manuals. Which one?"]
        assert json.loads(dead[0]["payload"]) == {"arguments": ["printers"], "clauses": {}}


def test_its_script_is_tested_without_it(stepwell: Command) -> None:
    told = stepwell("test", EXAMPLE)
    assert (told.status, told.out.splitlines()[-1]) == (0, "1 passed, 0 failed"), told.out
