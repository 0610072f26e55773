"""Functions of lists of rows: what the keywords of the same names do, inside an expression."""

from __future__ import annotations

import ast
from typing import Any, cast

from engine.errors import ScriptError
from engine.functions.signature import Function, Moment, function
from engine.values import Value, to_text

# The modules of rows and conditions are built on expressions, and so on this one: they are imported when called.


def filter_list(moment: Moment, items: list[Value], condition: str) -> Value:
    """Return the rows of a list that a condition means.

    FILTER([{"n": 1}, {"n": 2}], "n > 1") = [{"n": 2}]
    """
    from engine.expressions import Expression
    from engine.filter_text import Condition, parse_text
    from engine.filters import Resolver
    from engine.functions import FUNCTIONS as ALL
    from engine.rows import select

    found: Condition = parse_text(condition)

    def value(expression: Expression) -> Value:
        assert isinstance(expression.node, ast.Call) and isinstance(expression.node.func, ast.Name)
        return ALL[expression.node.func.id].call(moment)  # NOW() and TODAY(): a text holds nothing else

    resolver = Resolver(value, lambda name: None)
    limit = resolver.operand(found.limit)[1] if found.limit is not None else None
    where = None if found.tree is None else resolver.tree(found.tree)
    asked: dict[str, Any] = {"where": where, "order": [list(key) for key in found.order], "limit": limit}
    return cast(Value, select(items, asked))


def map_list(items: list[Value], mapping: str) -> Value:
    """Return a field of every row, or several of them, or under other names.

    MAP([{"n": 1}, {"n": 2}], "n") = [1, 2]
    MAP([{"n": 1}], "n -> m") = [{"m": 1}]
    """
    from engine.rows import map_rows

    return cast(Value, map_rows(items, mapping))


def group_list(items: list[Value], *names: str) -> Value:
    """Return an object with, for each value of a field, the rows that have it.

    GROUP_BY([{"n": 1}, {"n": 2}], "n") = {"1": [{"n": 1}], "2": [{"n": 2}]}
    """
    from engine.rows import group_rows

    if not names:
        raise ScriptError("GROUP_BY takes a list and at least one field.", "argument")
    return cast(Value, group_rows(items, list(names)))


def pivot_list(items: list[Value], row: str, column: str, value: str) -> Value:
    """Return one row for each value of a field, with a column for each value of another, the sum of a third.

    PIVOT([{"m": 5, "c": "a", "n": 2}], "m", "c", "n") = [{"m": 5, "a": 2}]
    """
    from engine.rows import pivot_rows

    return cast(Value, pivot_rows(items, row, column, value))


def fill_list(items: list[Value], template: Value) -> Value:
    """Return a template once for every row, with `{{field}}` in its texts replaced.

    FILL([{"n": 1}], "no. {{n}}") = ["no. 1"]
    """
    from engine.rows import fill_rows

    return cast(Value, fill_rows(items, template))


def merge_lists(first: list[Value], second: list[Value], key: Value = None) -> Value:
    """Return two lists as one; with a key, rows of the second replace or add to those of the first.

    MERGE([1], [2]) = [1, 2]
    """
    from engine.rows import merge_rows

    return cast(Value, merge_rows(first, second, None if key is None else to_text(key)))


FUNCTIONS: dict[str, Function] = {
    "filter": function("list text", filter_list, moment=True, weight=100, deep=4, cost=50),
    "map": function("list text", map_list, weight=20, deep=2),
    "group_by": function("list text*", group_list, weight=20, deep=2),
    "groupby": function("list text*", group_list, weight=20, deep=2),
    "pivot": function("list text text text", pivot_list, weight=60, deep=4),
    "fill": function("list any", fill_list, weight=60, deep=4),
    "merge": function("list list any?", merge_lists, weight=20, deep=2),
}
