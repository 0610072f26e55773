"""Says in words what a setting takes and what it was given."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from msgspec import inspect

SHOWN_CHARACTERS_MAX = 60


def shown(value: object) -> str:
    """Return a value as a reader would write it in the file, shortened."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = str(value)
    return text if len(text) <= SHOWN_CHARACTERS_MAX else text[: SHOWN_CHARACTERS_MAX - 1] + "…"


def expected(kind: Any) -> str:
    """Return what a type takes: `a whole number from 1 to 10`, `one of "a", "b"`."""
    return _words(inspect.type_info(kind))


def _words(info: inspect.Type) -> str:
    match info:
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType():
            return "a whole number" + _range(info.ge, info.gt, info.le)
        case inspect.FloatType():
            return "a number" + _range(info.ge, info.gt, info.le)
        case inspect.LiteralType(values=values):
            words = ", ".join(shown(v) for v in values)
            return f"one of {words}" if len(values) > 1 else words
        case inspect.StrType(pattern=pattern) if pattern and "$" in pattern.removesuffix("$"):
            return "a name as SQL writes it without quotes"
        case inspect.StrType(pattern=pattern) if pattern:
            return "a language's code, such as en or pt-BR"
        case inspect.StrType():
            return "text in quotes"
        case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
            return f"a list, each {_words(item)}"
        case inspect.DictType(value_type=value):
            return f"a table, each {_words(value)}"
        case _:
            return "a " + type(info).__name__.removesuffix("Type").lower()


def _range(ge: float | None, gt: float | None, le: float | None) -> str:
    low = f" from {_number(ge)}" if ge is not None else f" above {_number(gt)}" if gt is not None else ""
    return low + (f" to {_number(le)}" if le is not None else "")


def _number(value: float | None) -> str:
    return msgspec.json.encode(value).decode().removesuffix(".0")
