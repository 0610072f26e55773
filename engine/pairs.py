"""A name and its value, as the statements that keep one take them: `k, v`, `k AS v`, `k = v`."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from engine.expressions import Expression
from engine.steps import Misuse


def named_value(expressions: Sequence[Expression], example: str) -> tuple[Expression, Expression]:
    """Return the key and the value of a statement: two expressions, or one equality, whose left side means itself
    where it is a bare name. Raises Misuse, with the example, where there is no value."""
    if len(expressions) == 2:
        return expressions[0], expressions[1]
    match expressions[0].node:
        case ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]):
            return key_of(_part(expressions[0], left)), _part(expressions[0], right)
        case _:
            raise Misuse("a name and its value are expected here", f"for example: {example}")


def key_of(expression: Expression) -> Expression:
    """Return the expression of a key: a bare name is the text of that name, in the author's spelling if it is known."""
    if not isinstance(expression.node, ast.Name):
        return expression
    name = expression.node.id
    spelled = expression.text if expression.text.lower() == name else name
    node = ast.Constant(spelled)
    node.lineno, node.col_offset = expression.line, expression.column
    return Expression(expression.text, node, expression.line, expression.column)


def _part(whole: Expression, node: ast.expr) -> Expression:
    return Expression("", node, whole.line, whole.column)
