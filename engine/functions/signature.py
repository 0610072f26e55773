"""How a function takes its arguments: which kinds, how many, and the sentence for a wrong one."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct

from engine.dates import DateValue, parse_clock, parse_date
from engine.durations import Duration, duration_of, parse_duration
from engine.errors import ScriptError
from engine.values import INTEGER_BITS_MAX, Value, show, to_number, to_text


class Moment(Struct, frozen=True, gc=False):
    """Everything impure that a turn hands in. `now` is aware UTC; NOW() and TODAY() print in `zone`."""

    now: datetime
    random: random.Random
    zone: ZoneInfo
    session_id: str = ""


@dataclass(frozen=True, slots=True)
class Function:
    """A pure function. `kinds` says what each argument is turned into before `call` sees it.

    `rest` is the kind of any number of further arguments. With `moment`, the turn's Moment is the first
    argument of `call`. `weight` multiplies the work that its arguments cost (sorting costs more an item);
    `deep` does so for going over all levels of a container. With at most `light` arguments it costs nothing.
    `cost` is the work of a call itself, about its microseconds.
    """

    call: Callable[..., Value]
    kinds: tuple[str, ...] = ()
    required: int = 0
    rest: str | None = None
    moment: bool = False
    weight: float = 1.0
    deep: float = 0.0
    light: int = 0
    cost: float = 6.0

    @property
    def most(self) -> int | None:
        """Return the largest number of arguments, or None for any number."""
        return None if self.rest else len(self.kinds)

    def kind_of(self, position: int) -> str | None:
        """Return the kind of the argument at this position, counted from 0."""
        return self.kinds[position] if position < len(self.kinds) else self.rest


def function(
    signature: str,
    call: Callable[..., Value],
    *,
    moment: bool = False,
    weight: float = 1.0,
    deep: float = 0.0,
    light: int = 0,
    cost: float = 6.0,
) -> Function:
    """Return a Function for a signature such as `text whole whole?` or `any*`.

    `?` marks an argument that may be missing, `*` a last one that may come any number of times.
    """
    words = signature.split()
    rest = words.pop()[:-1] if words and words[-1].endswith("*") else None
    required = sum(not word.endswith("?") for word in words)
    kinds = tuple(word.rstrip("?") for word in words)
    assert all(kind in KINDS for kind in (*kinds, *([rest] if rest else []))), signature
    return Function(call, kinds, required, rest, moment, weight, deep, light, cost)


def convert_arguments(name: str, of: Function, arguments: Sequence[Value]) -> list[Any]:
    """Return the arguments as the function takes them.

    Raises ScriptError that names the function, the argument, what it got and what it expects.
    """
    count, most = len(arguments), of.most
    if count < of.required or (most is not None and count > most):
        raise ScriptError(
            f"{shown_name(name)} takes {_counts(name, of)}, not {count - name.startswith('.')}.", "argument"
        )
    converted: list[Any] = []
    for position, argument in enumerate(arguments):
        kind = of.kind_of(position)
        assert kind is not None
        if kind == "any" or AS_IT_IS.get(kind) is type(argument):
            converted.append(argument)
            continue
        try:
            converted.append(KINDS[kind](argument))
        except (ScriptError, ValueError, OverflowError) as error:
            if isinstance(error, ScriptError) and error.kind == "limit":
                raise
            place = position + (not name.startswith("."))
            what = f"argument {place}" if place else "what stands before the dot"
            raise ScriptError(
                f"{shown_name(name)} expects {EXPECTED[kind]} as {what}, not {show(argument)}.", "argument"
            ) from None
    return converted


def shown_name(name: str) -> str:
    """Return a function's name as messages write it: `LEFT`, `.trim`."""
    return name if name[0] in ".$" else name.upper()


def _counts(name: str, of: Function) -> str:
    method = name.startswith(".")
    least, most = of.required - method, of.most
    if most is None:
        return f"at least {least} argument{'s' * (least != 1)}"
    most -= method
    if least == most:
        return "no arguments" if most == 0 else f"{most} argument{'s' * (most != 1)}"
    return f"{least} to {most} arguments"


def _whole(value: Value) -> int:
    number = to_number(value)
    if isinstance(number, float):
        number = math.trunc(number)
    if number.bit_length() > INTEGER_BITS_MAX:
        raise ValueError
    return number


def _list(value: Value) -> list[Value]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise ValueError
    return value


def _object(value: Value) -> dict[str, Value]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError
    return value


def _date(value: Value) -> DateValue:
    read = parse_date(value) if isinstance(value, str) else None
    if read is None and isinstance(value, int) and not isinstance(value, bool):
        read = parse_date(str(value)) if 10_000_000 <= value <= 99_999_999 else None
    if read is None:
        raise ValueError
    return read


def _clock(value: Value) -> DateValue:
    read = parse_clock(value) if isinstance(value, str) else None
    return read or _date(value)


def _duration(value: Value) -> Duration:
    if isinstance(value, str):
        duration = parse_duration(value)
        if duration is not None:
            return duration
    return duration_of(to_number(value), "second")


def _sequence(value: Value) -> Value:
    if isinstance(value, dict):
        raise ValueError
    return value if isinstance(value, list) else to_text(value)


KINDS: dict[str, Callable[[Value], Any]] = {
    "any": lambda value: value,
    "text": to_text,
    "number": to_number,
    "whole": _whole,
    "list": _list,
    "object": _object,
    "date": _date,
    "clock": _clock,
    "sequence": _sequence,
    "duration": _duration,
}
# What needs no conversion: by far the most arguments are of the right type.
AS_IT_IS = {"text": str, "whole": int, "list": list, "object": dict}
EXPECTED = {
    "any": "a value",
    "text": "a text",
    "number": "a number",
    "whole": "a whole number",
    "list": "a list",
    "object": "an object",
    "date": 'a date (such as "2026-01-31", "2026-01-31T18:30" or "31/01/2026")',
    "duration": "a duration (DAYS(3), HOURS(2)) or a number of seconds",
    "sequence": "a text or a list",
    "clock": 'a date or a time of day (such as "2026-01-31T18:30" or "18:30")',
}
