"""What a variable holds: exactly what JSON can hold, and the rules of the dialect for it.

Values are immutable by convention: nothing changes a list or an object after handing it on, so `b = a`
shares, and a change (`assign_path`) makes new containers along its path.
"""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from typing import TypeAlias, cast

from engine.dates import DateValue, order_dates, parse_date, parse_iso
from engine.errors import ScriptError

Value: TypeAlias = "bool | int | float | str | list[Value] | dict[str, Value] | None"

INTEGER_BITS_MAX = 4_096
TEXT_CHARACTERS_MAX = 100_000
LIST_ITEMS_MAX = 100_000
# Of one value, all levels together: a list of lists that share their items is small in memory and huge
# when it is written down.
VALUE_ITEMS_MAX = 100_000
VALUE_CHARACTERS_MAX = 1_000_000
VALUE_DEPTH_MAX = 64

INTEGER_MAX = (1 << INTEGER_BITS_MAX) - 1
_NUMBER = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,5})?\s*", re.ASCII)
_NUMBER_CHARACTERS_MAX = 1_300
_EXACT_FLOAT_MAX = 2.0**53
_ROUNDED_FLOAT_MAX = 1e308
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
_SHOWN_CHARACTERS_MAX = 40


def type_name(value: object) -> str:
    """Return what messages and TYPEOF call the value's type: null, boolean, number, text, list, object."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, str):
        return "text"
    return "object" if isinstance(value, dict) else type(value).__name__


def show(value: Value) -> str:
    """Return the value as a message names it: `the text "abc"`, `the number 3`, `a list of 2`, `NULL`."""
    match value:
        case None:
            return "NULL"
        case list():
            return f"a list of {len(value)}"
        case dict():
            return f"an object of {len(value)} members"
        case str():
            short = value if len(value) <= _SHOWN_CHARACTERS_MAX else value[:_SHOWN_CHARACTERS_MAX] + "…"
            return f'the text "{short}"'
        case bool():
            return "TRUE" if value else "FALSE"
        case _:
            text = to_text(value)
            if len(text) > _SHOWN_CHARACTERS_MAX:
                text = f"{text[:_SHOWN_CHARACTERS_MAX]}… ({len(text)} digits)"
            return f"the number {text}"


def truthy(value: Value) -> bool:
    """Return whether a condition holds: NULL, FALSE, 0, "", an empty list or object do not."""
    return bool(value)


def number_text(number: int | float) -> str:
    """Return a number as people write it: 15 significant digits, no trailing `.0`, no early exponent."""
    if isinstance(number, int):
        return str(number)
    if number == math.trunc(number) and abs(number) <= _EXACT_FLOAT_MAX:
        return str(int(number))
    # The largest floats, rounded to 15 digits, would be infinite.
    text = f"{number:.15g}" if abs(number) < _ROUNDED_FLOAT_MAX else repr(number)
    if "e" not in text or not 1e-7 <= abs(number) < 1e21:
        return text
    text = format(Decimal(text), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def to_text(value: Value) -> str:
    """Return the value as TALK says it. NULL is "", TRUE is `true`, containers are compact JSON."""
    if type(value) is str:
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return number_text(value)
    return to_json(value)


def _for_json(value: Value) -> Value:
    """Return the value with its floats as people write them, so that JSON and TALK agree."""
    if isinstance(value, float):
        if value == math.trunc(value) and abs(value) <= _EXACT_FLOAT_MAX:
            return int(value)
        return float(number_text(value))
    if isinstance(value, list):
        return [_for_json(v) for v in value]
    if isinstance(value, dict):
        return {k: _for_json(v) for k, v in value.items()}
    return value


def to_json(value: Value) -> str:
    """Return the value as compact JSON. ScriptError where it would be longer than a text may be."""
    measure(value)
    return limit_text(_ENCODER.encode(_for_json(value)))


def limit_text(text: str) -> str:
    """Return the text, or raise ScriptError where it is longer than TEXT_CHARACTERS_MAX."""
    if len(text) > TEXT_CHARACTERS_MAX:
        raise text_too_long(len(text))
    return text


def text_too_long(characters: int) -> ScriptError:
    """Return the error for a text that is, or would be, this many characters long."""
    return ScriptError(
        f"A text of {characters:,} characters is too long: the limit is {TEXT_CHARACTERS_MAX:,}.", "limit"
    )


def list_too_long(items: int) -> ScriptError:
    """Return the error for a list that is, or would be, this many items long."""
    return ScriptError(f"A list of {items:,} items is too long: the limit is {LIST_ITEMS_MAX:,}.", "limit")


def read_number(text: str) -> int | float | None:
    """Return the number that a text reads as, or None: `" 12 "`, `"-1.5"`, `"2e3"`; never NaN or infinity."""
    if len(text) > _NUMBER_CHARACTERS_MAX or _NUMBER.fullmatch(text) is None:
        return None
    if "." in text or "e" in text or "E" in text:
        number = float(text)
        return number if math.isfinite(number) else None
    whole = int(text)
    return whole if -INTEGER_MAX <= whole <= INTEGER_MAX else None


def to_number(value: Value) -> int | float:
    """Return the value in arithmetic: NULL is 0, TRUE is 1, a text that reads as a number counts.

    Raises ScriptError for every other text, for lists and for objects.
    """
    if type(value) is int:
        return value
    if value is None:
        return 0
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, (int, float)):
        return value
    if isinstance(value, str):
        number = read_number(value)
        if number is not None:
            return number
    raise ScriptError(f"Here a number is needed, and {show(value)} is none. VAL(x) reads a number from a text.", "type")


def _date_pair(a: str, b: str) -> tuple[DateValue, DateValue] | None:
    """Return both texts as dates, where at least one is written as ISO 8601 and the other is a date too."""
    first, second = parse_iso(a), parse_iso(b)
    if first is None and second is None:
        return None
    first = first or parse_date(a)
    second = second or parse_date(b)
    return (first, second) if first is not None and second is not None else None


def equal(a: Value, b: Value) -> bool:
    """Return `a = b` of the dialect.

    NULL = "" holds, NULL = 0 does not; "1" = 1 and "true" = TRUE hold; dates are equal by their time.
    """
    if a is None or b is None:
        return (a is None or a == "") and (b is None or b == "")
    if isinstance(a, str) and isinstance(b, str):
        if a == b:
            return True
        dates = _date_pair(a, b)
        return dates is not None and order_dates(*dates) == 0
    if isinstance(a, str) or isinstance(b, str):
        text, other = (a, b) if isinstance(a, str) else (b, a)
        assert isinstance(text, str)
        if isinstance(other, bool):
            return text.lower() == to_text(other)
        if isinstance(other, (int, float)):
            number = read_number(text)
            return number is not None and number == other
        return False
    return a == b


def compare(a: Value, b: Value) -> int | None:
    """Return -1, 0 or 1 as a is before, equal to or after b; None where one is NULL (no order holds).

    Numbers by size, a text against a number by size where it reads as one, dates by their time, other
    texts by their characters. Raises ScriptError for lists and objects.
    """
    if a is None or b is None:
        return None
    if isinstance(a, (list, dict)) or isinstance(b, (list, dict)):
        raise ScriptError(f"{show(a)} and {show(b)} have no order.", "type")
    if isinstance(a, str) and isinstance(b, str):
        dates = _date_pair(a, b)
        if dates is not None:
            return order_dates(*dates)
        return (a > b) - (a < b)
    first = read_number(a) if isinstance(a, str) else a
    second = read_number(b) if isinstance(b, str) else b
    if first is None or second is None:
        left, right = to_text(a), to_text(b)
        return (left > right) - (left < right)
    return (first > second) - (first < second)


def less(a: Value, b: Value) -> bool:
    """Return `a < b` of the dialect; see `compare`."""
    return compare(a, b) == -1


def measure(value: Value) -> int:
    """Return the size of a well-typed value: its items on all levels, and one more for every 8 characters.

    Raises ScriptError beyond VALUE_ITEMS_MAX, VALUE_CHARACTERS_MAX or VALUE_DEPTH_MAX, within a time
    bounded by these limits, cycles included.
    """
    if isinstance(value, str):
        return 1 + len(value) // 8
    if not isinstance(value, (list, dict)):
        return 1
    items, characters, depth = 1, 0, 0
    level: list[list[Value] | dict[str, Value]] = [value]
    while level:
        depth += 1
        if depth > VALUE_DEPTH_MAX:
            raise ScriptError(f"A value nested more than {VALUE_DEPTH_MAX} levels deep is too deep.", "limit")
        below: list[list[Value] | dict[str, Value]] = []
        for container in level:
            items += len(container)
            if items > VALUE_ITEMS_MAX:
                raise ScriptError(f"A value of more than {VALUE_ITEMS_MAX:,} items in all is too big.", "limit")
            if isinstance(container, dict):
                characters += sum(map(len, container))
            for member in container.values() if isinstance(container, dict) else container:
                kind = type(member)
                if kind is str:
                    characters += len(member)  # type: ignore[arg-type]
                elif kind is list or kind is dict:
                    below.append(member)  # type: ignore[arg-type]
            if characters > VALUE_CHARACTERS_MAX:
                raise ScriptError(
                    f"A value of more than {VALUE_CHARACTERS_MAX:,} characters in all is too big.", "limit"
                )
        level = below
    return items + characters // 8


def check_text(text: str) -> str:
    """Return the text, or raise ScriptError for what PostgreSQL cannot store or what is too long."""
    limit_text(text)
    if "\0" in text:
        raise ScriptError("A text must not hold the character NUL.", "value")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ScriptError("A text holds half a character (a lone surrogate).", "value") from None
    return text


def _check_scalar(value: object) -> None:
    match value:
        case None | bool():
            return
        case int():
            if not -INTEGER_MAX <= value <= INTEGER_MAX:
                raise ScriptError(
                    f"A whole number of {value.bit_length():,} bits is too big: the limit is "
                    f"{INTEGER_BITS_MAX:,} bits.",
                    "limit",
                )
        case float():
            if not math.isfinite(value):
                raise ScriptError(f"{value} is no number that can be kept.", "value")
        case str():
            check_text(value)
        case _:
            raise ScriptError(
                f"A {type(value).__name__} cannot be kept: only what JSON can hold.",
                "type",
            )


def check_value(value: object) -> Value:
    """Return the value if a variable can hold it, else raise ScriptError (F46, F47).

    For what comes from outside an expression: answers, rows, arguments. Takes about 100 ns an item.
    """
    if not isinstance(value, (list, dict)):
        _check_scalar(value)
        return cast(Value, value)
    try:
        measure(cast(Value, value))
    except TypeError:  # A key without a length: no text.
        raise ScriptError("A key of an object must be a text.", "type") from None
    waiting: list[object] = [value]
    while waiting:
        item = waiting.pop()
        if type(item) is list:
            waiting.extend(item)
        elif type(item) is dict:
            for key in item:
                if type(key) is not str:
                    raise ScriptError(f"A key of an object must be a text, not {key!r}.", "type")
                check_text(key)
            waiting.extend(item.values())
        else:
            _check_scalar(item)
    return cast(Value, value)


def find_key(members: dict[str, Value], key: str) -> str | None:
    """Return the object's key that a name means: exactly so, else the first that differs in case only."""
    if key in members:
        return key
    folded = key.lower()
    return next((k for k in members if len(k) == len(key) and k.lower() == folded), None)


def as_index(key: Value) -> int | None:
    """Return a key as the index of a list (whole numbers, also written as text), else None."""
    number = read_number(key) if isinstance(key, str) else key
    if isinstance(number, bool) or not isinstance(number, (int, float)) or number != math.trunc(number):
        return None
    return int(number)


def assign_path(container: Value, path: tuple[Value, ...], value: Value) -> Value:
    """Return the container with the value at the path (`a.b[2] = v`); the container itself stays as it is.

    Only the containers along the path are new. NULL becomes an object for a text key and a list for a
    whole number; an index beyond the end fills with NULL. Raises ScriptError for an index below 0, for
    a member of something else, and beyond the limits of a value.
    """
    if not path:
        return value
    if len(path) > VALUE_DEPTH_MAX:
        raise ScriptError(f"A value nested more than {VALUE_DEPTH_MAX} levels deep is too deep.", "limit")
    result = _assigned(container, path, 0, value)
    # Small additions are not measured with the whole: that would make a loop that fills a list quadratic.
    if len(path) > 1 or measure(value) > ADDITION_MAX:
        measure(result)
    return result


# What may be added to a container without measuring it all again. A turn adds at most this times its steps.
ADDITION_MAX = 64


def _assigned(container: Value, path: tuple[Value, ...], depth: int, value: Value) -> Value:
    if depth == len(path):
        return value
    key = path[depth]
    if container is None:
        container = {} if isinstance(key, str) else []
    if isinstance(container, dict):
        if key is None or isinstance(key, (list, dict)):
            raise ScriptError(f"A member's name must be a text, not {show(key)}.", "type")
        name = to_text(key)
        existing = find_key(container, name)
        name = name if existing is None else existing
        if existing is None and len(container) >= LIST_ITEMS_MAX:
            raise list_too_long(len(container) + 1)
        return {**container, name: _assigned(container.get(name), path, depth + 1, value)}
    if isinstance(container, list):
        index = as_index(key)
        if index is None or index < 0:
            raise ScriptError(f"An item of a list has a whole number from 0 on, not {show(key)}.", "type")
        if index >= LIST_ITEMS_MAX:
            raise list_too_long(index + 1)
        filled = container + [None] * (index + 1 - len(container))
        filled[index] = _assigned(filled[index], path, depth + 1, value)
        return filled
    raise ScriptError(f"{show(container)} has no members, so {show(key)} cannot be set in it.", "type")
