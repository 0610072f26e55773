"""Shortcuts: what the commonest steps do, without a Move, a Here and the stepper's round for each.

A *point* is where an execution goes on, as one number: a step's own to enter it, that number negative because a
block of the step has ended, 0 where the procedure ends. A step may give the plan an Act for its points: a function
that does just what its `run` and the stepper would do together, and returns the next point. An act writes the
script's own variables and adds replies; it reads nothing else, never waits, and raises ScriptError as `run` would,
with nothing done. The stepper takes shortcuts only where variables are the frame's own and no buttons wait for a
reply; a property test runs programs with them and without.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TypeAlias

from msgspec import Struct

from engine.effects import Effect, Reply
from engine.expressions import Expression, Moment, evaluate_otherwise
from engine.values import Value, to_text

Lookup: TypeAlias = Callable[[str], Value]
Act: TypeAlias = Callable[[dict[str, Value], Lookup, Moment, list[Effect]], int]


class Ways(Struct, frozen=True, gc=False):
    """Where a step leads: its own number, the point behind it, and the point at which each of its blocks begins."""

    number: int
    behind: int
    entries: tuple[int, ...]


class Question(Struct, frozen=True, gc=False):
    """A plain question: the variable that takes the answer, if any, and the point behind it; the canonical type, what
    is said to ask it, how many answers are asked for (None: as the policy says), and the time there is for one."""

    target: str | None
    behind: int
    type: str = "text"
    prompt: Expression | None = None
    tries: int | None = None
    within: timedelta | None = None


def setting(name: str, expression: Expression, behind: int) -> Act:
    """Return the act that gives a variable a value."""

    def act(own: dict[str, Value], lookup: Lookup, moment: Moment, said: list[Effect]) -> int:
        try:
            own[name] = expression.closure(lookup, moment)
        except Exception:  # as `evaluate` does
            own[name] = evaluate_otherwise(expression, lookup, moment)
        return behind

    return act


def text_of(expression: Expression, lookup: Lookup, moment: Moment) -> str:
    """Return what an expression says. Raises ScriptError."""
    try:
        value = expression.closure(lookup, moment)
    except Exception:
        value = evaluate_otherwise(expression, lookup, moment)
    return value if type(value) is str else to_text(value)


def saying(expression: Expression, behind: int) -> Act:
    """Return the act that says one text to the session's user."""

    def act(own: dict[str, Value], lookup: Lookup, moment: Moment, said: list[Effect]) -> int:
        said.append(Reply(text_of(expression, lookup, moment)))
        return behind

    return act


def choosing(choices: Sequence[tuple[Expression, int]], otherwise: int) -> Act:
    """Return the act that goes to the point of the first condition that holds, or `otherwise`."""
    if len(choices) > 1:
        return _choosing_of_several(tuple(choices), otherwise)
    [(condition, inside)] = choices

    def act(own: dict[str, Value], lookup: Lookup, moment: Moment, said: list[Effect]) -> int:
        try:
            holds = condition.closure(lookup, moment)
        except Exception:
            holds = evaluate_otherwise(condition, lookup, moment)
        return inside if holds else otherwise

    return act


def _choosing_of_several(choices: tuple[tuple[Expression, int], ...], otherwise: int) -> Act:
    def act(own: dict[str, Value], lookup: Lookup, moment: Moment, said: list[Effect]) -> int:
        for condition, inside in choices:
            try:
                holds = condition.closure(lookup, moment)
            except Exception:
                holds = evaluate_otherwise(condition, lookup, moment)
            if holds:
                return inside
        return otherwise

    return act


def going(point: int) -> Act:
    """Return the act that only goes on."""
    return lambda own, lookup, moment, said: point
