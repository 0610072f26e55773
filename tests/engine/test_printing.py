"""Printing a plan and compiling it again gives the same plan, and printing that one the same text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings

from engine.codec import encode_plan
from engine.compiler import compile_script
from engine.plan import Plan
from engine.printing import print_plan
from tests.engine.programs import programs
from tests.engine.test_breadth_compiles import SCRIPTS
from tests.scale import examples


def steps(plan: Plan) -> Any:
    """Return a plan's mode and procedures without where on their page its statements and expressions stand."""
    data = json.loads(encode_plan(plan))
    return data["mode"], without_places(data["procedures"])


def without_places(value: Any) -> Any:
    match value:
        case ["Place", number, script, int()]:
            return ["Place", number, script]
        case ["=", str(), int(), int(), node]:
            return ["=", node]
        case list():
            return [without_places(v) for v in value]
        case _:
            return value


def same_when_printed(source: str) -> None:
    plan = compile_script("p.bas", {"p.bas": source})
    printed = print_plan(plan)
    again = compile_script("p.bas", printed)
    assert steps(again) == steps(plan), printed["p.bas"]
    assert print_plan(again) == printed


@given(programs())
@settings(max_examples=examples(15), deadline=None)
def test_a_generated_program_is_the_same_when_printed(source: str) -> None:
    same_when_printed(source)


def test_every_spelling_is_the_same_when_printed() -> None:
    for source in SCRIPTS:
        same_when_printed(source)


def test_how_a_script_is_printed() -> None:
    source = """
' greets
#workflow
talk  "hello   ${name}" ,   ' and goes on
  "there"
if x=1 then : TALK 1
else
BEGIN TALK
  as it   is
END TALK
ENDIF
switch y
case 1: TALK "a"
end switch
"""
    plan = compile_script("p.bas", {"p.bas": source})
    assert print_plan(plan)["p.bas"].splitlines() == [
        "#workflow",
        'talk "hello   ${name}" , "there"',
        "if x=1 then : TALK 1",
        "else",
        "    BEGIN TALK",
        "  as it   is",
        "END TALK",
        "ENDIF",
        "switch y",
        "case 1",
        '    TALK "a"',
        "end switch",
    ]


@pytest.mark.parametrize("source", ["", "' nothing\n", "TALK “a”\r\nTALK 'b'"])
def test_small_ones(source: str) -> None:
    same_when_printed(source)
