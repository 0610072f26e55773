"""The tree of an expression as JSON: what a plan stores. Nothing but the shapes of the dialect exists here.

A constant is itself; everything else is a list that begins with its kind:
`["n", name]`, `["l", items…]`, `["+", a, b]`, `["neg", a]`, `["and", parts…]`, `["=", a, b]`,
`["if", c, a, b]`, `["[]", a, key]`, `["f", name, arguments…]`.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import TypeAlias, cast

from engine.errors import ScriptError
from engine.values import Value, check_value

NODES_MAX = 5_000
NODE_DEPTH_MAX = 100

Encoded: TypeAlias = "bool | int | float | str | list[Encoded] | None"

_BINARY: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "\\",
    ast.Mod: "mod",
    ast.Pow: "^",
    ast.BitAnd: "&",
}
_UNARY: dict[type[ast.unaryop], str] = {ast.USub: "neg", ast.UAdd: "pos", ast.Not: "not"}
_BOOLEAN: dict[type[ast.boolop], str] = {ast.And: "and", ast.Or: "or"}
_COMPARE: dict[type[ast.cmpop], str] = {
    ast.Eq: "=",
    ast.NotEq: "<>",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.In: "in",
    ast.NotIn: "notin",
}
_BINARY_OF = {text: kind for kind, text in _BINARY.items()}
_UNARY_OF = {text: kind for kind, text in _UNARY.items()}
_BOOLEAN_OF = {text: kind for kind, text in _BOOLEAN.items()}
_COMPARE_OF = {text: kind for kind, text in _COMPARE.items()}


def children(node: ast.expr) -> Sequence[ast.expr]:
    """Return the parts of a node in reading order. ValueError for a shape that the dialect does not have."""
    match node:
        case ast.Constant() | ast.Name():
            return ()
        case ast.List(elts=items):
            return items
        case ast.BinOp(left=left, right=right):
            return (left, right)
        case ast.UnaryOp(operand=operand):
            return (operand,)
        case ast.BoolOp(values=parts):
            return parts
        case ast.Compare(left=left, comparators=[right]):
            return (left, right)
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return (test, body, orelse)
        case ast.Subscript(value=value, slice=key):
            return (value, key)
        case ast.Call(func=ast.Name(), args=arguments, keywords=[]):
            return arguments
        case _:
            raise ValueError(f"no node of an expression: {type(node).__name__}")


def check_node(node: ast.expr) -> ast.expr:
    """Return the node if it keeps within the limits of an expression, else raise ScriptError.

    For whoever builds a tree: at most NODES_MAX nodes, NODE_DEPTH_MAX levels, constants that a variable
    can hold. Raises ValueError for a shape that the dialect does not have.
    """
    level: list[ast.expr] = [node]
    count = depth = 0
    while level:
        depth += 1
        count += len(level)
        if depth > NODE_DEPTH_MAX:
            raise ScriptError(f"The expression is nested more than {NODE_DEPTH_MAX} levels deep.", "limit")
        if count > NODES_MAX:
            raise ScriptError(f"The expression has more than {NODES_MAX:,} parts.", "limit")
        for one in level:
            if isinstance(one, ast.Constant):
                check_value(one.value)
        level = [child for one in level for child in children(one)]
    return node


def encode_node(node: ast.expr) -> Encoded:
    """Return the node as a JSON value. Raises ScriptError beyond the limits of an expression."""
    return _encode(check_node(node))


def _encode(node: ast.expr) -> Encoded:
    if isinstance(node, ast.Constant):
        return cast(Encoded, node.value)
    parts = [_encode(child) for child in children(node)]
    match node:
        case ast.Name(id=name):
            return ["n", name]
        case ast.List():
            return ["l", *parts]
        case ast.BinOp(op=binary):
            return [_BINARY[type(binary)], *parts]
        case ast.UnaryOp(op=unary):
            return [_UNARY[type(unary)], *parts]
        case ast.BoolOp(op=boolean):
            return [_BOOLEAN[type(boolean)], *parts]
        case ast.Compare(ops=[comparison]):
            return [_COMPARE[type(comparison)], *parts]
        case ast.IfExp():
            return ["if", *parts]
        case ast.Subscript():
            return ["[]", *parts]
        case ast.Call(func=ast.Name(id=name)):
            return ["f", name, *parts]
        case _:
            raise ValueError(f"no node of an expression: {type(node).__name__}")


def decode_node(encoded: Encoded) -> ast.expr:
    """Return the node that `encode_node` wrote. Raises ValueError for anything else, whatever its depth."""
    try:
        return check_node(_decode(encoded, 0))
    except ScriptError as error:
        raise ValueError(f"unreadable expression: {error.message}") from None


def _decode(encoded: Encoded, depth: int) -> ast.expr:
    if depth > NODE_DEPTH_MAX:
        raise ValueError("unreadable expression: nested too deep")
    if not isinstance(encoded, list):
        if encoded is not None and type(encoded) not in (bool, int, float, str):
            raise ValueError(f"unreadable expression: a {type(encoded).__name__} is no constant")
        return ast.Constant(cast(Value, encoded))  # type: ignore[arg-type]
    match encoded:
        case ["n", str(name)]:
            return name_node(name)
        case ["f", str(name), *rest]:
            return ast.Call(name_node(name), [_decode(part, depth + 1) for part in rest], [])
        case [str(kind), *rest]:
            node = _assemble(kind, [_decode(part, depth + 1) for part in rest])
            if node is not None:
                return node
    raise ValueError(f"unreadable expression: {str(encoded)[:80]}")


def _assemble(kind: str, parts: list[ast.expr]) -> ast.expr | None:
    match kind, parts:
        case "l", _:
            return ast.List(parts, ast.Load())
        case (("and" | "or"), [_, _, *_]):
            return ast.BoolOp(_BOOLEAN_OF[kind](), parts)
        case "if", [test, body, orelse]:
            return ast.IfExp(test, body, orelse)
        case "[]", [value, key]:
            return ast.Subscript(value, key, ast.Load())
        case _, [left, right] if kind in _BINARY_OF:
            return ast.BinOp(left, _BINARY_OF[kind](), right)
        case _, [left, right] if kind in _COMPARE_OF:
            return ast.Compare(left, [_COMPARE_OF[kind]()], [right])
        case _, [operand] if kind in _UNARY_OF:
            return ast.UnaryOp(_UNARY_OF[kind](), operand)
        case _:
            return None


def name_node(name: str) -> ast.Name:
    """Return the node that reads a variable or names a function."""
    return ast.Name(name, ast.Load())


def call_node(name: str, *arguments: ast.expr) -> ast.Call:
    """Return the node of a call. `name` is in lower case and may begin with `$` or `.`."""
    return ast.Call(name_node(name), list(arguments), [])
