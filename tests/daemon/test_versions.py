"""Two versions at once: what the newer one has made is left to it."""

from __future__ import annotations

import pytest

import daemon.plans
from daemon.version import is_newer
from tests.daemon.conversing import chatting, execute


@pytest.mark.parametrize(
    ("one", "other", "newer"),
    [
        ("1.0.1", "1.0", True),
        ("1.10", "1.9.9", True),
        ("1.0", "1.0", False),
        ("0.9", "1.0", False),
        ("2.0.dev1", "1.9", True),
        ("0+unknown", "1.0", False),
        ("1.0", "0+unknown", False),
        ("", "1.0", False),
    ],
)
def test_versions_are_compared_by_their_numbers(one: str, other: str, newer: bool) -> None:
    assert is_newer(one, other) is newer


async def test_f45_a_plan_of_a_newer_version_is_left_alone(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a checkpoint is: the conversation waits for a newer daemon, and nobody puts it aside."""
    async with chatting(database) as chat:
        session, execution = await chat.start("ticket.bas")
        other, _ = await chat.start("echo.bas")
    broken = "update workflow_plans set plan_json = '[]', engine_version = '9.9.9' where script = 'ticket.bas'"
    await execute(database, "create table kept as select * from workflow_plans", broken)
    monkeypatch.setitem(vars(daemon.plans), "stepwell_version", lambda: "1.0")
    async with chatting(database, {"other.bas": "#workflow\nTALK 1\n"}) as chat:
        await chat.clients.send(session, "hello")
        assert await chat.say(other, "you") == ["you said you"]
        assert await chat.status(execution) == "waiting"
    await execute(database, "update workflow_plans p set plan_json = k.plan_json from kept k where k.hash = p.hash")
    async with chatting(database, {"other.bas": "#workflow\nTALK 1\n"}) as chat:
        await chat.idle()
        assert "Ticket for hello" in await chat.said(session)
