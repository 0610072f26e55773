"""Every plausible spelling of every sentence of the dialect compiles: the scripts of breadth_scripts.txt, which
`---` parts from each other, and each of them once more with the line ends, letters and blanks of other editors."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.codec import decode_plan, encode_plan
from engine.compiler import compile_script
from engine.errors import CompileError
from engine.plan import Plan

SCRIPTS = (
    Path(__file__).with_name("breadth_scripts.txt").read_text(encoding="utf-8").removesuffix("\n").split("\n---\n")
)


def compiled(source: str) -> Plan:
    return compile_script("t.bas", {"t.bas": source})


def refused(sources: list[str]) -> list[str]:
    found = []
    for source in sources:
        try:
            compiled(source)
        except CompileError as error:
            found.append(f"{source}\n=> {error.problems[0].message}")
    return found


def test_every_spelling_compiles() -> None:
    assert len(SCRIPTS) > 450
    assert refused(SCRIPTS) == []


def test_windows_line_ends_a_byte_order_mark_and_tabs_change_nothing() -> None:
    for source in SCRIPTS:
        other = "\ufeff" + source.replace("\n", "\r\n")
        if '"' not in source or not re.search(r'"[^"\n]*\n', source):
            assert kinds(compiled(other)) == kinds(compiled(source)), source


def test_blank_lines_and_comments_between_statements_change_nothing() -> None:
    """Only where no statement goes on over a line."""
    for source in SCRIPTS:
        if "\n" not in source:
            assert kinds(compiled(f"' first\n\n{source}\n\n\n# last")) == kinds(compiled(source)), source


def test_every_plan_is_the_same_after_storing() -> None:
    for source in SCRIPTS:
        plan = compiled(source)
        assert decode_plan(encode_plan(plan)) == plan


def kinds(plan: Plan) -> list[str]:
    return [type(step).__name__ for _, step in sorted(plan.steps.items())]


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ('tlak "x"', "TALK"),
        ('TAKL "x"', "TALK"),
        ('TALKK "x"', "TALK"),
        ("HAER x", "HEAR"),
        ("HER x", "HEAR"),
        ("hera x", "HEAR"),
        ('ADD SUGESTION "x"', "ADD SUGGESTION"),
        ("SUB greet(x)\nEND SUB\ngreeet(1)", "greet"),
        ("SUB greet(x)\nEND SUB\nGREEET 1", "GREET"),
        ("send file doc", ""),
        ("GOTO again", "IF"),
        ("again:", "IF"),
        ("GOSUB again", "IF"),
        ("IF x THEN GOTO 10", "IF"),
        ("TALK (1 + 2", ""),
        ("EXIT FOR", ""),
        ("END IF", ""),
    ],
)
def test_what_is_misspelt_or_no_statement_is_an_error(source: str, hint: str) -> None:
    with pytest.raises(CompileError) as caught:
        compiled(source)
    assert hint in caught.value.problems[0].hint


@pytest.mark.parametrize("source", ['TASK "x"', 'WALK "x"', 'HEAD "x"', 'FILE "x"', 'USE KB "x"', "SEND FILES a, b"])
def test_what_is_only_near_one_of_our_keywords_is_somebody_elses(source: str) -> None:
    assert kinds(compiled(source)) == ["Keyword"]
