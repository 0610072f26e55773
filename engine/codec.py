"""A plan as text and back: what the table of plans stores.

A plan outlives the engine that compiled it, so its steps are stored with their numbers, not compiled anew.
Every dataclass becomes an array of its class's name and its fields; an expression its text, place and nodes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import cache
from typing import Any

import msgspec

from engine.expressions import Expression, decode_node, encode_node
from engine.keywords.conditions import Choice
from engine.keywords.loops import Test
from engine.plan import Plan, Procedure
from engine.registry import keyword_classes
from engine.steps import Place, Target

PLAN_VERSION = 1


class UnreadablePlan(Exception):
    """A stored plan cannot be read by this engine."""


def encode_plan(plan: Plan) -> str:
    """Return the plan as JSON text."""
    data = {
        "version": PLAN_VERSION,
        "script": plan.script,
        "mode": plan.mode,
        "sources": dict(plan.sources),
        "procedures": [
            [p.name, p.script, list(p.parameters), p.whole_script, [_encode(s) for s in p.body]]
            for p in plan.procedures.values()
        ],
    }
    return msgspec.json.encode(data).decode()


def decode_plan(text: str) -> Plan:
    """Return the plan of a JSON text. Raises UnreadablePlan."""
    try:
        data = msgspec.json.decode(text)
        if data["version"] > PLAN_VERSION:
            raise UnreadablePlan(f"the plan has version {data['version']}; this engine reads {PLAN_VERSION}")
        procedures = [
            Procedure(name, script, tuple(parameters), tuple(_decode(s) for s in body), whole)
            for name, script, parameters, whole, body in data["procedures"]
        ]
        return Plan(data["script"], data["mode"], data["sources"], {p.name: p for p in procedures})
    except UnreadablePlan:
        raise
    except (msgspec.DecodeError, KeyError, TypeError, ValueError, IndexError) as error:
        raise UnreadablePlan(f"the plan cannot be read: {error!r}") from error


@cache
def _classes() -> dict[str, type[Any]]:
    known: list[type[Any]] = [*keyword_classes(), Place, Target, Choice, Test]
    return {k.__name__: k for k in known}


def _encode(value: object) -> Any:
    match value:
        case None | bool() | int() | float() | str():
            return value
        case tuple():
            return ["", *(_encode(v) for v in value)]
        case Expression(text=written, node=node, line=line, column=column):
            return ["=", written, line, column, encode_node(node)]
        case _:
            kind: Any = type(value)
            return [kind.__name__, *(_encode(getattr(value, f.name)) for f in _fields(kind))]


@cache
def _fields(kind: type[Any]) -> tuple[Any, ...]:
    return fields(kind)


def _decode(data: Any) -> Any:
    if not isinstance(data, list):
        return data
    tag, *rest = data
    if tag == "":
        return tuple(_decode(v) for v in rest)
    if tag == "=":
        written, line, column, node = rest
        return Expression(written, decode_node(node), line, column)
    kind = _classes().get(tag)
    if kind is None:
        raise UnreadablePlan(f"the plan has a step of the kind {tag}, which this engine does not know")
    make: Callable[..., Any] = kind
    return make(*(_decode(v) for v in rest))
