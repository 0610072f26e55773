"""PARAM and DESCRIPTION: spellings, schema, and arguments that are checked and typed."""

from __future__ import annotations

import pytest

from engine.compiler import compile_script
from engine.errors import CompileError, ScriptError
from engine.keywords.params import Param
from engine.parameters import Parameter, check_argument, check_arguments, schema_of
from engine.tools import Tool, tool_name, tool_of
from engine.values import Value
from tests.engine.player import play

SCRIPT = """\
DESCRIPTION Says how the weather is
PARAM city AS STRING LIKE Recife, PE DESCRIPTION The city to look for
PARAM days AS integer LIKE 3 DESCRIPTION "how many" DEFAULT 1
param unit AS "celsius", "kelvin" OPTIONAL
RETURN city
PARAM later AS STRING
"""


def tool(source: str) -> Tool:
    found = tool_of(compile_script("sub/Weather.bas", {"sub/Weather.bas": source}))
    assert found is not None
    return found


def parameter(line: str) -> Parameter:
    """Return what one PARAM line declares."""
    plan = compile_script("a.bas", {"a.bas": line})
    step = plan.steps[1]
    assert isinstance(step, Param)
    return step.parameter()


def test_a_script_is_a_tool_with_a_json_schema() -> None:
    weather = tool(SCRIPT)
    assert (weather.name, weather.description) == ("weather", "Says how the weather is")
    properties = weather.schema["properties"]
    assert isinstance(properties, dict)
    assert properties["city"] == {"type": "string", "description": "The city to look for", "examples": ["Recife, PE"]}
    assert properties["days"] == {"type": "integer", "description": "how many", "examples": [3], "default": 1}
    assert properties["unit"] == {"type": "string", "enum": ["celsius", "kelvin"]}
    assert weather.schema["required"] == ["city"]
    assert tool_of(compile_script("a.bas", {"a.bas": "TALK 1"})) is None
    assert tool_name("x/Y.BAS") == "y"


def test_params_behind_a_return_are_a_warning() -> None:
    plan = compile_script("a.bas", {"a.bas": SCRIPT})
    assert [(p.line, p.severity) for p in plan.warnings] == [(6, "warning")]
    assert "never reached" in plan.warnings[0].message


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("PARAM a", Parameter("a", "string")),
        ("PARAM a AS date LIKE 2026-01-31", Parameter("a", "date", example="2026-01-31")),
        ("PARAM a AS money LIKE 10.50", Parameter("a", "number", example=10.5)),
        ('PARAM a AS "what it is about"', Parameter("a", "string", "what it is about")),
        ('PARAM a AS array LIKE ["x"]', Parameter("a", "array", example=["x"])),
        ("PARAM a AS mobile LIKE +55 11 99999-1234", Parameter("a", "string", example="+55 11 99999-1234")),
        ('PARAM a ENUM ["x", "y"]', Parameter("a", "string", choices=("x", "y"))),
        ("PARAM a AS integer DEFAULT 1 LIKE 5", Parameter("a", "integer", example=5, default=1, required=False)),
        ("PARAM a AS string(20) DESCRIPTION the colour", Parameter("a", "string", "the colour")),
        ("PARAM a DESCRIPTION it's red", Parameter("a", "string", "it's red")),
        ("PARAM a AS string DEFAULT now() REQUIRED", Parameter("a", "string")),
        ("PARAM name AS integer ENUM 1, 2", Parameter("name", "integer", choices=(1, 2))),
    ],
)
def test_every_spelling(line: str, wanted: Parameter) -> None:
    assert parameter(line) == wanted


@pytest.mark.parametrize(
    ("kind", "given", "typed"),
    [
        ("integer", "42", 42),
        ("integer", 3.0, 3),
        ("number", "1.5", 1.5),
        ("boolean", "yes", True),
        ("boolean", "false", False),
        ("date", "31/01/2026", "2026-01-31"),
        ("string", 7, "7"),
        ("array", [1], [1]),
        ("", {"a": 1}, {"a": 1}),
        ("integer", None, None),
    ],
)
def test_arguments_are_typed(kind: str, given: Value, typed: Value) -> None:
    assert check_argument("x", kind, (), given) == typed


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("integer", "abc"),
        ("integer", 1.5),
        ("number", "nan"),
        ("boolean", "maybe"),
        ("date", "soon"),
        ("array", "a"),
        ("object", []),
    ],
)
def test_an_argument_that_does_not_fit_is_named(kind: str, given: Value) -> None:
    with pytest.raises(ScriptError, match="the parameter doors must be"):
        check_argument("doors", kind, (), given)


def test_arguments_of_a_call_are_checked_against_the_schema() -> None:
    schema = schema_of((Parameter("City"), Parameter("days", "integer", default=1, required=False)))
    assert check_arguments(schema, {"city": "Recife", "days": "2"}) == {"City": "Recife", "days": 2}
    with pytest.raises(ScriptError, match="the parameter City is missing"):
        check_arguments(schema, {})
    with pytest.raises(ScriptError, match="there is no parameter dayz; did you mean days"):
        check_arguments(schema, {"city": "x", "dayz": 1})
    with pytest.raises(ScriptError, match="must be one of red, blue, not “green”"):
        check_argument("colour", "string", ("red", "blue"), "green")
    assert check_argument("colour", "string", ("red", "blue"), "RED") == "red"


def test_a_tool_of_the_configuration_may_be_a_script() -> None:
    sources = {"a.bas": "x = refund(5)\nTALK x", "pay/back.bas": "PARAM amount AS INTEGER\nRETURN amount * 2"}
    plan = compile_script("a.bas", sources, tools={"refund": "script:pay/back.bas"})
    assert "pay/back.bas" in plan.sources
    with pytest.raises(CompileError, match="which is not here"):
        compile_script("a.bas", {"a.bas": sources["a.bas"]}, tools={"refund": "script:pay/back.bas"})


def test_a_script_fails_where_its_parameter_does_not_fit() -> None:
    transcript = play('PARAM doors AS INTEGER DEFAULT "many"\nTALK doors')
    assert transcript == [
        'failed: test.bas:1: the parameter doors must be a whole number, not “many” (step 1: PARAM doors AS INTEGER DEFAULT "many")'
    ]
