"""What authors write in a hurry: it means what they meant, or is refused with a sentence that says what to write."""

from __future__ import annotations

import ast

import pytest

from engine.compiler import compile_script
from engine.errors import CompileError
from engine.keywords.keyword import Keyword
from engine.plan import Plan
from tests.engine.player import play
from tests.engine.test_printing import steps


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


def test_pairs_behind_with_are_an_object() -> None:
    source = 'PUBLISH EVENT "e" WITH a = 1, b AS "x, y", "c d" = { q: 2 }\nx = WAIT FOR EVENT "e"\nTALK x'
    assert play(source) == ['bot: {"a":1,"b":"x, y","c d":{"q":2}}']
    assert play('y = 1\nPUBLISH EVENT "e" WITH y == 1\nx = WAIT FOR EVENT "e"\nTALK x') == ["bot: true"]


def test_on_at_the_end_of_a_line_swallows_no_statement() -> None:
    plan = compiled('SET TRANSLATOR ON\nSET HEAR ON "email"\nx = JOIN a, b ON\n  id')
    assert len(plan.procedures["t.bas"].body) == 3


def test_statements_of_ours_that_other_operands_make_somebody_elses() -> None:
    plan = compiled('SAVE x AS "y.txt"\nAPPEND "f.txt", x\nPLAY x WITH OPTIONS "loop"')
    words = [(s.words, [c[0] for c in s.clauses]) for s in plan.procedures["t.bas"].body if isinstance(s, Keyword)]
    assert words == [("SAVE", ["AS"]), ("APPEND", []), ("PLAY", ["OPTIONS"])]


JOINED = {
    'SEND MAIL TO "a@b.c"\n  SUBJECT "s"\n  BODY "b"': 'SEND MAIL TO "a@b.c" SUBJECT "s" BODY "b"',
    'GENERATE PDF 1\n  WITH TEMPLATE "t"\n  DATA 2': 'GENERATE PDF 1 WITH TEMPLATE "t" DATA 2',
    'x = LLM "a"\n  WITH OPTIMIZE FOR "cost"': 'x = LLM "a" WITH OPTIMIZE FOR "cost"',
    'HEAR x AS EMAIL\n  WITH "?"\n  DEFAULT "d"\n  TIMEOUT 5': 'HEAR x AS EMAIL WITH "?" DEFAULT "d" TIMEOUT 5',
    "INSERT INTO t\n(a, b)\nVALUES\n(1, 2)": "INSERT INTO t (a, b) VALUES (1, 2)",
    "IF a = 1\nTHEN\nTALK 1\nEND IF": "IF a = 1 THEN\nTALK 1\nEND IF",
    "IF a = 1 AND\n' why\nb = 2\nTHEN\nTALK 1\nEND IF": "IF a = 1 AND b = 2 THEN\nTALK 1\nEND IF",
    "x = a ?\n  1 :\n  2": "x = a ? 1 : 2",
    'x = "a"\n  .trim()\n  .split(",")': 'x = "a".trim().split(",")',
    "x = 1 _ ' why\n + 2": "x = 1 + 2",
    'TALK "a;b"; TALK 2': 'TALK "a;b"\nTALK 2',
}


@pytest.mark.parametrize("source", JOINED)
def test_a_line_that_begins_no_statement_goes_on_with_the_one_before(source: str) -> None:
    assert steps(compiled(source)) == steps(compiled(JOINED[source]))


@pytest.mark.parametrize(
    "source",
    [
        "x = 1\nWITH o\n.y = 2\nEND WITH",
        "x = 1\nWITH o.p[1] ' why\n.y = 2\nEND WITH",
        'SEND FILE "x"\nTO = 3',
        'BEGIN TALK\nFROM US\nTO YOU\nWITH "love"\nEND TALK\nTALK 1',
        "SWITCH 1\nCASE 1\nHEAR y\nDEFAULT\nTALK 2\nEND SWITCH\nTALK 1",
    ],
)
def test_what_begins_a_statement_does_not_go_on(source: str) -> None:
    assert len(compiled(source).procedures["t.bas"].body) == 2


def test_quotes_of_two_kinds() -> None:
    assert play('TALK "a”\nTALK “b"\nTALK "c “d” e"') == ["bot: a", "bot: b", "bot: c “d” e"]


def test_a_text_that_is_read_as_a_comment_is_told() -> None:
    (warning,) = compiled("TALK 'don't'\nTALK 'all of it' ' the user's").warnings
    assert (warning.line, warning.column, warning.hint) == (1, 6, 'write a text with \' in it as "…"')


def test_now_and_today_without_brackets_read_the_clock_unless_they_are_variables() -> None:
    source = 'x = NOW\nIF TODAY = "2026-03-14" THEN TALK x & " ${today.year}"'
    assert play(source) == ["bot: 2026-03-14T09:26:00+00:00 2026"]
    assert play('today = "mine"\nTALK TODAY & LEN(TODAY())') == ["bot: mine10"]


def test_a_name_that_the_server_gives_never_means_itself() -> None:
    (step,) = compiled("SEND SMS TO mobile").procedures["t.bas"].body
    assert isinstance(step, Keyword)
    assert isinstance(step.clauses[0][1][0].node, ast.Name)


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
    "IF x\nTALK 1\nEND IF\nTHEN": "THEN belongs to an IF",
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


@pytest.mark.parametrize("source", ["a" * 300_000, "\n" * 300_000, 'x = "' + "a" * 9_000 + '"\nTALK LEN(x)'])
def test_a_long_text_takes_linear_time(source: str) -> None:
    if source.startswith("x"):
        assert play(source) == ["bot: 9000"]
    elif source.strip():
        with pytest.raises(CompileError):
            compiled(source)
    else:
        assert not compiled(source).procedures["t.bas"].body


def test_a_long_text_is_one_value_however_long_it_is() -> None:
    prompt = "Be kind. " * 3_000
    assert play(f'x = "{prompt}"\nTALK LEN(x)') == ["bot: 27000"]
