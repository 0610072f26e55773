"""Lists of rows in memory: which of them a condition means, in which order, and what is made of them.

The rules are those of values (`=`, `<`, LIKE), so that a list and a table answer alike.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cmp_to_key
from typing import Any, cast

from engine.dates import parse_date
from engine.errors import ScriptError
from engine.filters import ARITHMETIC
from engine.functions.lists import sort as sort_list
from engine.functions.numbers import FUNCTIONS as NUMBERS
from engine.members import get_index
from engine.operators import contains
from engine.patterns import like
from engine.values import (
    LIST_ITEMS_MAX,
    Value,
    compare,
    equal,
    find_key,
    limit_text,
    list_too_long,
    measure,
    show,
    to_number,
    to_text,
)

_FIELD = re.compile(r"\{\{([^{}]*)\}\}")
AGGREGATES = ("COUNT", "SUM", "AVG", "MIN", "MAX")


def rows_in(value: Value, what: str) -> list[Value]:
    """Return a value as a list of rows: NULL is none, an object is one. Raises ScriptError."""
    if value is None:
        return []
    if isinstance(value, dict):
        return [value]
    if not isinstance(value, list):
        raise ScriptError(f"{what} works on a list, and {show(value)} is none.", "type")
    return value


def field(row: Value, name: str) -> Value:
    """Return a row's field, whatever its case; NULL where it has none. An item that is no row is its own."""
    if isinstance(row, dict):
        found = find_key(row, name)
        return row[found] if found is not None else get_index(row, name) if "." in name else None
    return row


# ── conditions ─────────────────────────────────────────────────────────────────────────────────────


def select(rows: Iterable[Value], asked: dict[str, Any]) -> list[Value]:
    """Return the rows that a resolved condition means, in its order, at most its limit. Raises ScriptError."""
    where = asked["where"]
    found = [row for row in rows if where is None or holds(row, where)]
    for name, descending in reversed(asked["order"]):
        found.sort(key=cmp_to_key(_by(name)), reverse=descending)
    return found if asked["limit"] is None else found[: asked["limit"]]


def _order(a: Value, b: Value) -> int:
    return compare(a, b) or 0


def _by(name: str) -> Callable[[Value, Value], int]:
    def order(a: Value, b: Value) -> int:
        x, y = field(a, name), field(b, name)
        if x is None or y is None:
            return (x is not None) - (y is not None)
        if isinstance(x, list | dict) or isinstance(y, list | dict):
            x, y = to_text(x), to_text(y)
        return compare(x, y) or 0

    return order


def holds(row: Value, tree: list[Any]) -> bool:
    """Tell whether a resolved condition holds for a row. Raises ScriptError."""
    match tree:
        case ["and", *parts]:
            return all(holds(row, part) for part in parts)
        case ["or", *parts]:
            return any(holds(row, part) for part in parts)
        case ["not", part]:
            return not holds(row, part)
        case ["null", operand]:
            return operand_value(row, operand) in (None, [])
        case ["true", operand]:
            return bool(operand_value(row, operand))
        case ["in", operand, *items]:
            value = operand_value(row, operand)
            return any(equal(value, operand_value(row, item)) for item in items)
        case [kind, left, right]:
            return _compared(kind, operand_value(row, left), operand_value(row, right))
    raise AssertionError(tree)


def _compared(kind: str, a: Value, b: Value) -> bool:
    match kind:
        case "=":
            return equal(a, b)
        case "<>":
            return not equal(a, b)
        case "like" | "ilike":
            return a is not None and like(to_text(a), to_text(b), kind == "ilike")
        case "contains":
            return contains(a, b)
        case "starts":
            return a is not None and to_text(a).startswith(to_text(b))
        case "ends":
            return a is not None and to_text(a).endswith(to_text(b))
    order = compare(a, b)
    wanted = {"<": (-1,), "<=": (-1, 0), ">": (1,), ">=": (1, 0)}[kind]
    return order in wanted


def operand_value(row: Value, operand: list[Any]) -> Value:
    """Return what a resolved operand is for a row. Raises ScriptError."""
    match operand:
        case ["value", value]:
            return cast(Value, value)
        case ["column", name]:
            return field(row, name)
        case ["name", word]:
            known = isinstance(row, dict) and find_key(row, word) is not None
            return field(row, word) if known else cast(Value, word)
        case ["call", name, *arguments]:
            return _called(name, [operand_value(row, a) for a in arguments])
        case ["arith", sign, left, right]:
            return ARITHMETIC[sign](operand_value(row, left), operand_value(row, right))
    raise AssertionError(operand)


def _called(name: str, arguments: list[Value]) -> Value:
    value = arguments[0]
    if value is None:
        return None
    match name:
        case "lower":
            return to_text(value).lower()
        case "upper":
            return to_text(value).upper()
        case "trim":
            return to_text(value).strip()
        case "length":
            return len(value) if isinstance(value, list | dict) else len(to_text(value))
        case "abs" | "round":
            return NUMBERS[name].call(*(to_number(a) for a in arguments))
        case "datediff":
            first, second = _day(value), _day(arguments[1])
            return cast(int, (first - second).days)
        case "date":
            return cast(str, _day(value).isoformat())
        case _:
            return cast(int, getattr(_day(value), name))


def _day(value: Value) -> Any:
    read = parse_date(value) if isinstance(value, str) else None
    if read is None:
        raise ScriptError(f"{show(value)} is no date.", "type")
    return read.time.date()


# ── what is made of rows ───────────────────────────────────────────────────────────────────────────


def sort_rows(rows: list[Value], name: str | None, descending: bool) -> list[Value]:
    """Return the rows in the order of a field, as SORT() has it."""
    how: list[Value] = [] if name is None else [name]
    return cast("list[Value]", sort_list(rows, *how, "DESC" if descending else "ASC"))


def group_rows(rows: list[Value], names: list[str]) -> dict[str, Value]:
    """Return an object: for each value of the fields (joined by `|`) the rows that have it, as first met."""
    groups: dict[str, list[Value]] = {}
    for row in rows:
        groups.setdefault("|".join(to_text(field(row, name)) for name in names), []).append(row)
    return cast("dict[str, Value]", groups)


def pivot_rows(rows: list[Value], row_name: str, column_name: str, value_name: str) -> list[Value]:
    """Return one row for each value of a field, with a field for each value of another: the sum of a third."""
    columns = list(dict.fromkeys(to_text(field(row, column_name)) for row in rows))
    made: dict[str, dict[str, Value]] = {}
    for row in rows:
        key = field(row, row_name)
        line = made.setdefault(to_text(key), {row_name: key, **dict.fromkeys(columns, 0)})
        column = to_text(field(row, column_name))
        line[column] = ARITHMETIC["+"](to_number(line[column]), to_number(field(row, value_name)))
    return list(made.values())


def join_rows(left: list[Value], right: list[Value], first: str, second: str) -> list[Value]:
    """Return every pair of rows whose fields are equal as one row; the left one's fields win.

    Raises ScriptError where there are more than a list may hold.
    """
    by_key: dict[str, list[Value]] = {}
    for row in right:
        by_key.setdefault(to_text(field(row, second)), []).append(row)
    joined: list[Value] = []
    for row in left:
        for other in by_key.get(to_text(field(row, first)), []):
            if isinstance(row, dict) and isinstance(other, dict):
                joined.append({**other, **row})
        if len(joined) > LIST_ITEMS_MAX:
            raise list_too_long(len(joined))
    measure(joined)
    return joined


def map_rows(rows: list[Value], mapping: str) -> list[Value]:
    """Return each row's field, or with several, or with `old -> new`, rows of these fields."""
    pairs = []
    for part in mapping.split(","):
        old, arrow, new = part.partition("->")
        pairs.append((old.strip(), new.strip() if arrow else old.strip(), bool(arrow)))
    if len(pairs) == 1 and not pairs[0][2]:
        return [field(row, pairs[0][0]) for row in rows]
    return [{new: field(row, old) for old, new, _ in pairs} for row in rows]


def merge_rows(first: list[Value], second: list[Value], key: str | None) -> list[Value]:
    """Return two lists as one; with a key, rows of the second replace or add to those of the first."""
    if key is None:
        joined = [*first, *second]
        if len(joined) > LIST_ITEMS_MAX:
            raise list_too_long(len(joined))
        measure(joined)
        return joined
    made: dict[str, Value] = {to_text(field(row, key)): row for row in first}
    for row in second:
        name = to_text(field(row, key))
        old = made.get(name)
        made[name] = {**old, **row} if isinstance(old, dict) and isinstance(row, dict) else row
    return list(made.values())


def aggregate_rows(function: str, rows: list[Value], name: str) -> Value:
    """Return COUNT, SUM, AVG, MIN or MAX of a field; NULL and "" are left out. COUNT of "" or * counts all."""
    if function == "COUNT" and name in ("", "*"):
        return len(rows)
    values = [v for row in rows if (v := field(row, name)) not in (None, "")]
    if function == "COUNT":
        return len(values)
    if not values:
        return 0 if function == "SUM" else None
    if function in ("MIN", "MAX"):
        ordered = sorted(values, key=cmp_to_key(_order))
        return ordered[0 if function == "MIN" else -1]
    total: Value = 0
    for value in values:
        total = ARITHMETIC["+"](to_number(total), to_number(value))
    return total if function == "SUM" else ARITHMETIC["/"](total, len(values))


def fill_rows(rows: list[Value], template: Value) -> list[Value]:
    """Return the template once for every row, `{{field}}` in its texts replaced. Raises ScriptError."""
    made = [_filled(template, row) for row in rows]
    measure(cast(Value, made))
    return made


def _filled(template: Value, row: Value) -> Value:
    match template:
        case str():
            return limit_text(_FIELD.sub(lambda found: to_text(field(row, found[1].strip())), template))
        case list():
            return [_filled(item, row) for item in template]
        case dict():
            return {key: _filled(value, row) for key, value in template.items()}
        case _:
            return template
