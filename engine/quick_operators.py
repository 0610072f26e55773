"""The operators of closures: what goes right and is cheap, and Unusual for everything else.

Each returns what `operators`, `values` and `members` return, where it returns.
"""

from __future__ import annotations

from engine import operators
from engine.functions.signature import Moment
from engine.members import get_index
from engine.values import Value, compare, to_text
from engine.values import equal as equal_values

# What a text may have, where going over it is counted, and a list or an object where its items are.
CHARACTERS_MAX = 2_000
ITEMS_MAX = 64

CONTAINERS = frozenset({list, dict})
_SCALARS = frozenset({type(None), bool, float})
_MOST = 1 << 64
_LEAST = -_MOST


class Unusual(Exception):
    """Not for a closure: too large, too costly, or wrong."""


def plain(value: Value) -> bool:
    """Tell whether writing the value down costs next to nothing."""
    if type(value) is str:
        return len(value) <= CHARACTERS_MAX
    if type(value) is int:
        return _LEAST <= value <= _MOST
    return type(value) in _SCALARS


def joins(text: Value) -> bool:
    """Tell whether `+` joins a value with whatever comes behind it: a text, and neither a date nor a duration."""
    if type(text) is not str or len(text) > CHARACTERS_MAX:
        return False
    return len(text) < 3 or (text[0] not in "+-P" and text[4:5] != "-")


def add(a: Value, b: Value, moment: Moment) -> Value:
    """`a + b`."""
    if type(a) is int and type(b) is int:
        total = a + b
        if _LEAST <= total <= _MOST:
            return total
    if type(a) is str and joins(a):
        if type(b) is str and len(b) <= CHARACTERS_MAX:
            return a + b
        if type(b) is int and _LEAST <= b <= _MOST:
            return f"{a}{b}"
    if not (plain(a) and plain(b)):
        raise Unusual
    return operators.add(a, b, moment.zone)


def subtract(a: Value, b: Value, moment: Moment) -> Value:
    """`a - b`."""
    if type(a) is int and type(b) is int:
        rest = a - b
        if _LEAST <= rest <= _MOST:
            return rest
    return operators.subtract(a, b, moment.zone)


def multiply(a: Value, b: Value, moment: Moment) -> Value:
    """`a * b`."""
    if type(a) is int and type(b) is int:
        product = a * b
        if _LEAST <= product <= _MOST:
            return product
    return operators.multiply(a, b)


def join(a: Value, b: Value, moment: Moment) -> Value:
    """`a & b`."""
    if not (plain(a) and plain(b)):
        raise Unusual
    return to_text(a) + to_text(b)


def equal(a: Value, b: Value, moment: Moment) -> bool:
    """`a = b`."""
    if type(a) is int and type(b) is int:
        return a == b
    if type(a) is str and type(b) is str and _no_dates(a, b):
        return a == b
    if type(a) is list or type(a) is dict:
        raise Unusual
    return equal_values(a, b)


def differ(a: Value, b: Value, moment: Moment) -> bool:
    """`a <> b`."""
    return not equal(a, b, moment)


def less(a: Value, b: Value, moment: Moment) -> bool:
    """`a < b`."""
    return a < b if type(a) is int and type(b) is int else _order(a, b) == -1


def at_most(a: Value, b: Value, moment: Moment) -> bool:
    """`a <= b`."""
    return a <= b if type(a) is int and type(b) is int else _order(a, b) in (-1, 0)


def greater(a: Value, b: Value, moment: Moment) -> bool:
    """`a > b`."""
    return a > b if type(a) is int and type(b) is int else _order(a, b) == 1


def at_least(a: Value, b: Value, moment: Moment) -> bool:
    """`a >= b`."""
    return a >= b if type(a) is int and type(b) is int else _order(a, b) in (1, 0)


def _order(a: Value, b: Value) -> int | None:
    if type(a) is str and type(b) is str:
        if _no_dates(a, b):
            return (a > b) - (a < b)
    elif type(a) is not type(b) and not (plain(a) and plain(b)):
        raise Unusual
    return compare(a, b)


def _no_dates(a: str, b: str) -> bool:
    """Tell whether neither text can be a date as ISO 8601 writes it: with one, both are compared by their time."""
    return (len(a) < 10 or a[4] != "-") and (len(b) < 10 or b[4] != "-")


def contains(item: Value, container: Value, moment: Moment) -> bool:
    """`item IN container`."""
    if type(container) is str:
        if len(container) > CHARACTERS_MAX:
            raise Unusual
    elif (type(container) is list or type(container) is dict) and len(container) > ITEMS_MAX:
        raise Unusual
    if type(item) is list or type(item) is dict:
        raise Unusual
    return operators.contains(container, item)


def lacks(item: Value, container: Value, moment: Moment) -> bool:
    """`item NOT IN container`."""
    return not contains(item, container, moment)


def member(container: Value, key: Value, moment: Moment) -> Value:
    """`container[key]`."""
    if type(container) is dict:
        if len(container) > ITEMS_MAX:
            raise Unusual
        if type(key) is str and key in container:
            return container[key]
    elif type(container) is list and type(key) is int:
        return container[key] if 0 <= key < len(container) else None
    return get_index(container, key)
