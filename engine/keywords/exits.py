"""EXIT, BREAK, CONTINUE, RETURN, END and STOP: what leaves a loop, a procedure or the conversation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from engine.expressions import Expression
from engine.steps import Here, Misuse, Move, Next, Return, Step, Written, constant_of
from engine.values import Value, to_text

SWITCH = "SWITCH"
"""What an enclosing SELECT or SWITCH is called among the loops."""


@dataclass(frozen=True, slots=True)
class Exit(Step):
    """Leave a loop: `EXIT FOR`, `EXIT DO`, `EXIT WHILE`; BREAK leaves the innermost one.

    ```basic
    FOR i = 1 TO 10
        IF i = 3 THEN EXIT FOR
    NEXT
    TALK i
    ```
    ```chat
    bot: 3
    ```
    """

    loop: int

    HEADS: ClassVar[tuple[str, ...]] = ("EXIT FOR", "EXIT DO", "EXIT WHILE", "EXIT LOOP", "BREAK")
    GRAMMAR: ClassVar[str] = """
        exit: "EXIT"i EXIT_KIND | "BREAK"i
        EXIT_KIND.5: /(FOR|DO|WHILE|LOOP)(?!\\w)/i
    """

    @classmethod
    def build(cls, written: Written) -> Self:
        words = written.parsed.words()
        return cls(written.place, enclosing_loop(written, words[0].upper() if words else ""))

    def run(self, here: Here) -> Move:
        return Next(leaving=self.loop)


@dataclass(frozen=True, slots=True)
class Continue(Step):
    """Go on with the next round of a loop: `CONTINUE`, `CONTINUE FOR`, `CONTINUE DO`, `CONTINUE WHILE`.

    ```basic
    FOR i = 1 TO 3
        IF i = 2 THEN CONTINUE
        TALK i
    NEXT
    ```
    ```chat
    bot: 1
    bot: 3
    ```
    """

    loop: int

    HEADS: ClassVar[tuple[str, ...]] = ("CONTINUE",)
    GRAMMAR: ClassVar[str] = """
        continue: "CONTINUE"i [EXIT_KIND]
    """

    @classmethod
    def build(cls, written: Written) -> Self:
        words = written.parsed.words()
        return cls(written.place, enclosing_loop(written, words[0].upper() if words else ""))

    def run(self, here: Here) -> Move:
        return Next(again=self.loop)


def enclosing_loop(written: Written, kind: str) -> int:
    """Return the number of the innermost enclosing loop of that kind. Raises Misuse."""
    for name, number in reversed(written.loops):
        if (name != SWITCH and kind in ("", "LOOP", name)) or {kind, name} == {"DO", "WHILE"}:
            return number
    for name, number in reversed(written.loops):
        if name == SWITCH and kind == "":
            return number  # BREAK at the end of a CASE, where no loop is meant
    what = f"{kind} loop" if kind else "loop"
    raise Misuse(f"there is no {what} around this statement", "EXIT alone leaves the script")


@dataclass(frozen=True, slots=True)
class ReturnValue(Step):
    """End the procedure or the script, with a value or without: `RETURN`, `RETURN e`, `EXIT`, `EXIT SUB`.

    `RETURN WITH a AS b, …` gives an object with those members, `RETURN a, b` a list.

    ```basic
    FUNCTION twice(n)
        RETURN n * 2
    END FUNCTION
    TALK twice(21)
    ```
    ```chat
    bot: 42
    ```
    """

    values: tuple[Expression, ...]
    members: tuple[tuple[str, Expression], ...]

    HEADS: ClassVar[tuple[str, ...]] = ("RETURN", "EXIT SUB", "EXIT FUNCTION", "EXIT")
    GRAMMAR: ClassVar[str] = """
        return: "RETURN"i [value ("," expression)*]
            | "RETURN"i "WITH"i return_member ("," return_member)*
            | "EXIT"i ["SUB"i | "FUNCTION"i]
        return_member: expression "AS"i (NAME | STRING) | NAME "=" expression -> return_named
    """

    @classmethod
    def build(cls, written: Written) -> Self:
        values = written.parsed.expressions()
        members = []
        for rule in written.parsed.parts:
            if hasattr(rule, "rule"):
                given = rule.expressions()
                name = rule.words()[0] if rule.words() else to_text(constant_of(given[1]))
                members.append((name, given[0]))
        return cls(written.place, tuple(values), tuple(members))

    def run(self, here: Here) -> Move:
        if self.members:
            value: dict[str, Value] = {name: here.value(e) for name, e in self.members}
            return Return(value)
        values = [here.value(e) for e in self.values]
        return Return(values if len(values) > 1 else next(iter(values), None))


@dataclass(frozen=True, slots=True)
class End(Step):
    """End the conversation, from inside procedures too: `END` or `STOP`.

    ```basic
    TALK "Goodbye"
    END
    TALK "never said"
    ```
    ```chat
    bot: Goodbye
    ```
    """

    HEADS: ClassVar[tuple[str, ...]] = ("END", "STOP")
    GRAMMAR: ClassVar[str] = """
        end: "END"i | "STOP"i
    """

    @classmethod
    def build(cls, written: Written) -> Self:
        return cls(written.place)

    def run(self, here: Here) -> Move:
        return Return(ends="conversation")
