"""Keywords of somebody else: how they are cut into words, arguments and clauses, and what they request."""

from __future__ import annotations

from datetime import timedelta

import pytest

from engine.beginning import begin
from engine.compiler import compile_script
from engine.effects import Request
from engine.events import RequestCompleted, RequestFailed, TimedOut
from engine.stepper import Done, Suspend, advance, deliver
from engine.values import Value
from engine.waits import ForRequest
from tests.engine.player import Player
from tests.engine.trees import a_moment


def requested(source: str) -> Request:
    """Return the first request that a script makes."""
    plan = compile_script("t.bas", {"t.bas": source})
    player = Player(plan)
    result = advance(plan, begin(plan), player.moment(), player.policy)
    assert isinstance(result, Suspend), result
    assert isinstance(result.wait, ForRequest)
    return next(e for e in result.effects if isinstance(e, Request))


CASES: dict[str, tuple[str, list[Value], dict[str, Value]]] = {
    'SEND FILE "a.pdf", "caption"': ("SEND FILE", ["a.pdf", "caption"], {}),
    'x = GENERATE PDF "n" WITH TEMPLATE "t" DATA {a: 1}': ("GENERATE PDF", ["n"], {"TEMPLATE": "t", "DATA": {"a": 1}}),
    'USE KB "a" "b"': ("USE KB", ["a", "b"], {}),
    "USE KB manuals": ("USE KB", ["manuals"], {}),
    "CREATE_TASK 1, 2": ("CREATE TASK", [1, 2], {}),
    "CREATE_TASK(1, 2)": ("CREATE TASK", [1, 2], {}),
    "x = CREATE_TASK(1, 2)": ("CREATE TASK", [1, 2], {}),
    "x = create_task(1, 2) + 1": ("CREATE TASK", [1, 2], {}),
    'SET "name.xlsx", "A1", 5': ("SET", ["name.xlsx", "A1", 5], {}),
    'POST TO INSTAGRAM "me", "img"': ("POST TO INSTAGRAM", ["me", "img"], {}),
    'SAVE FROM UNSTRUCTURED "x"': ("SAVE FROM UNSTRUCTURED", ["x"], {}),
    'ADD MEMBER 1 AS "admin"': ("ADD MEMBER", [1], {"AS": "admin"}),
    'CONVERT "a" TO PDF': ("CONVERT", ["a"], {"TO": "PDF"}),
    'TRANSLATE "a" FROM "en" TO "pt"': ("TRANSLATE", ["a"], {"FROM": "en", "TO": "pt"}),
    'PLOT [1] WITH title = "a", color AS "red"': ("PLOT", [[1]], {"WITH": {"title": "a", "color": "red"}}),
    'BOOK date = "d", who = 1 + 1': ("BOOK", [], {"WITH": {"date": "d", "who": 2}}),
    'REMIND ME IN 5 MINUTES ABOUT "x"': ("REMIND ME", [], {"IN": "5 minutes", "ABOUT": "x"}),
    'QR CODE "x" SIZE 200': ("QR CODE", ["x"], {"SIZE": 200}),
    'age = 3\nARCHIVE "t" WHERE n > age': (
        "ARCHIVE",
        ["t"],
        {"WHERE": {"text": "n > age", "values": {"age": 3}}},
    ),
    'ARCHIVE "t" WHERE "n > 3" ORDER BY name LIMIT 2': (
        "ARCHIVE",
        ["t"],
        {"WHERE": "n > 3", "ORDER BY": "name", "LIMIT": 2},
    ),
    "x = 2\nBEGIN POEM 7\nroses ${x}\nEND POEM": ("POEM", [7], {"BODY": "roses 2"}),
    "DOC = 1\nSEND FILE DOC": ("SEND FILE", [1], {}),
    'PLAY "v" (1 + 2), -1': ("PLAY", ["v", 3, -1], {}),
    'f = "a"\nSEND FILE f & ".pdf"': ("SEND FILE", ["a.pdf"], {}),
    'o = {to: "b"}\nSEND FILE o.to TO o.to': ("SEND FILE", ["b"], {"TO": "b"}),
    "CLEAR KB": ("CLEAR KB", [], {}),
    "TRANSFER TO HUMAN": ("TRANSFER TO HUMAN", [], {}),
    'TRANSFER_TO_HUMAN("why", 1)': ("TRANSFER TO HUMAN", ["why", 1], {}),
    'CALL "elsewhere.bas", 1': ("CALL", ["elsewhere.bas", 1], {}),
}


@pytest.mark.parametrize("source", CASES)
def test_what_is_requested(source: str) -> None:
    words, arguments, clauses = CASES[source]
    request = requested(source)
    assert (request.kind, request.payload) == (words, {"arguments": arguments, "clauses": clauses})


def test_its_answer_is_its_result_and_its_failure_is_caught() -> None:
    source = "x = MAKE THING 1\nTALK x.id\nON ERROR RESUME NEXT\nMAKE THING 2\nTALK ERROR"
    player = Player(compile_script("t.bas", {"t.bas": source}))
    result = advance(player.plan, begin(player.plan), player.moment(), player.policy)
    result = advance(player.plan, deliver(result.state, RequestCompleted(1, {"id": 7})), player.moment(), player.policy)
    player.say(result.effects)
    failed = deliver(result.state, RequestFailed(2, "no more things"))
    player.say(advance(player.plan, failed, player.moment(), player.policy).effects)
    assert player.transcript == ["bot: 7", "bot: no more things"]


@pytest.mark.parametrize(
    ("source", "length", "said"),
    [
        ("MAKE THING", 3_600, "1 hour"),
        ("MAKE THING TIMEOUT 90", 90, "90 seconds"),
        ("MAKE THING 1 TIMEOUT 2 DAYS", 172_800, "2 days"),
    ],
)
def test_nobody_answers(source: str, length: int, said: str) -> None:
    plan = compile_script("t.bas", {"t.bas": source})
    moment, policy = a_moment(), Player(plan).policy
    waiting = advance(plan, begin(plan), moment, policy)
    assert isinstance(waiting, Suspend) and isinstance(waiting.wait, ForRequest)
    assert waiting.wait.deadline == moment.now + timedelta(seconds=length)
    done = advance(plan, deliver(waiting.state, TimedOut()), moment, policy)
    assert isinstance(done, Done) and done.failure is not None
    assert f"nobody answered MAKE THING within {said}: is a program running" in done.failure.message


def test_an_unknown_function_is_asked_for_with_a_warning() -> None:
    plan = compile_script("t.bas", {"t.bas": "x = twcie(1)\nFUNCTION twice(n)\nRETURN n\nEND FUNCTION"})
    assert [(w.message.split(":")[0], w.hint) for w in plan.warnings] == [
        ("“twcie” is no function, procedure or tool", "did you mean twice?")
    ]
