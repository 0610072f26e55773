"""The operators of the dialect on two values: bounded before they compute."""

from __future__ import annotations

import math
from datetime import tzinfo

from engine.dates import DateValue, add_duration, parse_date, parse_iso, subtract_dates
from engine.durations import Duration, parse_duration
from engine.errors import ScriptError
from engine.values import (
    INTEGER_BITS_MAX,
    INTEGER_MAX,
    LIST_ITEMS_MAX,
    TEXT_CHARACTERS_MAX,
    Value,
    equal,
    list_too_long,
    measure,
    read_number,
    show,
    text_too_long,
    to_number,
    to_text,
)


def _too_big() -> ScriptError:
    return ScriptError(
        f"The result is too big: whole numbers go up to {INTEGER_BITS_MAX:,} bits, others to 1.7e308.",
        "limit",
    )


def checked(number: int | float) -> int | float:
    """Return the number, or raise ScriptError where it is too big, infinite or no number."""
    if isinstance(number, int):
        if not -INTEGER_MAX <= number <= INTEGER_MAX:
            raise _too_big()
    elif not math.isfinite(number):
        raise _too_big()
    return number


def join(a: Value, b: Value) -> str:
    """`a & b`: both as text, one behind the other."""
    left, right = to_text(a), to_text(b)
    if len(left) + len(right) > TEXT_CHARACTERS_MAX:
        raise text_too_long(len(left) + len(right))
    return left + right


def _moved(when: DateValue, by: Value, sign: int, zone: tzinfo | None) -> str | None:
    """Return the date moved by a duration or by seconds, or None where `by` is neither."""
    if isinstance(by, str):
        duration = parse_duration(by)
    elif isinstance(by, (int, float)) and not isinstance(by, bool):
        duration = Duration(seconds=by)
    else:
        duration = None
    if duration is None:
        return None
    return add_duration(when, duration if sign > 0 else -duration, zone).text()


def add(a: Value, b: Value, zone: tzinfo | None = None) -> Value:
    """`a + b`: the sum; text where either side is text; two lists one behind the other.

    An ISO date + a duration or a number of seconds is a date; the sum of two durations is one.
    """
    if isinstance(a, str):
        when = parse_iso(a)
        if when is not None:
            moved = _moved(when, b, 1, zone)
            if moved is not None:
                return moved
        if isinstance(b, str):
            return _add_durations(a, b, zone) or join(a, b)
        return join(a, b)
    if isinstance(b, str):
        return join(a, b)
    if isinstance(a, list) and isinstance(b, list):
        if len(a) + len(b) > LIST_ITEMS_MAX:
            raise list_too_long(len(a) + len(b))
        result = a + b
        measure(result)
        return result
    return checked(to_number(a) + to_number(b))


def _add_durations(a: str, b: str, zone: tzinfo | None) -> str | None:
    first = parse_duration(a)
    if first is None:
        return None
    second = parse_duration(b)
    if second is not None:
        return Duration(first.months + second.months, first.days + second.days, first.seconds + second.seconds).text()
    when = parse_iso(b)
    return add_duration(when, first, zone).text() if when is not None else None


def subtract(a: Value, b: Value, zone: tzinfo | None = None) -> Value:
    """`a - b`: the difference; a date - a duration or seconds is a date, date - date is seconds."""
    if isinstance(a, str) and read_number(a) is None:
        when = parse_iso(a)
        if when is not None:
            other = parse_date(b) if isinstance(b, str) else None
            if other is not None:
                return subtract_dates(when, other)
            moved = _moved(when, b, -1, zone)
            if moved is not None:
                return moved
        first, second = parse_duration(a), parse_duration(b) if isinstance(b, str) else None
        if first is not None and second is not None:
            return Duration(
                first.months - second.months, first.days - second.days, first.seconds - second.seconds
            ).text()
    return checked(to_number(a) - to_number(b))


def multiply(a: Value, b: Value) -> Value:
    """`a * b` of two numbers."""
    return checked(to_number(a) * to_number(b))


def _divisor(a: Value, b: Value) -> tuple[int | float, int | float]:
    left, right = to_number(a), to_number(b)
    if right == 0:
        raise ScriptError(f"Division by zero: {show(a)} is divided by {show(b)}.", "arithmetic")
    return left, right


def divide(a: Value, b: Value) -> Value:
    """`a / b`: whole where it comes out even."""
    left, right = _divisor(a, b)
    if isinstance(left, int) and isinstance(right, int) and left % right == 0:
        return left // right
    return checked(left / right)


def divide_whole(a: Value, b: Value) -> Value:
    r"""`a \ b`: the quotient cut towards zero."""
    left, right = _divisor(a, b)
    if isinstance(left, int) and isinstance(right, int):
        quotient = abs(left) // abs(right)
        return quotient if (left < 0) == (right < 0) else -quotient
    return checked(math.trunc(checked(left / right)))


def modulo(a: Value, b: Value) -> Value:
    """`a MOD b`: the rest, with the sign of a."""
    left, right = _divisor(a, b)
    if isinstance(left, int) and isinstance(right, int):
        rest = abs(left) % abs(right)
        return rest if left >= 0 else -rest
    return checked(math.fmod(left, right))


def power(a: Value, b: Value) -> Value:
    """`a ^ b`. The bits of the result are bounded before it is computed."""
    base, exponent = to_number(a), to_number(b)
    if base == 0 and exponent < 0:
        raise ScriptError("Division by zero: 0 has no negative power.", "arithmetic")
    if isinstance(base, int) and isinstance(exponent, int):
        if abs(base) <= 1:
            return base if base != -1 or exponent % 2 else 1
        if exponent >= 0:
            # A base of n bits is at least 2^(n-1), so this refuses only what is too big for sure.
            if (base.bit_length() - 1) * exponent > INTEGER_BITS_MAX:
                raise _too_big()
            return checked(base**exponent)
    result = float(base) ** exponent
    if isinstance(result, complex):
        raise ScriptError(f"{show(base)} has no root that is a real number.", "arithmetic")
    return checked(result)


def negate(a: Value) -> Value:
    """`-a`; the opposite direction of a duration."""
    if isinstance(a, str):
        duration = parse_duration(a)
        if duration is not None:
            return (-duration).text()
    return -to_number(a)


def contains(container: Value, item: Value) -> bool:
    """`item IN container`: an item of a list, a key of an object, a part of a text."""
    if isinstance(container, list):
        if item in container:
            return True
        if isinstance(item, str):
            return has_spellings(item) and any(equal(other, item) for other in container)
        return any(equal(other, item) for other in container if type(other) is str or other is None)
    if isinstance(container, dict):
        return item is not None and not isinstance(item, (list, dict)) and to_text(item) in container
    if container is None or isinstance(item, (list, dict)):
        return False
    return to_text(item) in to_text(container)


def has_spellings(text: str) -> bool:
    """Return whether another value may equal this text: one that reads as NULL, number, date or boolean."""
    return text == "" or text[0].isdigit() or text[0] in "+-. tTfF"
