"""FOR EACH, FOR … TO, WHILE and DO: durable loops. Where a loop is, is a memo in the checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from engine.errors import ScriptError
from engine.expressions import Expression
from engine.shortcuts import Act, Ways, choosing, going
from engine.steps import NEXT, Assignment, Block, Enter, Entered, Here, Misuse, Move, Step, Written
from engine.values import Value, to_number, truthy, type_name

_FOR_CLOSERS = {"END FOR": "next", "NEXT": "next"}


@dataclass(frozen=True, slots=True)
class ForEach(Step):
    """Go through a list: `FOR EACH x IN list … NEXT`. It goes over the value the list had on entry.

    NULL has no rounds; an object gives its keys; `FOR EACH x IN list LAST 10` the last ten.

    ```basic
    FOR EACH fruit IN ["apple", "pear"]
        TALK fruit
    NEXT fruit
    ```
    ```chat
    bot: apple
    bot: pear
    ```
    """

    variable: str
    items: Expression
    last: Expression | None
    body: Block

    HEADS: ClassVar[tuple[str, ...]] = ("FOR EACH", "FOR")
    GRAMMAR: ClassVar[str] = """
        for_each: "FOR"i ["EACH"i] NAME "IN"i expression [for_last] ["DO"i]
        for_last: "LAST"i expression
        next: "NEXT"i [NAME] | "END"i "FOR"i
    """
    CLOSERS: ClassVar[dict[str, str]] = _FOR_CLOSERS
    LOOP: ClassVar[str] = "FOR"

    @classmethod
    def build(cls, written: Written) -> Self:
        parsed = written.parsed
        return cls(
            written.place,
            parsed.words()[0].lower(),
            parsed.expressions()[0],
            parsed.expression_of("for_last"),
            written.sections[0].block,
        )

    def blocks(self) -> tuple[Block, ...]:
        return (self.body,)

    def run(self, here: Here) -> Move:
        if isinstance(here.why, Entered):
            items, index = self.listed(here), 0
        else:
            memo: Any = here.memo
            index, items = memo
        if index >= len(items):
            return NEXT
        return Enter(0, [index + 1, items], (Assignment(self.variable, items[index]),))

    def listed(self, here: Here) -> list[Value]:
        """Return the list to go through. Raises ScriptError for what cannot be gone through."""
        value = here.value(self.items)
        match value:
            case None | "":
                items: list[Value] = []
            case list():
                items = value
            case dict():
                items = list(value)
            case str():
                items = list(value)
            case _:
                raise ScriptError(f"FOR EACH needs a list, and this is {type_name(value)}")
        if self.last is not None:
            count = max(0, int(to_number(here.value(self.last))))
            items = items[max(0, len(items) - count) :]
        return items


@dataclass(frozen=True, slots=True)
class ForNumber(Step):
    """Count: `FOR i = a TO b [STEP c] … NEXT`. Both ends are read once and belong to the count.

    ```basic
    FOR i = 3 TO 1 STEP -1
        TALK i
    NEXT
    ```
    ```chat
    bot: 3
    bot: 2
    bot: 1
    ```
    """

    variable: str
    first: Expression
    last: Expression
    step: Expression | None
    body: Block

    HEADS: ClassVar[tuple[str, ...]] = ("FOR",)
    GRAMMAR: ClassVar[str] = """
        for_number: "FOR"i NAME "=" expression "TO"i expression [for_step] ["DO"i]
        for_step: "STEP"i expression
    """
    CLOSERS: ClassVar[dict[str, str]] = _FOR_CLOSERS
    LOOP: ClassVar[str] = "FOR"

    @classmethod
    def build(cls, written: Written) -> Self:
        parsed = written.parsed
        first, last = parsed.expressions()[:2]
        return cls(
            written.place,
            parsed.words()[0].lower(),
            first,
            last,
            parsed.expression_of("for_step"),
            written.sections[0].block,
        )

    def blocks(self) -> tuple[Block, ...]:
        return (self.body,)

    def run(self, here: Here) -> Move:
        if isinstance(here.why, Entered):
            value = to_number(here.value(self.first))
            last = to_number(here.value(self.last))
            step = to_number(here.value(self.step)) if self.step else 1
            if step == 0:
                raise ScriptError("FOR … STEP 0 would never end")
        else:
            memo: Any = here.memo
            _, last, step = memo
            value = to_number(here.lookup(self.variable)) + step
        if isinstance(value, float):
            value = round(value, 12)  # 0.1 + 0.2 counts as 0.3
        if (value > last) if step > 0 else (value < last):
            return NEXT
        return Enter(0, [value, last, step], (Assignment(self.variable, value),))


@dataclass(frozen=True, slots=True)
class While(Step):
    """Repeat while a condition holds: `WHILE c … WEND` (also END WHILE).

    ```basic
    n = 1
    WHILE n < 4
        n = n * 2
    WEND
    TALK n
    ```
    ```chat
    bot: 4
    ```
    """

    condition: Expression
    body: Block

    HEADS: ClassVar[tuple[str, ...]] = ("WHILE",)
    GRAMMAR: ClassVar[str] = """
        while: "WHILE"i expression ["DO"i]
        wend: "WEND"i | "END"i "WHILE"i | "LOOP"i
    """
    CLOSERS: ClassVar[dict[str, str]] = {"WEND": "wend", "END WHILE": "wend", "LOOP": "wend"}
    LOOP: ClassVar[str] = "WHILE"
    RETESTS: ClassVar[bool] = True

    @classmethod
    def build(cls, written: Written) -> Self:
        return cls(written.place, written.parsed.expressions()[0], written.sections[0].block)

    def blocks(self) -> tuple[Block, ...]:
        return (self.body,)

    def run(self, here: Here) -> Move:
        return Enter(0) if truthy(here.value(self.condition)) else NEXT

    def shortcuts(self, ways: Ways) -> dict[int, Act]:
        act = choosing([(self.condition, ways.entries[0])], ways.behind)
        return {ways.number: act, -ways.number: act}


@dataclass(frozen=True, slots=True)
class Test:
    """A condition of DO: where it holds (`until`: where it does not) the loop goes on."""

    condition: Expression
    until: bool

    def holds(self, here: Here) -> bool:
        """Tell whether the loop goes on."""
        return truthy(here.value(self.condition)) != self.until


@dataclass(frozen=True, slots=True)
class Do(Step):
    """Repeat: `DO [WHILE c | UNTIL c] … LOOP [WHILE c | UNTIL c]`. EXIT DO leaves it.

    ```basic
    DO
        HEAR answer
        n = n + 1
    LOOP UNTIL answer = "stop"
    TALK "heard ${n}"
    ```
    ```chat
    user: go
    user: stop
    bot: heard 2
    ```
    """

    before: Test | None
    after: Test | None
    body: Block

    HEADS: ClassVar[tuple[str, ...]] = ("DO",)
    GRAMMAR: ClassVar[str] = """
        do: "DO"i [do_while | do_until]
        loop: "LOOP"i [do_while | do_until] | "END"i "DO"i | "WEND"i
        do_while: "WHILE"i expression
        do_until: "UNTIL"i expression
    """
    CLOSERS: ClassVar[dict[str, str]] = {"LOOP": "loop", "END DO": "loop", "WEND": "loop"}
    LOOP: ClassVar[str] = "DO"
    RETESTS: ClassVar[bool] = True

    @classmethod
    def build(cls, written: Written) -> Self:
        tests: list[Test | None] = []
        for section in written.sections:
            condition = section.parsed.expression_of("do_while")
            until = section.parsed.expression_of("do_until")
            if condition is not None:
                tests.append(Test(condition, False))
            else:
                tests.append(None if until is None else Test(until, True))
        tests.append(None)
        if tests[0] and tests[1]:
            raise Misuse("DO and LOOP both have a condition", "keep one of them")
        return cls(written.place, tests[0], tests[1], written.sections[0].block)

    def blocks(self) -> tuple[Block, ...]:
        return (self.body,)

    def run(self, here: Here) -> Move:
        if not isinstance(here.why, Entered) and self.after and not self.after.holds(here):
            return NEXT
        if self.before and not self.before.holds(here):
            return NEXT
        return Enter(0)

    def shortcuts(self, ways: Ways) -> dict[int, Act]:
        if self.before or self.after:
            return {}
        act = going(ways.entries[0])
        return {ways.number: act, -ways.number: act}
