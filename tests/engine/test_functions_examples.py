"""Every function of the dialect has a docstring with an example, and the example holds."""

from __future__ import annotations

import inspect
import re

import pytest

from engine.functions import FUNCTIONS
from tests.engine.trees import run

_EXAMPLE = re.compile(r"^ +((?:[A-Z_0-9]+|\.\w+)\(.*\)) (=|<|>=) (.+)$", re.MULTILINE)
_DISTINCT = {id(function.call): (name, function.call) for name, function in FUNCTIONS.items() if name[0] != "$"}


def _examples() -> list[tuple[str, str, str, str]]:
    return [
        (name, *match)
        for name, call in _DISTINCT.values()
        for match in _EXAMPLE.findall("    " + (inspect.getdoc(call) or "").replace("\n", "\n    "))
    ]


@pytest.mark.parametrize(("name", "call", "operator", "expected"), _examples())
def test_the_example_of_a_function_holds(name: str, call: str, operator: str, expected: str) -> None:
    result, wanted = run(call), run(expected)
    if operator == "=":
        assert result == wanted, name
        assert type(result) is type(wanted) or isinstance(result, float), name
    else:
        assert isinstance(result, (int, float)) and isinstance(wanted, (int, float))
        assert result < wanted if operator == "<" else result >= wanted


def test_every_function_has_an_example() -> None:
    without = [n for n, call in _DISTINCT.values() if not any(n == e[0] for e in _examples())]
    assert without == []
