"""Reading a member: `a.b`, `a["b"]`, `a[3]`, `.length`, and the parts of a date."""

from __future__ import annotations

from engine.dates import parse_date
from engine.errors import ScriptError
from engine.values import Value, as_index, find_key, show, to_text

_DATE_PARTS = frozenset({"year", "month", "day", "hour", "minute", "second", "weekday"})
_LENGTHS = frozenset({"length", "count"})
_ENVELOPE = frozenset({"status", "statusText", "headers", "data"})


def get_index(container: Value, key: Value) -> Value:
    """Return `container[key]`, which is `container.key` too. What is not there is NULL.

    Members of an object are found exactly, then whatever their case; of a list by index from 0, or, by
    name, in its first row; of a text by index, or as the part of a date. The answer of an HTTP request
    lends its data's members. Raises ScriptError where the container can have no such member at all.
    """
    if container is None:
        return None
    if isinstance(container, dict):
        return _of_object(container, key)
    if isinstance(container, list):
        return _of_list(container, key)
    if isinstance(container, str):
        return _of_text(container, key)
    raise ScriptError(f"{show(container)} has no member {show(key)}.", "type")


def get_member(value: Value, key: str) -> Value:
    """Return `value.key`; see `get_index`."""
    return get_index(value, key)


def _of_object(members: dict[str, Value], key: Value) -> Value:
    if isinstance(key, (list, dict)):
        raise ScriptError(f"A member's name must be a text, not {show(key)}.", "type")
    name = to_text(key)
    found = find_key(members, name)
    if found is not None:
        return members[found]
    if members.keys() == _ENVELOPE and isinstance(members["data"], (dict, list)):
        return get_index(members["data"], key)
    return len(members) if name.lower() in _LENGTHS else None


def _of_list(items: list[Value], key: Value) -> Value:
    index = as_index(key)
    if index is not None:
        return items[index] if 0 <= index < len(items) else None
    if not isinstance(key, str):
        raise ScriptError(f"An item of a list has a whole number from 0 on, not {show(key)}.", "type")
    if key.lower() in _LENGTHS:
        return len(items)
    first = items[0] if items else None
    return _of_object(first, key) if isinstance(first, dict) else None


def _of_text(text: str, key: Value) -> Value:
    index = as_index(key)
    if index is not None:
        return text[index] if 0 <= index < len(text) else None
    name = key.lower() if isinstance(key, str) else ""
    if name in _LENGTHS:
        return len(text)
    if name == "message":
        return text
    if name in _DATE_PARTS:
        read = parse_date(text)
        if read is None:
            raise ScriptError(f"{show(text)} is no date, so it has no .{name}.", "type")
        return read.time.isoweekday() % 7 + 1 if name == "weekday" else int(getattr(read.time, name))
    raise ScriptError(
        f"{show(text)} has no member {show(key)}: a text has .length, an index from 0 on, and, "
        "where it is a date, .year to .second and .weekday.",
        "type",
    )
