"""The expression grammar inside grammars of statements: errors, words and conflicts."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import lark
import pytest
from lark import Lark

from engine.expression_rules import EXPRESSION_GRAMMAR, build_parser, whole_words
from engine.grammar import explain

STATEMENTS = """
statement: "IF"i expression "THEN"i | "FOR"i NAME "=" expression "TO"i expression | "TALK"i expression
    | NAME "=" value
"""


@pytest.mark.parametrize(
    ("text", "offset", "message"),
    [
        ("IF a", 4, '"THEN" is missing here'),
        ("IF a b", 5, '"THEN" is expected after "a", not "b"'),
        ("FOR i = 1", 9, '"TO" is missing here'),
        ("FOR 1 = 1", 4, 'a name is expected after "FOR", not "1"'),
        ("TALK", 4, 'a value is expected after "TALK"'),
    ],
)
def test_a_joined_grammar_is_explained_too(text: str, offset: int, message: str) -> None:
    parser = build_parser(STATEMENTS + EXPRESSION_GRAMMAR, ["statement"])
    with pytest.raises(lark.UnexpectedInput) as caught:
        parser.parse(text, start="statement")
    assert explain(caught.value, text) == (offset, message)


@pytest.mark.parametrize(
    "text",
    [
        "talker = MAX 1, 2",
        "if = 1",
        "Talk = 1",
        "TALK talk",
        "TALK talk.a",
        "TALK to == 1",
        "IF if THEN",
        "for=1",
    ],
)
def test_a_keyword_of_a_joined_grammar_may_be_a_variable(text: str) -> None:
    assert build_parser(STATEMENTS + EXPRESSION_GRAMMAR, ["statement"]).parse(text, start="statement")


@pytest.fixture
def conflicts(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    lark.logger.addHandler(caplog.handler)
    before = lark.logger.level
    lark.logger.setLevel(logging.DEBUG)
    yield caplog
    lark.logger.setLevel(before)
    lark.logger.removeHandler(caplog.handler)


def test_the_grammar_has_no_conflicts(conflicts: pytest.LogCaptureFixture) -> None:
    def report(grammar: str) -> list[str]:
        conflicts.clear()
        starts = ["statement", "expression", "value"] if "statement" in grammar else ["expression", "value"]
        Lark(grammar, parser="lalr", start=starts, debug=True, edit_terminals=whole_words)
        return [r.getMessage() for r in conflicts.records if "onflict" in r.getMessage()]

    assert report(EXPRESSION_GRAMMAR) == []
    assert report(STATEMENTS + EXPRESSION_GRAMMAR) == []
    assert report(EXPRESSION_GRAMMAR + "\nstatement: value x_choice | x_or\n") != []
