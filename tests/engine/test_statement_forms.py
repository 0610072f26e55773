"""Whatever statements stand in whatever blocks: it compiles, and storing or printing its plan changes nothing."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from engine.codec import decode_plan, encode_plan
from engine.compiler import compile_script
from tests.engine.statement_forms import BLOCKS, SIMPLE, scripts
from tests.engine.test_printing import same_when_printed
from tests.scale import examples


@given(scripts())
@settings(max_examples=examples(12), deadline=None)
def test_any_script_of_any_statements_compiles(source: str) -> None:
    plan = compile_script("p.bas", {"p.bas": source})
    assert decode_plan(encode_plan(plan)) == plan
    same_when_printed(source)


@pytest.mark.parametrize("template", SIMPLE + BLOCKS)
def test_every_form_compiles(template: str) -> None:
    source = template.replace("|", "\n").replace("«e»", "a.b + 1").replace("«n»", "list").replace("«t»", '"x"')
    same_when_printed("FUNCTION f(x)\nEND FUNCTION\n" + source.replace("«b»", 'TALK "inside"'))
