"""WAIT and DELAY: a durable sleep."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, Self

from engine.errors import ScriptError
from engine.expressions import Expression
from engine.steps import NEXT, Await, Here, Move, Resumed, Step, Written, unit_seconds
from engine.values import to_number
from engine.waits import ForTime

WAIT_SECONDS_MAX = 100 * 366 * 86_400


@dataclass(frozen=True, slots=True)
class Wait(Step):
    """Sleep, durably and for any length: `WAIT n` seconds, `WAIT n MINUTES`; DELAY is the same word.

    Messages that come meanwhile are kept for the next HEAR.

    ```basic
    TALK "one moment"
    WAIT 2 HOURS
    TALK "here I am"
    ```
    ```chat
    bot: one moment
    after 2 hours
    bot: here I am
    ```
    """

    length: Expression
    unit_seconds: int

    HEADS: ClassVar[tuple[str, ...]] = ("WAIT", "DELAY", "WAIT FOR")
    GRAMMAR: ClassVar[str] = """
        wait: ("WAIT"i | "DELAY"i) ["FOR"i] expression [TIME_UNIT]
    """

    @classmethod
    def build(cls, written: Written) -> Self:
        words = written.parsed.words()
        seconds = unit_seconds(words[0]) if words else 1
        return cls(written.place, written.parsed.expressions()[0], seconds)

    def run(self, here: Here) -> Move:
        if isinstance(here.why, Resumed):
            return NEXT
        seconds = float(to_number(here.value(self.length))) * self.unit_seconds
        if not 0 <= seconds <= WAIT_SECONDS_MAX:
            raise ScriptError("a WAIT lies between 0 and a hundred years")
        return Await(ForTime(here.now + timedelta(seconds=seconds)))
