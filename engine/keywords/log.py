"""PRINT, DEBUG and LOG: lines of the structured log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from engine import effects
from engine.expressions import Expression
from engine.steps import Here, Move, Next, Step, Written
from engine.values import to_text


@dataclass(frozen=True, slots=True)
class Print(Step):
    """Write to the log and the history, never to the user: `PRINT a, b`, `DEBUG e`, `LOG e`.

    ```basic
    PRINT "the user will not see this"
    TALK "but this"
    ```
    ```chat
    bot: but this
    ```
    """

    level: str
    texts: tuple[Expression, ...]

    HEADS: ClassVar[tuple[str, ...]] = ("PRINT", "DEBUG", "LOG")
    GRAMMAR: ClassVar[str] = """
        print: PRINT_WORD [expression ("," expression)*]
        PRINT_WORD.5: /(PRINT|DEBUG|LOG)(?!\\w)/i
    """

    @classmethod
    def build(cls, written: Written) -> Self:
        word = written.parsed.words()[0].upper()
        return cls(written.place, "debug" if word == "DEBUG" else "info", written.parsed.expressions())

    def run(self, here: Here) -> Move:
        text = " ".join(to_text(here.value(e)) for e in self.texts)
        return Next(effects=(effects.Log(self.level, text),))
