"""ON ERROR, TRY, THROW, ASSERT and CLEAR ERROR: what happens when a statement fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from engine.effects import SetErrorMode
from engine.expressions import Expression
from engine.steps import (
    NEXT,
    Assignment,
    Block,
    BlockEnded,
    Caught,
    Enter,
    Fail,
    Here,
    Misuse,
    Move,
    Next,
    Step,
    Written,
)
from engine.values import to_text, truthy


@dataclass(frozen=True, slots=True)
class OnError(Step):
    """Say what a failing statement does: `ON ERROR RESUME NEXT` goes on behind it, `ON ERROR GOTO 0` ends it.

    ERROR is then the sentence of the last error (also ERROR MESSAGE), ERR its kind; CLEAR ERROR forgets it.

    ```basic
    ON ERROR RESUME NEXT
    x = 1 / 0
    IF ERROR THEN TALK "caught"
    ```
    ```chat
    bot: caught
    ```
    """

    resume: bool

    HEADS: ClassVar[tuple[str, ...]] = ("ON ERROR",)
    GRAMMAR: ClassVar[str] = """
        on_error: "ON"i "ERROR"i (on_error_resume | on_error_stop)
        on_error_resume: "RESUME"i "NEXT"i
        on_error_stop: "GOTO"i NUMBER | "STOP"i
    """

    @classmethod
    def build(cls, written: Written) -> Self:
        stop = written.parsed.find("on_error_stop")
        if stop is not None and stop.words() not in ((), ("0",)):
            raise Misuse("ON ERROR GOTO knows only 0: labels are not part of the dialect", "use TRY … CATCH")
        return cls(written.place, stop is None)

    def run(self, here: Here) -> Move:
        return Next(sets=(Assignment("error", None), Assignment("err", None)), effects=(SetErrorMode(self.resume),))


@dataclass(frozen=True, slots=True)
class ClearError(Step):
    """Forget the last error: `CLEAR ERROR`.

    ```basic
    ON ERROR RESUME NEXT
    x = 1 / 0
    CLEAR ERROR
    IF NOT ERROR THEN TALK "forgotten"
    ```
    ```chat
    bot: forgotten
    ```
    """

    HEADS: ClassVar[tuple[str, ...]] = ("CLEAR ERROR",)
    GRAMMAR: ClassVar[str] = """
        clear_error: "CLEAR"i "ERROR"i
    """

    @classmethod
    def build(cls, written: Written) -> Self:
        return cls(written.place)

    def run(self, here: Here) -> Move:
        return Next(sets=(Assignment("error", None), Assignment("err", None)))


@dataclass(frozen=True, slots=True)
class Try(Step):
    """Guard statements: `TRY … CATCH e … END TRY`. An error in the first part runs the second; `e` is its
    sentence. `FINALLY` behind them runs after either.

    ```basic
    TRY
        THROW "no paper"
        TALK "never said"
    CATCH problem
        TALK "Sorry: ${problem}"
    END TRY
    ```
    ```chat
    bot: Sorry: no paper
    ```
    """

    CATCHES: ClassVar[bool] = True

    variable: str | None
    guarded: Block
    handler: Block
    final: Block

    HEADS: ClassVar[tuple[str, ...]] = ("TRY",)
    GRAMMAR: ClassVar[str] = """
        try: "TRY"i
        catch: "CATCH"i [NAME ["AS"i NAME] | "(" NAME ["AS"i NAME] ")" | "AS"i NAME]
        finally: "FINALLY"i
        end_try: "END"i "TRY"i
    """
    SECTIONS: ClassVar[dict[str, str]] = {"CATCH": "catch", "FINALLY": "finally"}
    CLOSERS: ClassVar[dict[str, str]] = {"END TRY": "end_try"}

    @classmethod
    def build(cls, written: Written) -> Self:
        guarded, *others = written.sections
        if [s.parsed.rule for s in others] not in ([], ["catch"], ["finally"], ["catch", "finally"]):
            raise Misuse("TRY has one CATCH, and one FINALLY behind it", "TRY … CATCH e … FINALLY … END TRY")
        parts = {s.parsed.rule: s for s in others}
        words = parts["catch"].parsed.words() if "catch" in parts else ()
        variable = words[0].lower() if words else None
        handler = parts["catch"].block if "catch" in parts else ()
        return cls(
            written.place, variable, guarded.block, handler, parts["finally"].block if "finally" in parts else ()
        )

    def blocks(self) -> tuple[Block, ...]:
        return (self.guarded, self.handler, self.final)

    def run(self, here: Here) -> Move:
        match here.why:
            case Caught(message=message):
                sets = (Assignment(self.variable, message),) if self.variable else ()
                return Enter(1, memo=1, sets=sets)
            case BlockEnded():
                return NEXT if here.memo == 2 or not self.final else Enter(2, memo=2)
            case _:
                return Enter(0, memo=0)


@dataclass(frozen=True, slots=True)
class Throw(Step):
    """Raise an error: `THROW e`, `RAISE e`.

    ```basic
    TRY
        RAISE "out of stock"
    CATCH e
        TALK e
    END TRY
    ```
    ```chat
    bot: out of stock
    ```
    """

    message: Expression | None

    HEADS: ClassVar[tuple[str, ...]] = ("THROW", "RAISE")
    GRAMMAR: ClassVar[str] = """
        throw: ("THROW"i | "RAISE"i) [expression]
    """

    @classmethod
    def build(cls, written: Written) -> Self:
        expressions = written.parsed.expressions()
        return cls(written.place, expressions[0] if expressions else None)

    def run(self, here: Here) -> Move:
        return Fail(to_text(here.value(self.message)) if self.message else "an error was thrown", "thrown")


@dataclass(frozen=True, slots=True)
class Assert(Step):
    """Raise an error where a condition does not hold: `ASSERT c[, "sentence"]`.

    ```basic
    TRY
        ASSERT 1 > 2, "that cannot be"
    CATCH e
        TALK e
    END TRY
    ```
    ```chat
    bot: that cannot be
    ```
    """

    condition: Expression
    message: Expression | None

    HEADS: ClassVar[tuple[str, ...]] = ("ASSERT",)
    GRAMMAR: ClassVar[str] = """
        assert: "ASSERT"i expression ["," expression]
    """

    @classmethod
    def build(cls, written: Written) -> Self:
        condition, *message = written.parsed.expressions()
        return cls(written.place, condition, message[0] if message else None)

    def run(self, here: Here) -> Move:
        if truthy(here.value(self.condition)):
            return NEXT
        text = to_text(here.value(self.message)) if self.message else f"ASSERT {self.condition.text}"
        return Fail(text, "assert")
