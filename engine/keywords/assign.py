"""Assignment in all its forms, WITH blocks, and the list methods that change a variable."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Self

from engine.errors import ScriptError
from engine.expressions import Expression
from engine.grammar import variable_name
from engine.shortcuts import Act, Ways, setting
from engine.steps import (
    NEXT,
    Assignment,
    Block,
    BlockEnded,
    Enter,
    Here,
    Move,
    Next,
    Parsed,
    Step,
    Target,
    Written,
)
from engine.values import type_name


@dataclass(frozen=True, slots=True)
class Assign(Step):
    """Give a variable, or a place inside it, a value: `x = e`, `LET x = e`, `SET x = e`, `a.b[i] = e`.

    ```basic
    order.items[0] = "bread"
    LET order.total = 2 + 1
    TALK "${order.items[0]}: ${order.total}"
    ```
    ```chat
    bot: bread: 3
    ```
    """

    target: Target
    value: Expression

    HEADS: ClassVar[tuple[str, ...]] = ("LET", "SET")
    GRAMMAR: ClassVar[str] = """
        assign: ("LET"i | "SET"i) target "=" value
    """

    @classmethod
    def build(cls, written: Written) -> Self:
        return cls(written.place, written.parsed.targets()[0], written.parsed.expressions()[0])

    def run(self, here: Here) -> Move:
        return Next((here.assignment(self.target, here.value(self.value)),))

    def shortcuts(self, ways: Ways) -> dict[int, Act]:
        target = self.target
        return {} if target.path else {ways.number: setting(target.name, self.value, ways.behind)}


@dataclass(frozen=True, slots=True)
class With(Step):
    """Set several members of one object: inside `WITH obj … END WITH`, `.k = v` and `k = v` set `obj.k`.

    An object that is there already goes on; otherwise a new one is made. Right-hand sides read the
    variables outside.

    ```basic
    city = "Recife"
    WITH customer
        .name = "Ada"
        town = city
    END WITH
    TALK "${customer.name} lives in ${customer.town}"
    ```
    ```chat
    bot: Ada lives in Recife
    ```
    """

    target: Target
    body: Block

    HEADS: ClassVar[tuple[str, ...]] = ("WITH",)
    GRAMMAR: ClassVar[str] = """
        with: "WITH"i target
        end_with: "END"i "WITH"i
    """
    CLOSERS: ClassVar[dict[str, str]] = {"END WITH": "end_with"}

    @classmethod
    def build(cls, written: Written) -> Self:
        return cls(written.place, written.parsed.targets()[0], written.sections[0].block)

    def blocks(self) -> tuple[Block, ...]:
        return (self.body,)

    def run(self, here: Here) -> Move:
        if isinstance(here.why, BlockEnded):
            return NEXT
        if isinstance(here.read(self.target), dict):
            return Enter(0)
        return Enter(0, sets=(here.assignment(self.target, {}),))


@dataclass(frozen=True, slots=True)
class Append(Step):
    """Put a value at the end of a list: `APPEND list, value`; a variable that is NULL becomes a list first.

    `list.push(x)`, `list.append(x)` and `list.splice(start, count, …)` as statements change the variable too.

    ```basic
    queue = ["a", "b", "c"]
    queue.push("d")
    queue.splice(0, 2)
    APPEND queue, "e"
    TALK queue
    ```
    ```chat
    bot: ["c","d","e"]
    ```
    """

    target: Target
    value: Expression

    HEADS: ClassVar[tuple[str, ...]] = ("APPEND",)
    GRAMMAR: ClassVar[str] = """
        append: "APPEND"i target "," expression
    """

    @classmethod
    def build(cls, written: Written) -> Self:
        return cls(written.place, written.parsed.targets()[0], written.parsed.expressions()[0])

    def run(self, here: Here) -> Move:
        current = here.read(self.target)
        if current is None or current == "":
            current = []
        if not isinstance(current, list):
            raise ScriptError(f"APPEND needs a list, and {self.target.name} is {type_name(current)}")
        return Next(sets=(here.assignment(self.target, [*current, here.value(self.value)]),))


@dataclass(frozen=True, slots=True)
class Declare(Step):
    """Declare variables, as other BASICs want it and this one does not: `DIM x AS INTEGER`, `DIM a(10)`, `DIM x = 5`.

    A name with brackets, or AS ARRAY, becomes an empty list, AS OBJECT an empty object, any other stays as it is.

    ```basic
    DIM names(10), total AS NUMBER, count = 2
    names.push("Ada")
    TALK names[0] & count
    ```
    ```chat
    bot: Ada2
    ```
    """

    names: tuple[tuple[str, str, Expression | None], ...]  # the name, list, object or "", its first value

    HEADS: ClassVar[tuple[str, ...]] = ("DIM",)
    GRAMMAR: ClassVar[str] = """
        dim: "DIM"i dim_name ("," dim_name)*
        dim_name: NAME [dim_size] [dim_as] ["=" expression]
        dim_size: "(" [expression ("," expression)*] ")" | "[" [expression] "]"
        dim_as: "AS"i (NAME | NEW_OBJECT | NEW_ARRAY)
    """

    @classmethod
    def build(cls, written: Written) -> Self:
        return cls(written.place, tuple(_declared(p) for p in written.parsed.parts))

    def run(self, here: Here) -> Move:
        sets = []
        for name, kind, value in self.names:
            if value is not None:
                sets.append(Assignment(name, here.value(value)))
            elif kind and here.lookup(name) is None:
                sets.append(Assignment(name, [] if kind == "list" else {}))
        return Next(sets=tuple(sets))

    def assigns(self) -> Iterator[str]:
        yield from (name for name, _, _ in self.names)


def _declared(parsed: Parsed) -> tuple[str, str, Expression | None]:
    kind = parsed.find("dim_as")
    word = kind.words()[0].upper() if kind else ""
    is_list = parsed.find("dim_size") is not None or "ARRAY" in word or word in ("LIST", "COLLECTION")
    is_object = "OBJECT" in word or word in ("DICTIONARY", "MAP")
    values = parsed.expressions()
    name = variable_name(parsed.words()[0])
    return name, "list" if is_list else "object" if is_object else "", values[0] if values else None
