"""Expressions: from masked text to the tree that is stored in a plan and evaluated.

The tree is made of Python's own ast classes, as the evaluator expects them. Calls whose names begin with `$`
are the dialect's own operators; those that begin with `.` are methods with their object as first argument.
"""

from __future__ import annotations

import ast
import math
import unicodedata
from collections.abc import Mapping
from typing import TypeVar

from lark import Lark, Token, Tree, UnexpectedInput

from engine.expression_rules import EXPRESSION_GRAMMAR, RESERVED, build_parser, expression_parser
from engine.source import Interpolation, Literal, Source
from engine.syntax import BRACKETS_MAX, EXPRESSION_CHARACTERS_MAX, Syntax, check_limits, explain

__all__ = [
    "BRACKETS_MAX",
    "EXPRESSION_CHARACTERS_MAX",
    "EXPRESSION_GRAMMAR",
    "RESERVED",
    "ExpressionParser",
    "NodeBuilder",
    "Syntax",
    "build_parser",
    "check_limits",
    "explain",
    "variable_name",
]

NODE_DEPTH_MAX = 100
"""Levels of one tree; the evaluator refuses deeper ones."""
NUMBER_CHARACTERS_MAX = 300

_E = TypeVar("_E", bound=ast.expr)
_Node = Tree[Token]
_BINARY: dict[str, type[ast.operator]] = {
    "x_add": ast.Add,
    "x_sub": ast.Sub,
    "x_mul": ast.Mult,
    "x_div": ast.Div,
    "x_whole": ast.FloorDiv,
    "x_mod": ast.Mod,
    "x_pow": ast.Pow,
    "x_join": ast.BitAnd,
}
_UNARY: dict[str, type[ast.unaryop]] = {"x_minus": ast.USub, "x_plus": ast.UAdd, "x_negate": ast.Not}
_COMPARE: dict[str, type[ast.cmpop]] = {
    "x_eq": ast.Eq,
    "x_ne": ast.NotEq,
    "x_lt": ast.Lt,
    "x_le": ast.LtE,
    "x_gt": ast.Gt,
    "x_ge": ast.GtE,
    "x_in": ast.In,
    "x_not_in": ast.NotIn,
}
_INTERNAL = {
    "x_coalesce": "$coalesce",
    "x_like": "$like",
    "x_ilike": "$ilike",
    "x_contains": "$contains",
    "x_starts": "$starts",
    "x_ends": "$ends",
    "x_is_null": "$is_null",
}
_NEGATED = {
    "x_is_not_null": "$is_null",
    "x_not_like": "$like",
    "x_not_ilike": "$ilike",
    "x_not_contains": "$contains",
    "x_not_starts": "$starts",
    "x_not_ends": "$ends",
}
_LEAVES = frozenset({"x_name", "x_error", "x_number", "x_string", "x_true", "x_false", "x_null"})
_CONSTANTS: dict[str, bool | None] = {"x_true": True, "x_false": False, "x_null": None}


def variable_name(spelled: str) -> str:
    """Return the name under which a variable is kept, however the author spelled it."""
    return unicodedata.normalize("NFC", spelled).lower()


class NodeBuilder:
    """Turns trees of one masked text into nodes. `start` is the text's offset in the file."""

    def __init__(
        self,
        parser: ExpressionParser,
        source: Source,
        start: int,
        literals: Mapping[int, Literal],
        depth: int = 0,
    ) -> None:
        self._parser, self._source, self._start = parser, source, start
        self._literals, self._depth = literals, depth

    def build(self, tree: _Node) -> ast.expr:
        """Return the node of an `expression` or `value` tree. Raises Syntax."""
        if tree.data in ("expression", "value"):
            inner = tree.children[0]
            assert isinstance(inner, Tree)
            return self.build(inner)
        if self._depth >= NODE_DEPTH_MAX:
            message = f"this expression has more than {NODE_DEPTH_MAX} operators inside each other"
            raise Syntax(self._offset(tree), message, "split it into several statements")
        self._depth += 1
        node = self._node(str(tree.data), tree)
        self._depth -= 1
        return node

    def literal(self, literal: Literal) -> ast.expr:
        """Return the node of a string literal or of a line of a verbatim block. Raises Syntax."""
        place = literal.start
        if all(isinstance(part, str) for part in literal.parts):
            return self._put(ast.Constant("".join(str(part) for part in literal.parts)), place)
        parts = [
            self._put(ast.Constant(part), place)
            if isinstance(part, str)
            else self._parser.interpolated(part, self._source, self._depth + 1)
            for part in literal.parts
        ]
        return self._call("$text", parts, place)

    def _node(self, data: str, tree: _Node) -> ast.expr:
        at = self._offset(tree)
        if data in _LEAVES:
            return self._leaf(data, tree, at)
        parts = [self._pair_or_value(child) for child in tree.children if isinstance(child, Tree)]
        flat = [node for nodes in parts for node in nodes]
        if data in _BINARY:
            return self._put(ast.BinOp(flat[0], _BINARY[data](), flat[1]), at)
        if data in _COMPARE:
            return self._put(ast.Compare(flat[0], [_COMPARE[data]()], [flat[1]]), at)
        if data in _UNARY:
            return self._put(ast.UnaryOp(_UNARY[data](), flat[0]), at)
        if data in _INTERNAL:
            return self._call(_INTERNAL[data], flat, at)
        if data in _NEGATED:
            return self._not(self._call(_NEGATED[data], flat, at), at)
        return self._compound(data, tree, flat, at)

    def _leaf(self, data: str, tree: _Node, at: int) -> ast.expr:
        token = tree.children[0] if tree.children else ""
        match data:
            case "x_name":
                return self._put(ast.Name(variable_name(str(token)), ast.Load()), at)
            case "x_error":
                return self._put(ast.Name("error", ast.Load()), at)
            case "x_number":
                return self._put(ast.Constant(self._number(str(token), at)), at)
            case "x_string":
                return self._text(at)
            case _:
                return self._put(ast.Constant(_CONSTANTS[data]), at)

    def _compound(self, data: str, tree: _Node, flat: list[ast.expr], at: int) -> ast.expr:
        match data:
            case "x_any" | "x_all":
                return self._put(ast.BoolOp(ast.Or() if data == "x_any" else ast.And(), flat), at)
            case "x_if":
                return self._put(ast.IfExp(flat[0], flat[1], flat[2]), at)
            case "x_list":
                return self._put(ast.List(flat, ast.Load()), at)
            case "x_object":
                return self._call("$object", flat, at)
            case "x_index":
                return self._put(ast.Subscript(flat[0], flat[1], ast.Load()), at)
            case "x_member":
                word = _last_token(tree)
                key = self._put(ast.Constant(str(word)), self._start + (word.start_pos or 0))
                return self._put(ast.Subscript(flat[0], key, ast.Load()), at)
            case "x_between" | "x_not_between":
                between = self._between(flat, at)
                return between if data == "x_between" else self._not(between, at)
            case "x_bare_call":
                return self._call(str(tree.children[0]).lower(), flat, at)
            case "x_format":
                if isinstance(flat[1], ast.Name) and flat[1].id == "json":
                    flat[1] = self._put(ast.Constant("JSON"), at)
                return self._call("format", flat, at)
            case _:
                assert data == "x_call", data
                return self._called(flat, at)

    def _called(self, flat: list[ast.expr], at: int) -> ast.expr:
        called, *arguments = flat
        match called:
            case ast.Name(id="if" | "iif" as name):
                if len(arguments) not in (2, 3):
                    hint = "IF(condition, value if true, value if false)"
                    raise Syntax(at, f"{name.upper()} takes a condition and two values", hint)
                other = arguments[2] if len(arguments) == 3 else self._put(ast.Constant(None), at)
                return self._put(ast.IfExp(arguments[0], arguments[1], other), at)
            case ast.Name(id=name):
                return self._call(name.rstrip("$"), arguments, at)
            case ast.Subscript(value=value, slice=ast.Constant(value=str(member))):
                return self._call(f".{member.lower()}", [value, *arguments], at)
            case _:
                raise Syntax(at, "only a function or a method can be called", "put its name before the bracket")

    def _between(self, flat: list[ast.expr], at: int) -> ast.expr:
        # The value stands twice in the tree; a call would happen twice.
        if any(isinstance(node, ast.Call) for node in ast.walk(flat[0])):
            raise Syntax(at, "BETWEEN takes no call before it", "put the value into a variable first")
        low = self._put(ast.Compare(flat[0], [ast.GtE()], [flat[1]]), at)
        high = self._put(ast.Compare(flat[0], [ast.LtE()], [flat[2]]), at)
        return self._put(ast.BoolOp(ast.And(), [low, high]), at)

    def _pair_or_value(self, tree: _Node) -> list[ast.expr]:
        if tree.data != "x_pair":
            return [self.build(tree)]
        key, value = tree.children
        assert isinstance(key, Token) and isinstance(value, Tree)
        at = self._start + (key.start_pos or 0)
        named = self._text(at) if key.type == "STRING" else self._put(ast.Constant(str(key)), at)
        return [named, self.build(value)]

    def _text(self, at: int) -> ast.expr:
        literal = self._literals.get(at)
        if literal is None:
            raise Syntax(at, "this string has no closing quote", 'add the closing " at its end')
        return self.literal(literal)

    def _number(self, text: str, at: int) -> int | float:
        if len(text) > NUMBER_CHARACTERS_MAX:
            raise Syntax(at, f"a number has at most {NUMBER_CHARACTERS_MAX} digits")
        number = int(text) if text.isdecimal() else float(text)
        if isinstance(number, float) and not math.isfinite(number):
            raise Syntax(at, f'the number "{text}" is too big')
        return number

    def _call(self, name: str, arguments: list[ast.expr], at: int) -> ast.expr:
        return self._put(ast.Call(self._put(ast.Name(name, ast.Load()), at), arguments, []), at)

    def _not(self, node: ast.expr, at: int) -> ast.expr:
        return self._put(ast.UnaryOp(ast.Not(), node), at)

    def _put(self, node: _E, at: int) -> _E:
        node.lineno, node.col_offset = self._source.place(at)
        return node

    def _offset(self, tree: _Node) -> int:
        return self._start + tree.meta.start_pos


def _last_token(tree: _Node) -> Token:
    token = tree.children[-1]
    assert isinstance(token, Token)
    return token


class ExpressionParser:
    """Parses bare expressions.

    `lark` is a parser of a grammar that contains EXPRESSION_GRAMMAR, with `expression` and `value` among its
    start symbols; by default the one of expressions alone, built on first use and kept.
    """

    def __init__(self, lark: Lark | None = None) -> None:
        self._lark = lark

    def parse(self, text: str, start: int, literals: Mapping[int, Literal], source: Source) -> ast.expr:
        """Return the node of an expression; `start` is the offset of `text` in the file. Raises Syntax."""
        return self._parse(text, start, literals, source, "expression", 0)

    def parse_value(self, text: str, start: int, literals: Mapping[int, Literal], source: Source) -> ast.expr:
        """Return the node of a right-hand side, which may be a call without brackets. Raises Syntax only."""
        return self._parse(text, start, literals, source, "value", 0)

    def text(self, literal: Literal, source: Source) -> ast.expr:
        """Return the node of a string literal or of a line of a verbatim block. Raises Syntax only."""
        return NodeBuilder(self, source, literal.start, {}).literal(literal)

    def interpolated(self, part: Interpolation, source: Source, depth: int) -> ast.expr:
        """Return the node of a `${…}`, `depth` levels deep in its tree. Raises Syntax only."""
        return self._parse(part.text, part.start, part.literals, source, "expression", depth)

    def _parse(
        self, text: str, start: int, literals: Mapping[int, Literal], source: Source, rule: str, depth: int
    ) -> ast.expr:
        check_limits(text, start)
        lark = self._lark or expression_parser()
        try:
            tree = lark.parse(text, start=rule)
        except UnexpectedInput as error:
            offset, message = explain(error, text)
            raise Syntax(start + offset, message) from None
        return NodeBuilder(self, source, start, literals, depth).build(tree)
