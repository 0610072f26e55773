"""Calls that are no pure functions become steps of their own, before the statement that uses them.

The order of evaluation is kept, and so is the short cut of AND, OR, `??`, IF() and `? :`: what they may skip
is lifted into a branch that is entered only when its value is needed.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

_Node = TypeVar("_Node", bound=ast.AST)


class Emitter(Protocol):
    """What lifting asks of the builder: new steps before the statement, and results to name."""

    def is_effectful(self, name: str) -> bool:
        """Tell whether a call of this name is more than a pure function."""

    def is_variable(self, name: str) -> bool:
        """Tell whether brackets behind a name hold the index of a list: `list(i)`."""

    def emit_keyword(self, call: ast.Call) -> ast.expr | None:
        """Emit the step of a keyword that is called and return the name of its result; None for other calls."""

    def emit_call(self, call: ast.Call, name: str, arguments: Sequence[ast.expr]) -> ast.expr:
        """Emit the step of a call and return the name of its result."""

    def emit_assign(self, temporary: str, value: ast.expr) -> None:
        """Emit the step that gives a temporary a value."""

    def emit_if(self, condition: ast.expr, then: Callable[[], None], otherwise: Callable[[], None] | None) -> None:
        """Emit an IF whose branches are emitted by the given functions."""

    def temporary(self) -> str:
        """Return a new name for a result."""


_CLOCK_GIVEN = re.compile(
    r"(?:^[ \t]*(?:LET[ \t]+|SET[ \t]+)?|(?:THEN|ELSE|:)[ \t]*)(?:NOW|TODAY)[ \t]*=(?!=)"
    r"|(?:HEAR|PARAM|EACH)[ \t]+(?:NOW|TODAY)\b",
    re.IGNORECASE | re.MULTILINE,
)


def has_clock_of_its_own(script: str) -> bool:
    """Tell whether a script has a variable that is called now or today."""
    return _CLOCK_GIVEN.search(script) is not None


class ClockNames(ast.NodeTransformer):
    """Makes NOW and TODAY without brackets read the clock where no variable of the name has a value."""

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id not in ("now", "today"):
            return node
        read = ast.copy_location(ast.Call(ast.copy_location(ast.Name(node.id), node), [], []), node)
        return ast.copy_location(ast.Call(ast.copy_location(ast.Name("$coalesce"), node), [node, read], []), node)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        match node:
            case ast.Call(func=ast.Name(id="$coalesce"), args=[ast.Name(id="now" | "today"), ast.Call()]):
                return node
            case _:
                node.args = [self.visit(argument) for argument in node.args]
                return node


class Lifter:
    """Lifts the calls out of one expression's tree."""

    def __init__(self, emitter: Emitter) -> None:
        self.emitter = emitter

    def has_calls(self, node: ast.AST) -> bool:
        """Tell whether anything in a tree must be lifted."""
        return any(
            isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and self.emitter.is_effectful(n.func.id)
            for n in ast.walk(node)
        )

    def lift(self, node: ast.expr) -> ast.expr:
        """Return a pure tree with the same value, having emitted the steps it needs. Raises Syntax."""
        if not self.has_calls(node):
            return node
        match node:
            case ast.Call(func=ast.Name(id=name)) if self.emitter.is_effectful(name):
                if len(node.args) == 1 and self.emitter.is_variable(name):
                    name_node = placed(ast.Name(name), node)
                    return placed(ast.Subscript(name_node, self.lift(node.args[0])), node)
                keyword = self.emitter.emit_keyword(node)
                if keyword is not None:
                    return keyword
                arguments = [self.lift(a) for a in node.args]
                return self.emitter.emit_call(node, name, arguments)
            case ast.BoolOp(op=op, values=values) if any(map(self.has_calls, values[1:])):
                return self.lift_short_cut(values, isinstance(op, ast.And))
            case ast.IfExp():
                return self.lift_choice(node)
            case ast.Call(func=ast.Name(id="$coalesce"), args=[first, second]) if self.has_calls(second):
                return self.lift_coalesce(node, first, second)
            case _:
                return self.rebuild(node)

    def rebuild(self, node: ast.expr) -> ast.expr:
        """Return the node with its parts lifted, in order."""
        match node:
            case ast.BinOp(left=left, op=op, right=right):
                return placed(ast.BinOp(self.lift(left), op, self.lift(right)), node)
            case ast.UnaryOp(op=unary, operand=operand):
                return placed(ast.UnaryOp(unary, self.lift(operand)), node)
            case ast.BoolOp(op=boolean, values=values):
                return placed(ast.BoolOp(boolean, [self.lift(v) for v in values]), node)
            case ast.Compare(left=left, ops=ops, comparators=[other]):
                return placed(ast.Compare(self.lift(left), ops, [self.lift(other)]), node)
            case ast.Subscript(value=value, slice=index):
                return placed(ast.Subscript(self.lift(value), self.lift(index)), node)
            case ast.List(elts=items):
                return placed(ast.List([self.lift(i) for i in items]), node)
            case ast.Call(func=func, args=arguments):
                return placed(ast.Call(func, [self.lift(a) for a in arguments], []), node)
            case _:
                raise AssertionError(f"the parser makes no {type(node).__name__} with parts")

    def lift_short_cut(self, values: Sequence[ast.expr], conjunction: bool) -> ast.expr:
        """Lift `a AND b`: t = a, IF t THEN t = b; OR the other way round."""
        result = self.emitter.temporary()
        name = placed(ast.Name(result), values[0])
        self.emitter.emit_assign(result, self.lift(values[0]))

        def go_on(rest: Sequence[ast.expr]) -> None:
            if not rest:
                return
            condition = name if conjunction else placed(ast.UnaryOp(ast.Not(), name), rest[0])

            def then() -> None:
                self.emitter.emit_assign(result, self.lift(rest[0]))
                go_on(rest[1:])

            self.emitter.emit_if(condition, then, None)

        go_on(values[1:])
        return name

    def lift_choice(self, node: ast.IfExp) -> ast.expr:
        """Lift `c ? a : b`: IF c THEN t = a ELSE t = b."""
        test = self.lift(node.test)
        if not (self.has_calls(node.body) or self.has_calls(node.orelse)):
            return placed(ast.IfExp(test, node.body, node.orelse), node)
        result = self.emitter.temporary()
        self.emitter.emit_if(
            test,
            lambda: self.emitter.emit_assign(result, self.lift(node.body)),
            lambda: self.emitter.emit_assign(result, self.lift(node.orelse)),
        )
        return placed(ast.Name(result), node)

    def lift_coalesce(self, node: ast.expr, first: ast.expr, second: ast.expr) -> ast.expr:
        """Lift `a ?? b`: t = a, IF t IS NULL THEN t = b."""
        result = self.emitter.temporary()
        name = placed(ast.Name(result), node)
        self.emitter.emit_assign(result, self.lift(first))
        is_null = placed(ast.Call(placed(ast.Name("$is_null"), node), [name], []), node)
        self.emitter.emit_if(is_null, lambda: self.emitter.emit_assign(result, self.lift(second)), None)
        return name


def placed(node: _Node, like: ast.AST) -> _Node:
    """Return the node with the place of another."""
    node.lineno = getattr(like, "lineno", 1)  # type: ignore[attr-defined]
    node.col_offset = getattr(like, "col_offset", 1)  # type: ignore[attr-defined]
    return node
