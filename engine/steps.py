"""Steps are open: a subclass is a keyword. Moves are closed: all that a keyword can do.

A step says what it is (frozen fields), how it is written (GRAMMAR, HEADS) and what it does (`run`). It never
sees a position, a frame or a row: it is told why it runs and answers with a Move.
"""

from __future__ import annotations

import ast
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, ClassVar, Literal, Self, TypeAlias, cast

from msgspec import Struct

from engine.effects import Effect, Query
from engine.events import Event
from engine.expressions import Expression, Moment, evaluate_otherwise
from engine.members import get_index
from engine.policy import Policy
from engine.shortcuts import Act, Question, Ways
from engine.values import Value
from engine.waits import Wait

# ── why a step runs ────────────────────────────────────────────────────────────────────────────────


class Entered(Struct, frozen=True, gc=False):
    """The position has come to the step."""


class BlockEnded(Struct, frozen=True, gc=False):
    """The last statement of one of the step's blocks has ended."""


class Resumed(Struct, frozen=True, gc=False):
    """What the step waited or asked for has come. `wait` is the wait that it ends."""

    event: Event
    wait: Wait


class Returned(Struct, frozen=True, gc=False):
    """The procedure the step called has returned."""

    value: Value


class Caught(Struct, frozen=True, gc=False):
    """A statement inside the step's first block failed (TRY)."""

    message: str
    kind: str


Why: TypeAlias = Entered | BlockEnded | Resumed | Returned | Caught

ENTERED = Entered()
BLOCK_ENDED = BlockEnded()

# ── moves ──────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Target:
    """Where a value goes: a variable, or a place inside it (`a.b[i]`). `name` is folded to lower case."""

    name: str
    path: tuple[Expression, ...] = ()


class Assignment(Struct, frozen=True, gc=False):
    """A value on its way to a variable; the path is already evaluated."""

    name: str
    value: Value
    path: tuple[Value, ...] = ()


class Next(Struct, frozen=True, gc=False):
    """Go on with what follows this step, or with what follows the enclosing step `leaving` (EXIT),
    or run the enclosing step `again` as though its block had ended (CONTINUE)."""

    sets: tuple[Assignment, ...] = ()
    effects: tuple[Effect, ...] = ()
    leaving: int | None = None
    again: int | None = None


class Enter(Struct, frozen=True, gc=False):
    """Run block number `block` of this step; it is run again with BlockEnded when that ends."""

    block: int
    memo: Value = None
    sets: tuple[Assignment, ...] = ()


class Await(Struct, frozen=True, gc=False):
    """Suspend until the wait ends; the step is then run with Resumed. `memo`, unless None, replaces the step's."""

    wait: Wait
    effects: tuple[Effect, ...] = ()
    memo: Value = None


class Ask(Struct, frozen=True, gc=False):
    """Have the database run a statement in the turn's transaction; the step is then run with Resumed.
    `memo`, unless None, replaces the step's."""

    query: Query
    memo: Value = None


class Call(Struct, frozen=True, gc=False):
    """Run a procedure of the plan in a frame of its own; the step is then run with Returned.
    `memo`, unless None, replaces the step's."""

    procedure: str
    arguments: tuple[Value, ...] = ()
    memo: Value = None


Ending: TypeAlias = Literal["procedure", "conversation", "cancelled", "restart"]


class Return(Struct, frozen=True, gc=False):
    """End the procedure with a value; or the whole conversation, as completed or as cancelled by its user;
    or have it begin anew."""

    value: Value = None
    ends: Ending = "procedure"


class Fail(Struct, frozen=True, gc=False):
    """A script error, as THROW makes one."""

    message: str
    kind: str = "error"


Move: TypeAlias = Next | Enter | Await | Ask | Call | Return | Fail

NEXT = Next()


# ── steps ──────────────────────────────────────────────────────────────────────────────────────────


NOTHING_KEPT: Mapping[str, Value] = {}


def _no_procedure(name: str) -> tuple[str, ...] | None:
    return None


class Here:
    """What a step may know while it runs: why, its memo, the variables, the turn's moment and policy, and the
    parameters of a procedure of the plan (None where there is no such procedure)."""

    __slots__ = ("everything", "kept", "lookup", "memo", "moment", "parameters_of", "policy", "requested", "why")

    def __init__(
        self,
        why: Why,
        memo: Value,
        lookup: Callable[[str], Value],
        moment: Moment,
        policy: Policy,
        kept: Mapping[str, Value] = NOTHING_KEPT,
        requested: int = 0,
        everything: Callable[[], dict[str, Value]] = dict,
        parameters_of: Callable[[str], tuple[str, ...] | None] = _no_procedure,
    ) -> None:
        self.requested = requested  # how many requests were made: the next one has the number after it
        self.everything = everything  # all variables that can be read here, for whoever is given them
        self.kept = kept  # what Keep effects put aside, by key
        self.parameters_of = parameters_of
        self.why = why
        self.memo = memo
        self.lookup = lookup
        self.moment = moment
        self.policy = policy

    @property
    def now(self) -> datetime:
        """The clock of the turn: an aware UTC time."""
        return self.moment.now

    def value(self, expression: Expression) -> Value:
        """Evaluate an expression over the variables here. Raises ScriptError."""
        try:  # as `evaluate` does: steps spend their time here
            return expression.closure(self.lookup, self.moment)
        except Exception:
            return evaluate_otherwise(expression, self.lookup, self.moment)

    def assignment(self, target: Target, value: Value) -> Assignment:
        """Return the assignment of `value` to `target`, its path evaluated here. Raises ScriptError."""
        if not target.path:
            return Assignment(target.name, value)
        return Assignment(target.name, value, tuple(self.value(e) for e in target.path))

    def read(self, target: Target) -> Value:
        """Return what stands at an assignment target now; NULL where nothing does. Raises ScriptError."""
        value = self.lookup(target.name)
        for key in target.path:
            value = get_index(value, self.value(key))
        return value

    def into(self, target: Target | None, value: Value) -> Next:
        """Return the move that stores a result, if anyone wants it, and goes on."""
        return NEXT if target is None else Next(sets=(self.assignment(target, value),))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a step stands: its number in the plan, the script it is written in, its line from 1."""

    number: int
    script: str
    line: int


Block: TypeAlias = "tuple[Step, ...]"


@dataclass(frozen=True, slots=True)
class Section:
    """One part of a block statement: the line that opens it (IF, ELSEIF, CASE, …) and its statements."""

    parsed: Parsed
    block: Block = ()
    procedure: str = ""  # the procedure that the statements became, where the kind is APART


@dataclass(frozen=True, slots=True)
class Parsed:
    """A statement as the grammar read it: the rule's name and its parts, expressions already lowered.

    Parts are Expression, Target, text (of a named token) or another Parsed (of an inner rule).
    """

    rule: str
    parts: tuple[Any, ...] = ()

    def find(self, rule: str) -> Parsed | None:
        """Return the first inner rule of that name, or None."""
        return next((p for p in self.parts if isinstance(p, Parsed) and p.rule == rule), None)

    def expressions(self) -> tuple[Expression, ...]:
        """Return the expressions among the parts, in order."""
        return tuple(p for p in self.parts if isinstance(p, Expression))

    def expression_of(self, rule: str) -> Expression | None:
        """Return the first expression of the inner rule of that name, or None where it is absent."""
        inner = self.find(rule)
        return inner.expressions()[0] if inner and inner.expressions() else None

    def words(self) -> tuple[str, ...]:
        """Return the texts among the parts, in order."""
        return tuple(p for p in self.parts if isinstance(p, str))

    def targets(self) -> tuple[Target, ...]:
        """Return the assignment targets among the parts, in order."""
        return tuple(p for p in self.parts if isinstance(p, Target))


@dataclass(frozen=True, slots=True)
class Written:
    """All that a step is built from: its place, its statement, its sections, where its result goes,
    the enclosing loops (kind, number; innermost last) and the lines of a BEGIN block."""

    place: Place
    parsed: Parsed
    sections: tuple[Section, ...] = ()
    into: Target | None = None
    loops: tuple[tuple[str, int], ...] = ()
    lines: Expression | None = None


class Misuse(Exception):
    """A statement that parses but cannot stand here or so; the compiler reports it as its error."""

    def __init__(self, message: str, hint: str = "") -> None:
        self.message = message
        self.hint = hint
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Declaration:
    """What a script declares by having a statement in it: registered when it is deployed, whether or not it runs.

    `kind` is schedule, webhook, form, tool, …; `name` is unique for the kind in one script; `data` is a JSON
    object of the kind's own.
    """

    kind: str
    name: str
    data: Value = None


@dataclass(frozen=True, slots=True)
class Step(ABC):
    """One statement of a plan. A subclass is a keyword; its docstring is the keyword's documentation."""

    place: Place

    HEADS: ClassVar[tuple[str, ...]] = ()  # the words a statement of this kind begins with, upper case
    GRAMMAR: ClassVar[str] = ""  # lark rules; the first one's name is the start symbol
    RESULT: ClassVar[bool] = False  # whether `x = KEYWORD …` is one of its forms
    SECTIONS: ClassVar[dict[str, str]] = {}  # words that open a further section -> rule of that line
    CLOSERS: ClassVar[dict[str, str]] = {}  # words that close the block -> rule of that line
    VALUED: ClassVar[bool] = False  # it only gives a value: without a variable for it, a warning
    LOOP: ClassVar[str] = ""  # FOR, DO or WHILE: what EXIT calls it
    CATCHES: ClassVar[bool] = False  # its first block is guarded: an error in it runs the step with Caught
    TOLD: ClassVar[bool] = False  # it is run with QueryFailed, RequestFailed or Caught where what it called failed
    DETACHED: ClassVar[bool] = False  # its block runs later, in an execution of its own: nothing leads out of it
    APART: ClassVar[bool] = False  # its sections are procedures of the plan, which it names and does not hold
    RETESTS: ClassVar[bool] = False  # its head is evaluated more than once (a loop's condition)

    @classmethod
    @abstractmethod
    def build(cls, written: Written) -> Self:
        """Return the step that the statement writes. Raises Misuse."""

    def blocks(self) -> tuple[Block, ...]:
        """Return the step's blocks, in reading order."""
        return ()

    @abstractmethod
    def run(self, here: Here) -> Move:
        """Return what the step does. Pure; raises ScriptError."""

    def shortcuts(self, ways: Ways) -> dict[int, Act]:
        """Return acts that stand for `run`, by the points of the step at which they may."""
        return {}

    def question(self, ways: Ways) -> Question | None:
        """Return the question that the step asks, if that is a plain one and all it does."""
        return None

    def declares(self) -> tuple[Declaration, ...]:
        """Return what the script is registered for because this statement stands in it."""
        return ()

    def expressions(self) -> Iterator[Expression]:
        """Yield every expression among the step's own fields (not its blocks')."""
        for f in fields(self):
            yield from _expressions_in(getattr(self, f.name))

    def assigns(self) -> Iterator[str]:
        """Yield the variables that the step gives a value."""
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, Target):
                yield value.name
            elif f.name == "variable" and isinstance(value, str):
                yield value


SECONDS_OF_UNIT = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400, "week": 604_800}


def unit_seconds(word: str) -> int:
    """Return how many seconds a unit of time, as the grammar's TIME_UNIT spells it, has."""
    return SECONDS_OF_UNIT[word.lower().rstrip("s")]


def constant_of(expression: Expression) -> Value:
    """Return the value of an expression that is a literal; NULL for every other."""
    return cast(Value, expression.node.value) if isinstance(expression.node, ast.Constant) else None


def _expressions_in(value: object) -> Iterator[Expression]:
    match value:
        case Expression():
            yield value
        case Target(path=path):
            yield from path
        case tuple():
            for item in value:
                if not isinstance(item, Step):
                    yield from _expressions_in(item)
        case _:
            return
