"""Errors that no column can hold as they are: they are stored as text that says the same."""

from __future__ import annotations

from daemon.performing import AttemptFailed, TakenRequest
from engine.values import Value
from tests.daemon.conversing import chatting
from tests.daemon.performing import Told

UNCAUGHT = '#workflow\nx = SEND FILE "a"\n'
BAD = "broken \0 here, half a letter \ud800 there"


async def refused(_: TakenRequest) -> Value:
    raise AttemptFailed(BAD, again=False)


async def test_f49_an_error_that_cannot_be_stored_is_stored_as_text(database: str) -> None:
    performer = Told(refused)
    async with chatting(database, {"a.bas": UNCAUGHT}, performers=[performer]) as chat:
        _, execution = await chat.start("a.bas")
        shown = await chat.show(execution)
        problem = shown.listed.problem or ""
        assert shown.listed.status == "failed" and "broken" in problem and "a.bas:2" in problem
        assert "\0" not in problem


async def test_f49_an_error_that_a_script_makes_of_such_text_is_stored_as_text(database: str) -> None:
    script = '#workflow\nTRY\n    THROW CHR(55296)\nCATCH e\n    TALK "caught"\nEND TRY\nTHROW "x" & CHR(0)\n'
    async with chatting(database, {"a.bas": script}) as chat:
        session, execution = await chat.start("a.bas")
        shown = await chat.show(execution)
        assert await chat.said(session) == ["caught"]
        assert shown.listed.status == "failed" and "a.bas:7" in (shown.listed.problem or "")
