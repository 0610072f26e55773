"""Functions of lists and objects. None changes what it is given: each returns a new value."""

from __future__ import annotations

import math
from collections.abc import Iterator

from engine.dates import parse_iso
from engine.errors import ScriptError
from engine.functions.signature import Function, function
from engine.functions.text import index_of, reverse
from engine.members import get_index
from engine.operators import checked
from engine.values import (
    ADDITION_MAX,
    LIST_ITEMS_MAX,
    Value,
    compare,
    equal,
    list_too_long,
    measure,
    read_number,
    show,
    to_json,
    to_number,
    to_text,
)


def first(value: Value) -> Value:
    """Return the first item of a list, or the first word of a text; NULL where there is none.

    FIRST([1, 2]) = 1
    FIRST("Ana de Souza") = "Ana"
    """
    return _end(value, 0)


def last(value: Value) -> Value:
    """Return the last item of a list, or the last word of a text; NULL where there is none.

    LAST([1, 2]) = 2
    LAST("Ana de Souza") = "Souza"
    """
    return _end(value, -1)


def _end(value: Value, index: int) -> Value:
    items: list[Value]
    if isinstance(value, list):
        items = value
    elif isinstance(value, dict):
        return value
    else:
        items = list(to_text(value).split())
        if not items and value is not None:
            return ""
    return items[index] if items else None


def slice_of(value: Value, start: int, end: int | None = None) -> Value:
    """Return the items (or characters) from one position to before another.

    Positions count from 0; below 0 they count from the end.

    SLICE([1, 2, 3], 1) = [2, 3]
    SLICE("abcd", 1, 3) = "bc"
    """
    assert isinstance(value, (str, list))
    return value[start:end]


def push(items: list[Value], *added: Value) -> Value:
    """Return the list with items added at its end.

    PUSH([1], 2) = [1, 2]
    """
    if len(items) + len(added) > LIST_ITEMS_MAX:
        raise list_too_long(len(items) + len(added))
    result = [*items, *added]
    # Small additions are not measured with the whole: that would make a loop that fills a list quadratic.
    if sum(map(measure, added)) > ADDITION_MAX:
        measure(result)
    return result


def splice(items: list[Value], start: int, count: int | None = None, *added: Value) -> Value:
    """Return the list without `count` items from a position on, others put in their place.

    Without a count all items from there on go.

    .splice([1, 2, 3], 1, 1) = [1, 3]
    .splice([1, 4], 1, 0, 2, 3) = [1, 2, 3, 4]
    """
    begin = max(0, len(items) + start) if start < 0 else min(start, len(items))
    end = len(items) if count is None else begin + max(0, count)
    result = [*items[:begin], *added, *items[end:]]
    if len(result) > LIST_ITEMS_MAX:
        raise list_too_long(len(result))
    measure(result)
    return result


def pop(items: list[Value]) -> Value:
    """Return the list without its last item.

    .pop([1, 2]) = [1]
    """
    return items[:-1]


def concatenate(*parts: Value) -> Value:
    """Return lists one behind the other; what is no list is an item.

    CONCAT([1], [2], 3) = [1, 2, 3]
    """
    result: list[Value] = []
    for part in parts:
        result.extend(part if isinstance(part, list) else [part])
        if len(result) > LIST_ITEMS_MAX:
            raise list_too_long(len(result))
    measure(result)
    return result


def _sort_key(value: Value) -> tuple[int, float, str]:
    """Order: NULL, numbers (also written as text), texts without regard to case, then the rest."""
    if value is None:
        return (0, 0.0, "")
    if isinstance(value, (bool, int, float)):
        return (1, _as_float(value), "")
    if isinstance(value, str):
        number = read_number(value)
        return (1, _as_float(number), "") if number is not None else (2, 0.0, value.casefold())
    return (3, 0.0, to_json(value))


def _as_float(number: int | float) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def sort(items: list[Value], *how: Value) -> Value:
    """Return the list in order: numbers by size, texts by letters.

    A field of its rows may be named to go by; "DESC" turns the order round.

    SORT([3, 1, 2]) = [1, 2, 3]
    SORT([1, 3], "DESC") = [3, 1]
    SORT([{"n": 2}, {"n": 1}], "n") = [{"n": 1}, {"n": 2}]
    """
    words = [to_text(word) for word in how]
    descending = bool(words) and words[-1].upper() in ("DESC", "DESCENDING")
    if words and words[-1].upper() in ("DESC", "DESCENDING", "ASC", "ASCENDING"):
        words.pop()
    if len(words) > 1:
        raise ScriptError('SORT takes a list, a field and "ASC" or "DESC".', "argument")
    field = words[0] if words else None
    return sorted(items, key=lambda item: _sort_key(_field(item, field)), reverse=descending)


def _field(item: Value, field: str | None) -> Value:
    return item if field is None else get_index(item, field) if isinstance(item, dict) else None


def unique(items: list[Value], field: str | None = None) -> Value:
    """Return the list without repetitions, the first of each kept; by a field of its rows where one is given.

    UNIQUE([1, 2, 1]) = [1, 2]
    """
    seen: set[str] = set()
    result: list[Value] = []
    for item in items:
        value = _field(item, field)
        key = value if isinstance(value, str) else f"\0{to_json(value)}" if value is not None else "\0"
        if key not in seen:
            seen.add(key)
            result.append(item)
    return result


def _numbers(function_name: str, arguments: tuple[Value, ...]) -> Iterator[int | float]:
    """Yield the numbers of a list, of a field of its rows, or of the arguments; NULL and "" are left out."""
    for value in _values(function_name, arguments):
        if value is None or value == "":
            continue
        try:
            yield to_number(value)
        except ScriptError:
            raise ScriptError(f"{function_name} expects numbers, and {show(value)} is none.", "argument") from None


def _values(function_name: str, arguments: tuple[Value, ...]) -> list[Value]:
    head = arguments[0]
    if isinstance(head, list) and len(arguments) == 2 and isinstance(arguments[1], str):
        return [_field(item, arguments[1]) for item in head]
    if len(arguments) == 1:
        return head if isinstance(head, list) else [] if head is None else [head]
    return list(arguments)


def total(*arguments: Value) -> Value:
    """Return the sum of a list, of a field of its rows, or of the arguments.

    SUM([1, 2, 3]) = 6
    SUM([{"n": 2}, {"n": 3}], "n") = 5
    """
    return _sum(list(_numbers("SUM", arguments)))


def _sum(numbers: list[int | float]) -> int | float:
    if any(isinstance(number, float) for number in numbers):
        return checked(math.fsum(numbers))
    return checked(sum(numbers))


def average(*arguments: Value) -> Value:
    """Return the mean of a list, of a field of its rows, or of the arguments; NULL of nothing.

    AVG([1, 2]) = 1.5
    """
    numbers = list(_numbers("AVG", arguments))
    if not numbers:
        return None
    mean = _sum(numbers) / len(numbers)
    return int(mean) if mean == int(mean) else mean


def _best(name: str, arguments: tuple[Value, ...], sign: int) -> Value:
    best: Value = None
    for value in _values(name, arguments):
        if value is not None and value != "" and (best is None or compare(value, best) == sign):
            best = value
    # A number that is written as text counts as one, so that MAX("9", "10") is 10.
    if isinstance(best, str) and parse_iso(best) is None:
        numbers = [read_number(to_text(v)) for v in _values(name, arguments) if v is not None and v != ""]
        if None not in numbers:
            return max(n * sign for n in numbers if n is not None) * sign
    return best


def largest(*arguments: Value) -> Value:
    """Return the largest of a list, of a field of its rows, or of the arguments: numbers, dates or texts.

    MAX([1, 3, 2]) = 3
    MAX(1, 2) = 2
    """
    return _best("MAX", arguments, 1)


def smallest(*arguments: Value) -> Value:
    """Return the smallest of a list, of a field of its rows, or of the arguments: numbers, dates or texts.

    MIN([1, 3, 2]) = 1
    """
    return _best("MIN", arguments, -1)


def count(value: Value, field: str | None = None) -> int:
    """Return how many items a list has; with a field, in how many rows it is neither NULL nor "".

    COUNT([1, 2]) = 2
    COUNT([{"n": 1}, {"n": NULL}], "n") = 1
    """
    if value is None:
        return 0
    if field is None:
        return len(value) if isinstance(value, (list, dict, str)) else 1
    items = value if isinstance(value, list) else [value]
    return sum(not equal(_field(item, field), None) for item in items)


def keys(value: dict[str, Value]) -> Value:
    """Return the names of an object's members.

    KEYS({"a": 1}) = ["a"]
    """
    return list(value)


def values(value: dict[str, Value]) -> Value:
    """Return the values of an object's members.

    VALUES({"a": 1}) = [1]
    """
    return list(value.values())


def has_key(value: dict[str, Value], key: str) -> bool:
    """Return whether an object has a member of this name.

    HASKEY({"a": 1}, "a") = TRUE
    """
    return key in value


def merge_objects(*objects: dict[str, Value]) -> Value:
    """Return an object with the members of all, the later ones winning. (MERGE of lists is a statement.)

    MERGE_OBJECTS({"a": 1}, {"b": 2}) = {"a": 1, "b": 2}
    """
    result: dict[str, Value] = {}
    for members in objects:
        result.update(members)
    if len(result) > LIST_ITEMS_MAX:
        raise list_too_long(len(result))
    measure(result)
    return result


def range_of(start: int, end: int, step: int = 1) -> Value:
    """Return the whole numbers from one to another, both included.

    RANGE(1, 3) = [1, 2, 3]
    """
    if step == 0:
        raise ScriptError("RANGE expects a step that is not 0.", "argument")
    size = max(0, (end - start) // step + 1)
    if size > LIST_ITEMS_MAX:
        raise list_too_long(size)
    return [start + step * i for i in range(size)]


def lower_bound(value: Value) -> int:
    """Return the index of a list's first item: 0, always.

    LBOUND([7, 8]) = 0
    """
    return 0


FUNCTIONS: dict[str, Function] = {
    "lbound": function("any", lower_bound, light=1),
    "first": function("any", first, light=1),
    "last": function("any", last, light=1),
    "slice": function("sequence whole whole?", slice_of),
    ".slice": function("sequence whole whole?", slice_of),
    "push": function("list any any*", push),
    "append": function("list any any*", push),
    ".push": function("list any any*", push),
    ".append": function("list any any*", push),
    ".splice": function("list whole whole? any*", splice, weight=2),
    ".pop": function("list", pop),
    "concat": function("any any*", concatenate),
    ".concat": function("any any*", concatenate),
    "sort": function("list any*", sort, weight=20, deep=2),
    ".sort": function("list any*", sort, weight=20, deep=2),
    ".reverse": function("sequence", reverse),
    "unique": function("list text?", unique, weight=20, deep=2),
    "sum": function("any any*", total, weight=6),
    "avg": function("any any*", average, weight=6),
    "average": function("any any*", average, weight=6),
    "max": function("any any*", largest, weight=30),
    "min": function("any any*", smallest, weight=30),
    "count": function("any text?", count, weight=6, light=1),
    ".count": function("any text?", count, weight=6, light=1),
    "keys": function("object", keys),
    ".keys": function("object", keys),
    "values": function("object", values),
    ".values": function("object", values),
    "haskey": function("object text", has_key),
    ".haskey": function("object text", has_key),
    "merge_objects": function("object object*", merge_objects),
    "range": function("whole whole whole?", range_of),
    "index_of": function("any any", index_of, deep=1),
}
