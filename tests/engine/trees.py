"""Trees of expressions for tests, written as Python text: the shapes that the parser of the dialect makes."""

from __future__ import annotations

import ast
import re
from datetime import UTC, datetime
from random import Random
from zoneinfo import ZoneInfo

from engine.expressions import Expression, Moment, evaluate
from engine.nodes import call_node
from engine.values import Value

_WORDS = {"TRUE": True, "FALSE": False, "NULL": None}


class _ToDialect(ast.NodeTransformer):
    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id in _WORDS:
            return ast.Constant(_WORDS[node.id])
        name = node.id.lower()
        for written, real in (("dot_", "."), ("int_", "$")):
            if name.startswith(written):
                name = real + name.removeprefix(written)
        return ast.Name(name, ast.Load())

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        return ast.Subscript(self.visit(node.value), ast.Constant(node.attr), ast.Load())

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        return ast.UnaryOp(node.op, self.visit(node.operand))

    def visit_Dict(self, node: ast.Dict) -> ast.expr:
        parts = [self.visit(part) for pair in zip(node.keys, node.values, strict=True) for part in pair if part]
        return call_node("$object", *parts)


def tree(text: str) -> ast.expr:
    """Return the node for Python text: `LEFT("abc", 2)`; `dot_trim`, `int_like` for `.trim`, `$like`."""
    parsed = ast.parse(re.sub(r"^\.(?=[a-zA-Z])", "dot_", text), mode="eval")
    node = _ToDialect().visit(parsed.body)
    assert isinstance(node, ast.expr)
    return node


def a_moment(zone: str = "America/Sao_Paulo", seed: int = 7) -> Moment:
    """Return the moment of every test: 22 November 2026, 13:05:16 UTC, a Sunday."""
    now = datetime(2026, 11, 22, 13, 5, 16, tzinfo=UTC)
    return Moment(now, Random(seed), ZoneInfo(zone), "session-1")


def run_node(node: ast.expr, variables: dict[str, Value] | None = None) -> Value:
    """Return the value of a node with these variables."""
    return evaluate(Expression("", node, 1, 1), (variables or {}).get, a_moment())


def run(text: str, **variables: Value) -> Value:
    """Return the value of Python text, read as an expression of the dialect."""
    return run_node(tree(text), variables)
