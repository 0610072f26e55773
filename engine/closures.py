"""Expressions as closures: what is evaluated often is walked once, when it is first evaluated.

A closure computes only what goes right and is cheap. Wherever it is not sure it stops (Unusual, or whatever error
came up), and the expression is evaluated from its beginning by `expressions.walk`, which is the definition: so every
sentence of an error, and every limit, is said in one place. That may be done because an expression changes nothing;
one that draws a random number, which does, is never made a closure.

Work is bounded when the closure is made: the most that its nodes can cost, by the measures of `expressions`, stays
below WORK_MAX, a tenth of what an expression may do. Whatever would cost more stops at run time.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, cast

from engine import operators
from engine import quick_operators as quick
from engine.errors import ScriptError
from engine.functions import FUNCTIONS
from engine.functions.signature import AS_IT_IS, KINDS, Function, Moment
from engine.nodes import NODE_DEPTH_MAX
from engine.quick_operators import CHARACTERS_MAX, CONTAINERS, ITEMS_MAX, Unusual, plain
from engine.values import TEXT_CHARACTERS_MAX, Value, measure, to_number, to_text

Lookup: TypeAlias = Callable[[str], Value]
Closure: TypeAlias = Callable[[Lookup, Moment], Value]
Operation: TypeAlias = Callable[[Value, Value, Moment], Value]

WORK_MAX = 2_000
# What a container may be measured at that a closure makes.
MADE_MAX = 256

# The most that each can cost, in units of work, over the unit of its node. See the weights in `expressions`.
_OF_TEXTS = 16  # joining: two texts of CHARACTERS_MAX
_OF_MEMBERS = 8  # going over ITEMS_MAX
_OF_SPELLINGS = 160  # looking in ITEMS_MAX for what has several spellings
_OF_MADE = 16  # measuring MADE_MAX
_OF_RESULT = 8

# Functions that are given the turn's moment and read nothing of it but its clock, its zone and its session.
_READS_CLOCK = frozenset({"now", "today", "time", "timestamp", "date", "dateadd", "session_id"})

# What an operator does, and the most it can cost over its node.
_OPERATIONS: dict[type[ast.AST], tuple[Operation, int]] = {
    ast.Add: (quick.add, _OF_TEXTS),
    ast.Sub: (quick.subtract, 0),
    ast.Mult: (quick.multiply, 0),
    ast.Div: (lambda a, b, moment: operators.divide(a, b), 0),
    ast.FloorDiv: (lambda a, b, moment: operators.divide_whole(a, b), 0),
    ast.Mod: (lambda a, b, moment: operators.modulo(a, b), 0),
    ast.Pow: (lambda a, b, moment: operators.power(a, b), 0),
    ast.BitAnd: (quick.join, _OF_TEXTS),
    ast.Eq: (quick.equal, 0),
    ast.NotEq: (quick.differ, 0),
    ast.Lt: (quick.less, 0),
    ast.LtE: (quick.at_most, 0),
    ast.Gt: (quick.greater, 0),
    ast.GtE: (quick.at_least, 0),
    ast.In: (quick.contains, _OF_SPELLINGS),
    ast.NotIn: (quick.lacks, _OF_SPELLINGS),
}
_SIGNS: dict[type[ast.AST], Callable[[Value], Value]] = {
    ast.USub: operators.negate,
    ast.UAdd: to_number,
    ast.Not: lambda a: not a,
}


def stop(lookup: Lookup, moment: Moment) -> Value:
    """The closure of what has to be walked each time."""
    raise Unusual


def closure_of(node: ast.expr) -> Closure:
    """Return the closure of an expression's tree; `stop` where it has to be walked each time."""
    maker = _Maker()
    try:
        return maker.make(node, 0)
    except (Unusual, RecursionError):
        return stop


# ── trees to closures ──────────────────────────────────────────────────────────────────────────────


def _constant(value: Value) -> Closure:
    return lambda lookup, moment: value


def _pair(operate: Operation, left: ast.expr, right: ast.expr, first: Closure, second: Closure) -> Closure:
    """Return the closure of an operator on two operands; a variable or a constant needs no closure of its own."""
    if isinstance(left, ast.Name):
        name = left.id
        if isinstance(right, ast.Constant):
            value = cast(Value, right.value)
            return lambda lookup, moment: operate(lookup(name), value, moment)
        if isinstance(right, ast.Name):
            other = right.id
            return lambda lookup, moment: operate(lookup(name), lookup(other), moment)
        return lambda lookup, moment: operate(lookup(name), second(lookup, moment), moment)
    if isinstance(right, ast.Constant):
        value = cast(Value, right.value)
        return lambda lookup, moment: operate(first(lookup, moment), value, moment)
    return lambda lookup, moment: operate(first(lookup, moment), second(lookup, moment), moment)


def _behind_text(text: str, right: ast.expr, second: Closure) -> Closure:
    """Return the closure of `"text" + …`: what most scripts say."""
    if not isinstance(right, ast.Name):
        return lambda lookup, moment: quick.add(text, second(lookup, moment), moment)
    name = right.id

    def joined(lookup: Lookup, moment: Moment) -> Value:
        value = lookup(name)
        if type(value) is str and len(value) <= CHARACTERS_MAX:
            return text + value
        if type(value) is int and value.bit_length() <= 64:
            return f"{text}{value}"
        return quick.add(text, value, moment)

    return joined


class _Maker:
    """Makes the closures of one expression and adds up the most that they can cost."""

    def __init__(self) -> None:
        self.work = 0.0

    def spend(self, work: float) -> None:
        """Count work. Raises Unusual where an expression would come to more than a closure may do."""
        self.work += work
        if self.work > WORK_MAX:
            raise Unusual

    def make(self, node: ast.expr, depth: int) -> Closure:
        """Return the closure of one node. Raises Unusual for what has to be walked."""
        if depth > NODE_DEPTH_MAX:
            raise Unusual
        self.spend(1)
        match node:
            case ast.Constant(value=value):
                return _constant(cast(Value, value))
            case ast.Name(id=name):
                return lambda lookup, moment: lookup(name)
            case ast.Call(func=ast.Name(id=name), args=arguments):
                return self.call(name, arguments, [self.make(a, depth + 1) for a in arguments])
            case ast.BinOp(left=left, op=op, right=right):
                return self.operation(op, left, right, depth)
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return self.operation(op, left, right, depth)
            case ast.UnaryOp(op=sign, operand=operand):
                return _signed(_SIGNS.get(type(sign)), operand, self.make(operand, depth + 1))
            case ast.BoolOp(op=boolean, values=parts):
                return _boolean(isinstance(boolean, ast.Or), [self.make(p, depth + 1) for p in parts])
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return _choice([self.make(p, depth + 1) for p in (test, body, orelse)])
            case ast.Subscript(value=container, slice=key):
                self.spend(_OF_MEMBERS)
                return _pair(quick.member, container, key, self.make(container, depth + 1), self.make(key, depth + 1))
            case ast.List(elts=items):
                self.spend(_OF_MADE)
                return _list([self.make(item, depth + 1) for item in items])
            case _:
                raise Unusual

    def operation(self, op: ast.AST, left: ast.expr, right: ast.expr, depth: int) -> Closure:
        """Return the closure of an operator on two values."""
        known = _OPERATIONS.get(type(op))
        if known is None:
            raise Unusual
        operate, work = known
        self.spend(work)
        if isinstance(op, ast.Add) and isinstance(left, ast.Constant) and quick.joins(cast(Value, left.value)):
            self.spend(1)
            return _behind_text(cast(str, left.value), right, self.make(right, depth + 1))
        return _pair(operate, left, right, self.make(left, depth + 1), self.make(right, depth + 1))

    def call(self, name: str, nodes: Sequence[ast.expr], arguments: list[Closure]) -> Closure:
        """Return the closure of a call of a pure function, or of what only looks like one."""
        match name:
            case "$text":
                return _text(nodes, arguments)
            case "$coalesce" if arguments:
                return _coalesce(arguments)
            case "$object" if len(arguments) % 2 == 0:
                self.spend(_OF_MADE)
                return _object(arguments[::2], arguments[1::2])
            case "if" | "iif" if 2 <= len(arguments) <= 3:
                return _choice(arguments if len(arguments) == 3 else [*arguments, _constant(None)])
            case _:
                return self.function(name, arguments)

    def function(self, name: str, arguments: list[Closure]) -> Closure:
        function = FUNCTIONS.get(name)
        if function is None or (function.moment and name not in _READS_CLOCK):
            raise Unusual
        count, most = len(arguments), function.most
        if count < function.required or (most is not None and count > most):
            raise Unusual
        of_argument = (_OF_RESULT * max(1.0, function.weight)) if count > function.light else 0
        self.spend(function.cost + count * of_argument + _OF_RESULT)
        return _called(function, [_taken(function, i, count, a) for i, a in enumerate(arguments)])


def _signed(operate: Callable[[Value], Value] | None, operand: ast.expr, inner: Closure) -> Closure:
    if operate is None:
        raise Unusual
    if isinstance(operand, ast.Constant) and type(operand.value) in (int, float):
        try:
            return _constant(operate(cast(Value, operand.value)))
        except ScriptError:
            raise Unusual from None
    return lambda lookup, moment: operate(inner(lookup, moment))


def _boolean(stop_at: bool, parts: list[Closure]) -> Closure:
    *others, last = parts

    def boolean(lookup: Lookup, moment: Moment) -> Value:
        for part in others:
            value = part(lookup, moment)
            if bool(value) is stop_at:
                return value
        return last(lookup, moment)

    return boolean


def _choice(parts: list[Closure]) -> Closure:
    test, body, orelse = parts
    return lambda lookup, moment: body(lookup, moment) if test(lookup, moment) else orelse(lookup, moment)


def _coalesce(parts: list[Closure]) -> Closure:
    def coalesce(lookup: Lookup, moment: Moment) -> Value:
        value: Value = None
        for part in parts:
            value = part(lookup, moment)
            if value is not None:
                break
        return value

    return coalesce


def _made(container: Any) -> Value:
    for value in container.values() if type(container) is dict else container:
        # Looked at before it is measured: measuring what is large takes long, and the walk does it once more.
        if type(value) in CONTAINERS:
            if len(value) > ITEMS_MAX or not all(map(plain, value.values() if type(value) is dict else value)):
                raise Unusual
        elif not plain(value):
            raise Unusual
    if measure(container) > MADE_MAX:
        raise Unusual
    return container  # type: ignore[no-any-return]


def _list(items: list[Closure]) -> Closure:
    return lambda lookup, moment: _made([item(lookup, moment) for item in items])


def _object(keys: list[Closure], values: list[Closure]) -> Closure:
    pairs = list(zip(keys, values, strict=True))

    def made(lookup: Lookup, moment: Moment) -> Value:
        members: dict[str, Value] = {}
        for key, value in pairs:
            name = key(lookup, moment)
            if not plain(name):
                raise Unusual
            members[to_text(name)] = value(lookup, moment)
        return _made(members)

    return made


def _text(nodes: Sequence[ast.expr], arguments: list[Closure]) -> Closure:
    """Return the closure of an interpolated text: what is constant of it is text already."""
    written = [_written(node) for node in nodes]
    holes = [
        (place, node.id if isinstance(node, ast.Name) else "", argument)
        for place, (node, argument) in enumerate(zip(nodes, arguments, strict=True))
        if not isinstance(node, ast.Constant)
    ]
    fixed = sum(map(len, written))

    def text(lookup: Lookup, moment: Moment) -> Value:
        parts = written.copy()
        size = fixed
        for place, name, argument in holes:
            value = lookup(name) if name else argument(lookup, moment)
            if type(value) is not str:
                if not plain(value):
                    raise Unusual
                value = to_text(value)
            size += len(value)
            if size > TEXT_CHARACTERS_MAX:
                raise Unusual
            parts[place] = value
        return "".join(parts)

    return text


def _written(node: ast.expr) -> str:
    if not isinstance(node, ast.Constant):
        return ""
    if not plain(cast(Value, node.value)):
        raise Unusual
    return to_text(cast(Value, node.value))


# ── functions ──────────────────────────────────────────────────────────────────────────────────────


def _taken(function: Function, position: int, count: int, argument: Closure) -> Closure:
    """Return the closure of an argument as the function takes it, where it costs little and needs no error."""
    kind = function.kind_of(position)
    assert kind is not None, "the number of arguments was checked"
    as_it_is = AS_IT_IS.get(kind)
    convert = None if kind == "any" else KINDS[kind]
    deep = bool(function.deep) or kind == "text"
    items_max = 0 if deep else ITEMS_MAX if count > function.light else 1 << 30

    def taken(lookup: Lookup, moment: Moment) -> Any:
        value = argument(lookup, moment)
        given = type(value)
        if given in CONTAINERS:
            if deep or len(value) > items_max:  # type: ignore[arg-type]
                raise Unusual
        elif not plain(value):
            raise Unusual
        return value if convert is None or given is as_it_is else convert(value)

    return taken


def _called(function: Function, arguments: list[Closure]) -> Closure:
    operate, moved = function.call, function.moment
    single = arguments[0] if len(arguments) == 1 and not moved else None

    def called(lookup: Lookup, moment: Moment) -> Value:
        if single is not None:
            result = operate(single(lookup, moment))
        else:
            given = [argument(lookup, moment) for argument in arguments]
            result = operate(moment, *given) if moved else operate(*given)
        kind = type(result)
        if kind is str:
            if len(result) > CHARACTERS_MAX:  # type: ignore[arg-type]
                raise Unusual
        elif kind in CONTAINERS and len(result) > ITEMS_MAX:  # type: ignore[arg-type]
            raise Unusual
        return result

    return called
