"""Evaluating the expressions of the dialect: pure, within limits, defined by simpleeval.

A tree of Python's `ast` is what the parser makes; no text is ever translated or parsed here. Of
simpleeval's nodes only those of the dialect are kept, attributes do not exist, every operator is ours.

Time is bounded by counting work, not by a clock, so that an expression fails the same way everywhere:
a unit is about a microsecond, and WORK_PER_EXPRESSION_MAX of them stay below 50 ms.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any, cast
from zoneinfo import ZoneInfo

from simpleeval import InvalidExpression, SimpleEval

from engine import operators
from engine.closures import Closure, closure_of
from engine.errors import ScriptError
from engine.functions import FUNCTIONS
from engine.functions.signature import Moment, convert_arguments, shown_name
from engine.members import get_index
from engine.nodes import Encoded, check_node, children, decode_node, encode_node
from engine.values import (
    INTEGER_MAX,
    LIST_ITEMS_MAX,
    TEXT_CHARACTERS_MAX,
    Value,
    compare,
    equal,
    list_too_long,
    measure,
    text_too_long,
    to_number,
    to_text,
)

# The names that other modules take from here, wherever they are made.
__all__ = [
    "Encoded",
    "Expression",
    "Moment",
    "check_node",
    "decode_node",
    "encode_node",
    "evaluate",
    "evaluate_otherwise",
]
__all__ += ["function_names", "is_pure_function", "names_of", "walk"]

WORK_PER_EXPRESSION_MAX = 20_000
# A container or text up to this size costs nothing beyond its node: the counting itself would cost more.
_FREE_SIZE = 64
# What going over a character or an item costs.
_CHARACTER_WORK = 0.004
_ITEM_WORK = 0.125
# What counting an item of a new container costs, and what writing one down (as JSON or text) costs.
_MEASURE_WORK = 0.05
_WRITE_WORK = 1.0
# What going over a whole number of up to INTEGER_BITS_MAX bits costs: above all writing it down.
_BIG_INTEGER_WORK = 60
_SMALL = 1 << 64
_SIZED = frozenset({str, list, dict})
_LAZY = frozenset({"$coalesce", "$text", "$object", "if", "iif"})


class _Evaluated:
    """Where an expression keeps its closure: no field, so it is neither compared, stored nor copied with it."""

    __slots__ = ("closure",)

    closure: Closure  # nothing yet before it is first evaluated


@dataclass(frozen=True, slots=True, eq=False)
class Expression(_Evaluated):
    """An expression of a script, parsed.

    `text` is what the author wrote, `line` and `column` count from 1. Two are equal when they stand in
    the same place and their trees are the same.
    """

    text: str
    node: ast.expr
    line: int
    column: int

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Expression):
            return NotImplemented
        mine, theirs = (self.text, self.line, self.column), (other.text, other.line, other.column)
        # By repr: 1, 1.0 and True are equal in Python and are different trees.
        return mine == theirs and repr(encode_node(self.node)) == repr(encode_node(other.node))

    def __hash__(self) -> int:
        return hash((self.text, self.line, self.column, repr(encode_node(self.node))))


def _too_much_work() -> ScriptError:
    said = "The expression does too much at once. Split it into several statements, or work on fewer items."
    return ScriptError(said, "limit")


class _Evaluator(SimpleEval):  # type: ignore[misc]
    """simpleeval with the nodes, operators and limits of the dialect. One instance, never re-entered."""

    def __init__(self) -> None:
        super().__init__(operators={}, functions={}, names={}, allowed_attrs={})
        self.ATTR_INDEX_FALLBACK = False
        self.lookup: Callable[[str], Value] = lambda name: None
        self.moment = Moment(datetime.min.replace(tzinfo=UTC), Random(0), ZoneInfo("UTC"))
        self.work: float = 0
        self.nodes = {
            ast.Constant: self._constant,
            ast.Name: self._name,
            ast.List: self._list,
            ast.BinOp: self._eval_binop,
            ast.UnaryOp: self._eval_unaryop,
            ast.BoolOp: self._boolop,
            ast.Compare: self._compare,
            ast.IfExp: self._eval_ifexp,
            ast.Subscript: self._subscript,
            ast.Call: self._call,
        }
        self.operators: dict[type[ast.AST], Callable[..., Value]] = {
            ast.Add: self._add,
            ast.Sub: self._subtract,
            ast.Mult: operators.multiply,
            ast.Div: operators.divide,
            ast.FloorDiv: operators.divide_whole,
            ast.Mod: operators.modulo,
            ast.Pow: operators.power,
            ast.BitAnd: self._join,
            ast.USub: operators.negate,
            ast.UAdd: to_number,
            ast.Not: lambda a: not a,
            ast.Eq: self._equal,
            ast.NotEq: lambda a, b: not self._equal(a, b),
            ast.Lt: lambda a, b: self._order(a, b) == -1,
            ast.LtE: lambda a, b: self._order(a, b) in (-1, 0),
            ast.Gt: lambda a, b: self._order(a, b) == 1,
            ast.GtE: lambda a, b: self._order(a, b) in (1, 0),
            ast.In: self._in,
            ast.NotIn: lambda a, b: not self._in(a, b),
        }

    def run(self, node: ast.expr, lookup: Callable[[str], Value], moment: Moment) -> Value:
        """Return the node's value. Raises ScriptError only."""
        self.lookup, self.moment, self.work = lookup, moment, WORK_PER_EXPRESSION_MAX
        try:
            return cast(Value, self.eval("", previously_parsed=node))
        except RecursionError:
            raise ScriptError("The expression is nested too deep.", "limit") from None
        except OverflowError:
            raise ScriptError("A number of the expression is too big.", "limit") from None
        except MemoryError:
            raise _too_much_work() from None
        except InvalidExpression as error:
            raise ScriptError(f"The expression cannot be evaluated: {error}") from None

    # simpleeval walks every value at every node here, for objects that no value of ours can be.
    def _eval(self, node: ast.expr) -> Value:
        self.work -= 1
        if self.work < 0:
            raise _too_much_work()
        handler = self.nodes.get(type(node))
        if handler is None:
            raise ScriptError(f"An expression cannot hold {type(node).__name__}.")
        return cast(Value, handler(node))

    def _charge(self, value: Value, weight: float = 1.0) -> None:
        """Take the work that going over a value costs from what the expression may still do."""
        kind = type(value)
        if kind is str:
            size = len(value)  # type: ignore[arg-type]
            if size > _FREE_SIZE:
                self.work -= size * _CHARACTER_WORK * weight
        elif kind is list or kind is dict:
            size = len(value)  # type: ignore[arg-type]
            if size > _FREE_SIZE or weight > 1:
                self.work -= size * _ITEM_WORK * weight
        if self.work < 0:
            raise _too_much_work()

    def _constant(self, node: ast.Constant) -> Value:
        return cast(Value, node.value)

    def _name(self, node: ast.Name) -> Value:
        return self.lookup(node.id)

    def _list(self, node: ast.List) -> Value:
        if len(node.elts) > LIST_ITEMS_MAX:
            raise list_too_long(len(node.elts))
        return self._built([self._eval(item) for item in node.elts])

    def _built(self, container: Any) -> Value:
        """Return a new container after measuring it, which is what keeps shared items from multiplying."""
        self.work -= measure(container) * _MEASURE_WORK
        return cast(Value, container)

    def _charge_deep(self, value: Value, weight: float = 1.0) -> None:
        """Take the work that writing a value down costs, all its levels counted."""
        if type(value) is list or type(value) is dict:
            self.work -= measure(value) * _WRITE_WORK * weight
            if self.work < 0:
                raise _too_much_work()
        elif type(value) is int and not -_SMALL <= value <= _SMALL:
            self.work -= _BIG_INTEGER_WORK

    def _boolop(self, node: ast.BoolOp) -> Value:
        stop_at = isinstance(node.op, ast.Or)
        value: Value = None
        for part in node.values:
            value = self._eval(part)
            if bool(value) is stop_at:
                return value
        return value

    def _compare(self, node: ast.Compare) -> Value:
        operator = self.operators[type(node.ops[0])]
        return operator(self._eval(node.left), self._eval(node.comparators[0]))

    def _subscript(self, node: ast.Subscript) -> Value:
        container = self._eval(node.value)
        if type(container) is dict:
            # A name in another case is looked for among all keys.
            self._charge(container)
        return get_index(container, self._eval(node.slice))

    def _add(self, a: Value, b: Value) -> Value:
        if type(a) is int and type(b) is int:
            total = a + b
            if -INTEGER_MAX <= total <= INTEGER_MAX:
                return total
        if type(a) is not type(b):
            self._charge_deep(a)
            self._charge_deep(b)
        result = operators.add(a, b, self.moment.zone)
        self._charge(result)
        return result

    def _join(self, a: Value, b: Value) -> Value:
        self._charge_deep(a)
        self._charge_deep(b)
        result = operators.join(a, b)
        self._charge(result)
        return result

    def _subtract(self, a: Value, b: Value) -> Value:
        if type(a) is int and type(b) is int:
            rest = a - b
            if -INTEGER_MAX <= rest <= INTEGER_MAX:
                return rest
        return operators.subtract(a, b, self.moment.zone)

    def _equal(self, a: Value, b: Value) -> bool:
        if type(a) is list or type(a) is dict:
            self._charge_deep(a)
        return equal(a, b)

    def _order(self, a: Value, b: Value) -> int | None:
        if type(a) is not type(b):
            self._charge_deep(a)
            self._charge_deep(b)
        return compare(a, b)

    def _in(self, item: Value, container: Value) -> bool:
        spelt = type(item) is str and operators.has_spellings(item)
        self._charge(container, 20.0 if spelt and type(container) is list else 1.0)
        if type(item) is list or type(item) is dict:
            self._charge_deep(container)
        return operators.contains(container, item)

    def _call(self, node: ast.Call) -> Value:
        name = node.func.id  # type: ignore[attr-defined]
        if name in _LAZY:
            return self._lazy(name, node.args)
        function = FUNCTIONS.get(name)
        if function is None:
            raise ScriptError(unknown_function(name), "name")
        self.work -= function.cost
        arguments = [self._eval(argument) for argument in node.args]
        for position, argument in enumerate(arguments):
            if type(argument) not in _SIZED:
                if type(argument) is int and not -_SMALL <= argument <= _SMALL:
                    self.work -= _BIG_INTEGER_WORK
                continue
            if len(arguments) > function.light:
                self._charge(argument, function.weight)
            if function.deep or function.kind_of(position) == "text":
                self._charge_deep(argument, function.deep or 1.0)
        converted = convert_arguments(name, function, arguments)
        result = function.call(self.moment, *converted) if function.moment else function.call(*converted)
        self._charge(result)
        if type(result) is str and len(result) > TEXT_CHARACTERS_MAX:
            raise text_too_long(len(result))
        return result

    def _lazy(self, name: str, arguments: list[ast.expr]) -> Value:
        if name == "$text":
            return self._text(arguments)
        if name == "$coalesce":
            value: Value = None
            for argument in arguments:
                value = self._eval(argument)
                if value is not None:
                    break
            return value
        if name == "$object":
            if len(arguments) % 2:
                raise ScriptError("An object needs a value for each of its names.", "argument")
            values = [self._eval(argument) for argument in arguments]
            for key in values[::2]:
                self._charge_deep(key)
            return self._built({to_text(k): v for k, v in zip(values[::2], values[1::2], strict=True)})
        if not 2 <= len(arguments) <= 3:
            raise ScriptError(f"{shown_name(name)} takes 2 to 3 arguments, not {len(arguments)}.", "argument")
        if self._eval(arguments[0]):
            return self._eval(arguments[1])
        return self._eval(arguments[2]) if len(arguments) == 3 else None

    def _text(self, arguments: list[ast.expr]) -> str:
        parts: list[str] = []
        size = 0
        for argument in arguments:
            value = self._eval(argument)
            self._charge_deep(value)
            text = to_text(value)
            size += len(text)
            if size > TEXT_CHARACTERS_MAX:
                raise text_too_long(size)
            parts.append(text)
        return "".join(parts)


_EVALUATOR = _Evaluator()


def evaluate(expression: Expression, lookup: Callable[[str], Value], moment: Moment) -> Value:
    """Return the expression's value.

    `lookup` gives the value of a variable by its name in lower case, NULL where there is none; it must
    not evaluate. Raises ScriptError, and nothing else, within 50 ms.
    """
    try:
        return expression.closure(lookup, moment)
    except Exception:  # whatever it is: there is no closure yet, or it stopped
        return evaluate_otherwise(expression, lookup, moment)


def evaluate_otherwise(expression: Expression, lookup: Callable[[str], Value], moment: Moment) -> Value:
    """Return the value of an expression whose closure has just failed, or which has none yet. Raises ScriptError."""
    if not hasattr(expression, "closure"):
        object.__setattr__(expression, "closure", closure_of(expression.node))
        with suppress(Exception):
            return expression.closure(lookup, moment)
    return walk(expression, lookup, moment)


def walk(expression: Expression, lookup: Callable[[str], Value], moment: Moment) -> Value:
    """Return the expression's value by walking its tree: the definition of what `evaluate` returns and raises."""
    return _EVALUATOR.run(expression.node, lookup, moment)


def names_of(expression: Expression) -> frozenset[str]:
    """Return the variables that the expression reads, in lower case, the compiler's temporaries included."""
    names: set[str] = set()
    waiting = [expression.node]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Name):
            names.add(node.id)
        waiting.extend(children(node))
    return frozenset(names)


def is_pure_function(name: str) -> bool:
    """Return whether an expression may call this function itself (methods begin with a dot)."""
    lowered = name.lower()
    return lowered in FUNCTIONS or lowered in _LAZY


def function_names() -> frozenset[str]:
    """Return the names of all pure functions that an author can write, in lower case, methods with a dot."""
    return frozenset(name for name in (*FUNCTIONS, *_LAZY) if not name.startswith("$"))


def unknown_function(name: str) -> str:
    """Return the sentence for a function that does not exist, with the nearest name."""
    alike = sorted(known for known in function_names() if known.startswith(".") == name.startswith("."))
    near = difflib.get_close_matches(name.lower()[:64], alike, 1)
    hint = f" Did you mean {shown_name(near[0])}?" if near else ""
    return f"There is no function {shown_name(name)}.{hint}"
