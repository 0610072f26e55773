"""`stepwell requests`, and what ps and show say of a conversation that waits for the world outside."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from daemon.app import run_daemon
from daemon.settings import load_settings
from tests.cli.terminal import Command
from tests.conftest import run
from tests.daemon.conversing import fetch, until
from tests.daemon.performing import Told, never

SCRIPTS = {
    "file.bas": '#workflow\nx = SEND FILE "a.pdf"\nTALK "it is ${x}"\n',
    "book.bas": '#workflow\nx = BOOK ROOM "blue" TIMEOUT 2 HOURS\nTALK "it is ${x}"\n',
}


async def begin(dsn: str) -> list[UUID]:
    """Start file.bas and book.bas; the attempt at the first is cut short, the second is nobody's."""
    flags: dict[str, object] = {"database.url": dsn, "requests.in_doubt": "park", "daemon.stop_seconds_max": 0.2}
    performer = Told(never, kinds=frozenset({"SEND FILE"}))
    async with run_daemon(load_settings(None, flags, environ={}), performers=[performer]) as daemon:
        await daemon.deploy(SCRIPTS)
        ids = [await daemon.clients.start(script, session_id=uuid4()) for script in SCRIPTS]
        daemon.look()
        await until(lambda: performer.under_way == 1)
        while len(await fetch(dsn, "select from workflow_requests")) < 2:
            pass
    return ids


@pytest.fixture
def begun(database: str) -> list[UUID]:
    return run(begin(database))


def test_requests_that_nobody_answered_are_listed_and_ended(
    stepwell: Command, database: str, begun: list[UUID]
) -> None:
    at = ("--database-url", database)
    told = stepwell("requests", *at)
    doubtful, free = (line for line in told.out.splitlines() if ".bas" in line)
    assert "SEND FILE" in doubtful and "in doubt" in doubtful
    assert "BOOK ROOM" in free and "nobody has" in free
    assert told.out.endswith("\n1 request in doubt: stepwell requests retry|complete|fail ID\n")
    rows = stepwell("requests", "--json", "--status", "in_doubt", *at).document()
    assert [(row["kind"], row["execution_id"], row["attempts"]) for row in rows] == [("SEND FILE", str(begun[0]), 1)]
    assert stepwell("requests", "--json", "--kind", "http", *at).document() == []
    [row] = stepwell("requests", "--json", "--execution", begun[1], *at).document()

    listed = {line.split()[1]: line for line in stepwell("ps", *at).out.splitlines() if ".bas" in line}
    assert "SEND FILE is in doubt" in listed["file.bas"] and "the answer to BOOK ROOM" in listed["book.bas"]
    assert "waits    for the answer to BOOK ROOM" in stepwell("show", begun[1], *at).out

    id = rows[0]["id"]
    assert stepwell("requests", "complete", id, "{broken", *at).status == 1
    done = stepwell("requests", "complete", id[:13], '{"url": "x"}', *at)
    assert (done.status, done.out) == (0, f"Request {id} is done; it was in_doubt.\n")
    assert stepwell("requests", "complete", id, *at).status == 0, "again: it is so already"
    assert stepwell("requests", "fail", id, "no", *at).status == 1
    again = stepwell("requests", "retry", row["id"], "--json", *at).document()
    assert (again["changed"], again["status"]) == (True, "pending")
    assert stepwell("requests", "fail", row["id"], "no room", *at).status == 0
    assert stepwell("requests", *at).out == "No request is waiting for its answer.\n"
    [signal] = run(fetch(database, "select message from workflow_signals where kind = 'failed'"))
    assert signal["message"] == "no room"
    for wrong in ("xyz", "", "ffff"):
        refused = stepwell("requests", "retry", wrong, *at)
        assert refused.status == 1 and "Traceback" not in refused.err and refused.err
