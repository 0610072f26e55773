"""What authors write in a hurry: it means what they meant, or is refused with a sentence that says what to write."""

from __future__ import annotations

import pytest

from engine.compiler import compile_script
from engine.errors import CompileError
from engine.keywords.keyword import Keyword
from engine.plan import Plan
from tests.engine.player import play


def compiled(source: str, tools: tuple[str, ...] = ()) -> Plan:
    return compile_script("t.bas", {"t.bas": source}, tools=tools)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ('y = 1\nx = IF y = 2 THEN "a" ELSE "b"\nTALK x', "b"),
        ('y = 1\nx = IIF y = 1, "b", "c"\nTALK x', "b"),
        ("x = TRIM foo\nTALK LEN(x)", "0"),
    ],
)
def test_operands_of_a_function_without_brackets_are_expressions(source: str, said: str) -> None:
    assert play(source) == [f"bot: {said}"]


def test_hear_alone_gives_the_answer() -> None:
    assert play("x = HEAR\nTALK x", "user: yes") == ["user: yes", "bot: yes"]
    assert play("hear = 3\nx = hear\nTALK x") == ["bot: 3"]


def test_a_tool_does_not_take_the_keywords_that_begin_with_its_name() -> None:
    plan = compiled('t = "a"\nCREATE TASK t, 1\nCREATE SITE "a" + t, "b"', ("create",))
    assert [s.words for s in plan.procedures["t.bas"].body if isinstance(s, Keyword)] == ["CREATE TASK", "CREATE SITE"]


REFUSED = {
    "ON EROR RESUME NEXT": "did you mean ON ERROR",
    "ON ERROR RESUME NXET": '"NEXT" is expected',
    'SET SCHEDUEL "0 9 * * *"': "did you mean SET SCHEDULE?",
    'SET CONTXT "x"': "did you mean SET CONTEXT?",
    'SET BOT MEMROY "k", 1': "did you mean SET BOT MEMORY?",
    'x = GET BOT MEMROY "k"': "did you mean GET BOT MEMORY?",
    'PUBLISH EVNET "x"': "did you mean PUBLISH EVENT?",
    'WAIT FOR EVNET "x"': "did you mean WAIT FOR EVENT?",
    "IFF x THEN TALK 1": "did you mean IF?",
    "CHECK x THEN TALK 1": "THEN belongs to an IF",
    "LTE x = 5": "did you mean LET?",
    'x = GETT "http://a"': "did you mean GET?",
    "IF x TEHN TALK 1": "did you mean THEN?",
    "DO WHLIE x\nLOOP": "did you mean WHILE?",
    "SET x 5": 'an assignment has a "="',
    'SET x "a"\nx = 1': 'an assignment has a "="',
    "x == 5": 'an assignment has one "="',
    '10 TALK "a"': "lines have no numbers",
    "send file x": "keywords of the bot server are written in upper case",
    'SUB greet(a)\nEND SUB\ngreeet "y"': "did you mean GREET?",
}


@pytest.mark.parametrize("source", REFUSED)
def test_a_slip_of_the_hand_is_refused_with_the_word_meant(source: str) -> None:
    with pytest.raises(CompileError) as caught:
        compiled(source)
    assert REFUSED[source] in " ".join(f"{p.message} {p.hint}" for p in caught.value.problems)
