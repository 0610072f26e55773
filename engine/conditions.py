"""Which rows a data statement means: its condition, its order and its limit, however they are written.

A plan holds them as a tuple `(tree, text, order, limit)`: what is known when the script is compiled is a tree of
engine.filters; `text` is an expression that gives a condition, an object or an id when the statement runs.
"""

from __future__ import annotations

import ast
from typing import Any, TypeAlias, cast

from engine.errors import ScriptError
from engine.expressions import Expression
from engine.filter_text import Condition, is_condition, parse_pieces, parse_text, pieces_of
from engine.filters import Operand, Resolver, Tree, name_of, right_operand, tree_of, written_name
from engine.steps import Here, Misuse, Parsed
from engine.values import Value, as_index, show

Rows: TypeAlias = "tuple[Tree | None, Expression | None, tuple[tuple[str, bool], ...], Operand | None]"

ALL_ROWS: Rows = (None, None, (), None)
ID = "id"  # stands for the key of a table that has no column of that name


def rows_of(parsed: Parsed, arguments: tuple[Expression, ...] = ()) -> Rows:
    """Return the rows that a statement names: by a filter, or a column and its value, among its arguments; by
    WHERE, ORDER BY and LIMIT. Raises Misuse."""
    tree, text, order, limit = _of_arguments(arguments)
    where = parsed.find("data_where")
    if where is not None:
        own = tree_of(where.expressions()[0].node)
        tree = own if tree is None else ("and", tree, own)
    if (keys := parsed.find("data_order")) is not None:
        order = tuple(order_key(key) for key in keys.parts)
    if (most := parsed.expression_of("data_limit")) is not None:
        limit = most
    if parsed.find("data_first") is not None:
        limit = ("value", 1)
    return tree, text, order, limit


def order_key(key: Parsed) -> tuple[str, bool]:
    """Return one key of ORDER BY: the column and whether it descends. Raises Misuse."""
    node = key.expressions()[0].node
    name = written_name(node) or (node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else "")
    if not name:
        raise Misuse("ORDER BY takes names of columns", "for example: ORDER BY name DESC")
    return name.strip().lower(), key.find("data_desc") is not None


def _of_arguments(arguments: tuple[Expression, ...]) -> Rows:
    if not arguments:
        return ALL_ROWS
    first = arguments[0]
    pieces = pieces_of(first.node)
    if len(arguments) == 2:
        if len(pieces) == 1 and isinstance(pieces[0], str) and not is_condition(pieces[0]):
            return ("=", ("column", pieces[0].strip().lower()), value_operand(arguments[1])), None, (), None
        name = written_name(first.node)
        if name is not None:
            return ("=", ("column", name), value_operand(arguments[1])), None, (), None
    if len(arguments) > 1:
        raise Misuse("a filter, or a column and its value, is expected here", 'for example: FIND t, "name", value')
    authored = "".join(piece if isinstance(piece, str) else "?" for piece in pieces)
    if not any(isinstance(piece, str) for piece in pieces) or not is_condition(authored):
        return None, first, (), None
    try:
        found = parse_pieces(pieces)
    except ScriptError as error:
        if all(isinstance(piece, str) for piece in pieces):
            raise Misuse(error.message, 'for example: "status = open AND age > 18"') from None
        return None, first, (), None  # a whole condition is put in: what it says is known when it runs
    return found.tree, None, found.order, found.limit


def value_operand(expression: Expression) -> Operand:
    """Return an argument as the operand that it is: a name alone is a variable."""
    node = expression.node
    if isinstance(node, ast.Constant):
        return right_operand(node)
    return expression


def asked_rows(rows: Rows, here: Here, *, all_allowed: bool = True) -> dict[str, Value]:
    """Return the rows as they are asked for: where, order, limit. Raises ScriptError.

    Without `all_allowed` a condition that turns out empty is an error: it was to hold for some rows, not for all.
    """
    tree, text, order, limit = rows
    found = Condition(tree, order, limit)
    if text is not None:
        own = _condition_of(here.value(text), all_allowed)
        trees = [t for t in (own.tree, tree) if t is not None]
        joined = ("and", *trees) if len(trees) == 2 else trees[0] if trees else None
        found = Condition(joined, order or own.order, limit if limit is not None else own.limit)
    resolver = Resolver(here.value, here.lookup)
    return {
        "where": None if found.tree is None else cast(Value, resolver.tree(found.tree)),
        "order": [[name, descending] for name, descending in found.order],
        "limit": None if found.limit is None else _limit(resolver.operand(found.limit)),
    }


def _limit(operand: list[Value]) -> int:
    value = operand[1] if operand[0] == "value" else None
    count = as_index(value)
    if count is None or count < 0:
        raise ScriptError(f"LIMIT takes a whole number from 0 on, not {show(value)}.", "data")
    return min(count, 1 << 31)


def _condition_of(value: Value, all_allowed: bool) -> Condition:
    match value:
        case dict():
            parts = [("=", ("column", name_of(k, "column")), ("value", v)) for k, v in value.items()]
            if parts:
                return Condition(("and", *parts) if len(parts) > 1 else parts[0])
        case str() if value.strip():
            if is_condition(value):
                return parse_text(value)
            return Condition(("=", ("column", ID), ("value", value.strip())))
        case bool() | int() | float():
            return Condition(("=", ("column", ID), ("value", value)))
        case list() if value:
            return Condition(("in", ("column", ID), ("value", value)))
    if not all_allowed:
        raise ScriptError(f"The condition is {show(value)}, and so says nothing of which rows are meant.", "data")
    return Condition(None)


def table_of(expression: Expression) -> tuple[Any, ...]:
    """Return the table that an argument names, as a plan holds it; see `asked_table`."""
    name = expression.node.id if isinstance(expression.node, ast.Name) and expression.node.id[0] != "$" else None
    return (name,) if name is not None else ("", expression)


def asked_table(table: tuple[Any, ...], here: Here) -> str:
    """Return the table's name: a bare word is the name, unless it is a variable that holds a text.

    Raises ScriptError.
    """
    match table:
        case ("", Expression() as expression):
            return name_of(here.value(expression), "table")
        case (str(word),):
            value = here.lookup(word)
            return name_of(value if isinstance(value, str) and value.strip() else word, "table")
    raise AssertionError(table)
