"""Conditions on rows: from an expression to a tree of comparisons, and from the tree to what a database is given.

A tree is made of tuples, so that a plan can hold it; its values are expressions until it is resolved:

    ("and", tree, …) ("or", tree, …) ("not", tree) (comparison, operand, operand)
    ("in", operand, operand, …) ("null", operand) ("true", operand)

and its operands are an Expression, ("value", v), ("column", name), ("name", word), ("text", part, …),
("call", function, operand, …) or ("arith", sign, operand, operand). A bare word left of an operator is a column;
right of it a variable, where the script has one that is not NULL, else a column, else a text without quotes.
A resolved tree holds no expressions: it is JSON, and no part of it is ever pasted into SQL.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any, TypeAlias, cast

from engine import operators
from engine.errors import ScriptError
from engine.expressions import Expression
from engine.members import get_index
from engine.values import Value, show, to_text

Tree: TypeAlias = "tuple[Any, ...]"
Operand: TypeAlias = "Expression | tuple[Any, ...]"

COMPARISONS = ("=", "<>", "<", "<=", ">", ">=", "like", "ilike", "contains", "starts", "ends")
# What a column may be put through, by the names of the dialect.
COLUMN_FUNCTIONS = {
    "lower": "lower", "lcase": "lower", "upper": "upper", "ucase": "upper", "trim": "trim", "len": "length",
    "length": "length", "date": "date", "year": "year", "month": "month", "day": "day", "datediff": "datediff",
    "abs": "abs", "round": "round",
}  # fmt: skip
TREE_NODES_MAX = 2_000
COLUMN_BYTES_MAX = 63  # what PostgreSQL keeps of a name

_COMPARED: dict[type[ast.cmpop], str] = {
    ast.Eq: "=",
    ast.NotEq: "<>",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}
_CALLED = {"$like": "like", "$ilike": "ilike", "$contains": "contains", "$starts": "starts", "$ends": "ends"}
_SIGNS: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Mod: "%"}
ARITHMETIC: dict[str, Callable[[Value, Value], Value]] = {
    "+": operators.add,
    "-": operators.subtract,
    "*": operators.multiply,
    "/": operators.divide,
    "%": operators.modulo,
}


# ── from an expression ─────────────────────────────────────────────────────────────────────────────


def tree_of(node: ast.expr) -> Tree:
    """Return the condition that an expression after WHERE writes."""
    match node:
        case ast.BoolOp(op=ast.And(), values=values):
            return ("and", *map(tree_of, values))
        case ast.BoolOp(values=values):
            return ("or", *map(tree_of, values))
        case ast.UnaryOp(op=ast.Not(), operand=inner):
            return ("not", tree_of(inner))
        case ast.Compare(left=left, ops=[ast.In() | ast.NotIn() as op], comparators=[right]):
            items = [right_operand(i) for i in right.elts] if isinstance(right, ast.List) else [right_operand(right)]
            found = ("in", left_operand(left), *items)
            return ("not", found) if isinstance(op, ast.NotIn) else found
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return (_COMPARED[type(op)], left_operand(left), right_operand(right))
        case ast.Call(func=ast.Name(id="$is_null"), args=[inner]):
            return ("null", left_operand(inner))
        case ast.Call(func=ast.Name(id=name), args=[left, right]) if name in _CALLED:
            return (_CALLED[name], left_operand(left), right_operand(right))
        case _:
            return ("true", left_operand(node))


def left_operand(node: ast.expr) -> Operand:
    """Return what stands left of an operator: a bare name is a column."""
    match node:
        case ast.Name(id=name) if not name.startswith("$"):
            return ("column", name)
        case ast.Subscript(value=ast.Name(), slice=ast.Constant(value=str(name))):  # t.column
            return ("column", name.lower())
        case ast.Call(func=ast.Name(id=name), args=[_, *_] as arguments) if name in COLUMN_FUNCTIONS:
            return ("call", COLUMN_FUNCTIONS[name], *map(left_operand, arguments))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _SIGNS and _has_names(node):
            return ("arith", _SIGNS[type(op)], left_operand(left), left_operand(right))
        case _:
            return right_operand(node)


def right_operand(node: ast.expr) -> Operand:
    """Return what stands right of an operator: a bare name is a variable, else a column, else a text."""
    match node:
        case ast.Name(id=name) if not name.startswith("$"):
            return ("name", name)
        case ast.Constant(value=value):
            return ("value", cast(Value, value))
        case ast.Call(func=ast.Name(id=name), args=[_, *_] as arguments) if name in COLUMN_FUNCTIONS and all(
            isinstance(a, ast.Name | ast.Constant) for a in arguments
        ):
            return ("call", COLUMN_FUNCTIONS[name], *map(right_operand, arguments))
        case ast.BinOp() if (date := _bare_date(node)) is not None:
            return ("value", date)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _SIGNS and _is_plain(node):
            return ("arith", _SIGNS[type(op)], right_operand(left), right_operand(right))
        case _:
            return part_of(node)


def part_of(node: ast.expr) -> Expression:
    """Return a part of an expression as one of its own."""
    return Expression("", node, node.lineno, node.col_offset)


def _has_names(node: ast.expr) -> bool:
    return any(isinstance(n, ast.Name) and not n.id.startswith("$") for n in _values_in(node))


def _is_plain(node: ast.expr) -> bool:
    """Tell whether an expression is arithmetic of bare names and constants, so that a name may be a column."""
    return _has_names(node) and all(
        isinstance(n, ast.Name | ast.Constant) or (isinstance(n, ast.BinOp) and type(n.op) in _SIGNS)
        for n in _values_in(node)
    )


def _values_in(node: ast.expr) -> list[ast.expr]:
    functions = {id(n.func) for n in ast.walk(node) if isinstance(n, ast.Call)}
    return [n for n in ast.walk(node) if isinstance(n, ast.expr) and id(n) not in functions]


def _bare_date(node: ast.BinOp) -> str | None:
    """Return `2026-01-31` written without quotes, which reads as a subtraction nobody means."""
    match node:
        case ast.BinOp(
            left=ast.BinOp(left=ast.Constant(value=int(y)), op=ast.Sub(), right=ast.Constant(value=int(m))),
            op=ast.Sub(),
            right=ast.Constant(value=int(d)),
        ) if 1000 <= y <= 9999 and 1 <= m <= 12 and 1 <= d <= 31:
            return f"{y:04d}-{m:02d}-{d:02d}"
        case _:
            return None


# ── to what is asked ───────────────────────────────────────────────────────────────────────────────


class Resolver:
    """Puts the values of this moment into trees: `value` evaluates an expression, `lookup` reads a variable."""

    def __init__(self, value: Callable[[Expression], Value], lookup: Callable[[str], Value]) -> None:
        self.value = value
        self.lookup = lookup
        self.nodes = 0

    def tree(self, tree: Tree) -> list[Value]:
        """Return a condition without expressions. Raises ScriptError."""
        self.nodes += 1
        if self.nodes > TREE_NODES_MAX:
            raise ScriptError(f"A condition of more than {TREE_NODES_MAX:,} parts is too big.", "limit")
        match tree:
            case (("and" | "or" | "not") as kind, *parts):
                return [kind, *(self.tree(cast(Tree, part)) for part in parts)]
            case ("in", left, *items):
                return ["in", self.operand(cast(Operand, left)), *self.items(cast("list[Operand]", items))]
            case (kind, *operands):
                return [kind, *(self.operand(cast(Operand, operand)) for operand in operands)]
        raise AssertionError(tree)

    def items(self, operands: list[Operand]) -> list[Value]:
        """Return what IN goes through: a list alone gives its items, a text of several is split at its commas."""
        if len(operands) != 1:
            return [self.operand(operand) for operand in operands]
        one = self.operand(operands[0])
        match one:
            case ["value", list(values)]:
                return [["value", value] for value in values]
            case ["value", str(text)] if "," in text:
                return [["value", word.strip().strip("'\"")] for word in text.split(",")]
            case _:
                return [one]

    def operand(self, operand: Operand) -> list[Value]:
        """Return an operand without expressions. Raises ScriptError."""
        if isinstance(operand, Expression):
            return ["value", self.value(operand)]
        match operand:
            case ("value" | "column", _):
                return list(operand)
            case ("name", str(word)):
                return self.word(word)
            case ("text", *parts):
                texts = [p if isinstance(p, str) else to_text(self.value(p)) for p in parts]
                return ["value", "".join(texts)]
            case ("call", str(name), *arguments):
                return ["call", name, *(self.operand(cast(Operand, a)) for a in arguments)]
            case ("arith", str(sign), left, right):
                return self.arithmetic(sign, self.operand(cast(Operand, left)), self.operand(cast(Operand, right)))
        raise AssertionError(operand)

    def word(self, word: str) -> list[Value]:
        """Return a bare word as the variable it names; what is none stays a word, for columns to be looked for."""
        name, *path = word.split(".")
        value = self.lookup(name.lower())
        for key in path:
            value = get_index(value, key) if isinstance(value, dict | list) else None
        return ["name", word] if value is None else ["value", value]

    def arithmetic(self, sign: str, left: list[Value], right: list[Value]) -> list[Value]:
        """Return the result where both sides are values, else the operation for the database."""
        if left[0] == "value" and right[0] == "value":
            return ["value", ARITHMETIC[sign](left[1], right[1])]
        return ["arith", sign, cast(Value, left), cast(Value, right)]


# ── names ──────────────────────────────────────────────────────────────────────────────────────────


def name_of(value: Value, what: str) -> str:
    """Return the name of a table or column: folded to lower case. Raises ScriptError for what can be none."""
    if not isinstance(value, str) or not value.strip():
        raise ScriptError(f"The name of a {what} must be a text, not {show(value)}.", "data")
    name = value.strip().lower()
    if not name.isprintable():
        raise ScriptError(f"{show(name)} cannot be the name of a {what}.", "data")
    if len(name.encode("utf-8", "replace")) > COLUMN_BYTES_MAX:
        raise ScriptError(f"The name of a {what} has at most {COLUMN_BYTES_MAX} bytes: {show(name)} has more.", "data")
    return name


def written_name(node: ast.expr) -> str | None:
    """Return the name that an argument itself writes: `name`, `customer.name`; None for every other."""
    match node:
        case ast.Name(id=name) if not name.startswith("$"):
            return name
        case ast.Subscript(slice=ast.Constant(value=str(name))):
            return name.lower()
        case _:
            return None
