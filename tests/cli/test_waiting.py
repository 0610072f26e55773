"""What ps and show say of conversations that wait for the world outside."""

from __future__ import annotations

from uuid import UUID

from daemon.app import run_daemon
from daemon.settings import load_settings
from tests.cli.terminal import Command
from tests.conftest import run

SCRIPTS = {
    "event.bas": '#workflow\nWAIT FOR EVENT "goods arrived"\n',
    "either.bas": '#workflow\nHEAR x WITH "Which?" OR EVENT "goods arrived"\n',
    "approval.bas": '#workflow\nORCHESTRATE WORKFLOW "r"\nSTEP 1: HUMAN APPROVAL FROM "boss@example.com" TIMEOUT 60\nEND WORKFLOW\n',
    "branches.bas": '#workflow\nORCHESTRATE WORKFLOW "r"\nSTEP 1: PARALLEL\nBRANCH a\nWAIT FOR EVENT "x"\nBRANCH b\n'
    'WAIT FOR EVENT "y"\nEND PARALLEL\nEND WORKFLOW\n',
    "file.bas": '#workflow\nSEND FILE "a.pdf"\n',
    "direct.bas": '#direct\nSEND FILE "b.pdf"\n',
    "asks.bas": '#direct\nHEAR x WITH "Which?"\n',
}
WORDS = {
    "event.bas": "the event goods arrived",
    "either.bas": "an answer: Which? or the event goods arrived",
    "approval.bas": "the decision of boss@example.com",
    "branches.bas": "the end of 2 conversations that it started",
    "file.bas": "the answer to SEND FILE (nobody has taken it)",
    "direct.bas": "the answer to SEND FILE (nobody has taken it)",
    "asks.bas": "an answer",
}


async def start_all(dsn: str) -> dict[str, UUID]:
    async with run_daemon(load_settings(None, {"database.url": dsn}, environ={})) as daemon:
        deployment = await daemon.deploy(SCRIPTS)
        assert not deployment.refused, [p.render() for p in deployment.problems]
        ids = {script: await daemon.clients.start(script, session_id=UUID(int=n)) for n, script in enumerate(SCRIPTS)}
        daemon.look()
        await daemon.idle()
    return ids


def test_everything_that_is_waited_for_is_said_in_words(stepwell: Command, database: str) -> None:
    ids = run(start_all(database))
    told = " ".join(stepwell("ps", "--database-url", database).out.split())
    assert "No daemon runs: nothing moves until one does" in told
    for script, words in WORDS.items():
        shown = " ".join(stepwell("show", ids[script], "--database-url", database).out.split())
        assert f"waits for {words}" in shown, shown
        assert words.split()[-1] in told
