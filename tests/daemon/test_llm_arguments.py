"""A model's arguments for a script are checked against what its PARAMs say, before the script begins."""

from __future__ import annotations

import json
from typing import Any

import pytest

from daemon.offered_tools import OfferedTool
from daemon.performers.llm_wire import Answered, read_answer
from engine.parameters import Parameter, schema_of

SCHEMA = schema_of((Parameter("city"), Parameter("days", "integer", default=1, required=False)))
WEATHER = OfferedTool("weather", "script", "The weather.", SCHEMA, script="weather.bas")


def called(arguments: dict[str, object]) -> dict[str, Any]:
    """Return what is read of a model's call of the tool."""
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": json.dumps(arguments)}}
    body = {"choices": [{"message": {"content": None, "tool_calls": [call]}, "finish_reason": "tool_calls"}]}
    answered = read_answer(json.dumps(body).encode(), {"weather": WEATHER}, "m")
    assert isinstance(answered, Answered)
    value: Any = answered.value
    [read] = value["tool_calls"]
    assert isinstance(read, dict)
    return read


def test_arguments_that_fit_are_typed() -> None:
    read = called({"City": "Recife", "days": "2"})
    assert read["arguments"] == {"city": "Recife", "days": 2} and "error" not in read


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({}, "The parameter city is missing."),
        ({"city": "x", "days": "many"}, "The parameter days must be a whole number, not “many”."),
        ({"city": "x", "dayz": 1}, "There is no parameter dayz; did you mean days?"),
    ],
)
def test_what_does_not_fit_is_told_to_the_model(arguments: dict[str, object], sentence: str) -> None:
    assert called(arguments)["error"] == sentence
