"""PUBLISH, WAIT FOR and ON EVENT: what conversations and other programs tell each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, Self

from engine.effects import Handle, Query
from engine.errors import ScriptError
from engine.events import EventPublished, TimedOut
from engine.expressions import Expression
from engine.steps import (
    NEXT,
    Ask,
    Assignment,
    Await,
    Declaration,
    Here,
    Misuse,
    Move,
    Next,
    Resumed,
    Step,
    Target,
    Written,
    constant_of,
    unit_seconds,
)
from engine.values import Value, to_number, to_text
from engine.waits import ForEvent

EVENT_NAME_CHARACTERS_MAX = 200
TIMEOUT_SECONDS_MAX = 100 * 366 * 86_400


def event_name(value: Value) -> str:
    """Return the name under which an event is known: case does not count. Raises ScriptError."""
    name = to_text(value).strip().lower()
    if not 0 < len(name) <= EVENT_NAME_CHARACTERS_MAX:
        raise ScriptError(f"an event needs a name of 1 to {EVENT_NAME_CHARACTERS_MAX} characters")
    return name


@dataclass(frozen=True, slots=True)
class Publish(Step):
    """Tell the bot's other conversations, and other programs, that something happened: `PUBLISH EVENT "name"`,
    `PUBLISH EVENT "name" WITH data`, `PUBLISH "name", data`. Any name will do; case does not count.

    Everybody of the bot who waits for it hears it. If nobody does, it is kept for the first who waits later.

    ```basic
    PUBLISH EVENT "order ready" WITH {"number": 7}
    order = WAIT FOR EVENT "order ready" TIMEOUT 1 MINUTE
    TALK "Order ${order.number} is ready"
    ```
    ```chat
    bot: Order 7 is ready
    ```
    """

    name: Expression
    data: Expression | None

    HEADS: ClassVar[tuple[str, ...]] = ("PUBLISH EVENT", "PUBLISH")
    GRAMMAR: ClassVar[str] = """
        publish: "PUBLISH"i [_EVENT_WORD] expression [("WITH"i | ",") expression]
        _EVENT_WORD.5: /EVENT(?=[ ]+["\\w(])/i
    """

    @classmethod
    def build(cls, written: Written) -> Self:
        name, *data = written.parsed.expressions()
        return cls(written.place, name, data[0] if data else None)

    def run(self, here: Here) -> Move:
        if isinstance(here.why, Resumed):
            return NEXT
        data = here.value(self.data) if self.data else None
        return Ask(Query("publish_event", (event_name(here.value(self.name)), data)))


@dataclass(frozen=True, slots=True)
class WaitFor(Step):
    """Wait for an event: `WAIT FOR EVENT "name" [TIMEOUT n [SECONDS|MINUTES|HOURS|DAYS]]`, `x = WAIT FOR EVENT "name"`.

    The value is the data that came with it; `event` is then its name and `event_data` its data. When the time is
    over without it, all of them are NULL. An event that came before, and that nobody has had, counts: once.

    ```basic
    payment = WAIT FOR EVENT "paid" TIMEOUT 10 MINUTES
    TALK "Thank you for ${payment.amount}"
    WAIT FOR EVENT "paid" TIMEOUT 10 MINUTES
    IF event IS NULL THEN TALK "No second payment came"
    ```
    ```chat
    event paid {"amount": 10}
    bot: Thank you for 10
    after 10 minutes
    bot: No second payment came
    ```
    """

    target: Target | None
    name: Expression
    timeout: Expression | None
    unit_seconds: int

    HEADS: ClassVar[tuple[str, ...]] = ("WAIT FOR EVENT", "WAIT FOR")
    GRAMMAR: ClassVar[str] = """
        wait_for: "WAIT"i "FOR"i [_EVENT_WORD] expression [wait_for_timeout]
        wait_for_timeout: "TIMEOUT"i expression [TIME_UNIT]
    """
    RESULT: ClassVar[bool] = True

    @classmethod
    def build(cls, written: Written) -> Self:
        parsed = written.parsed
        timeout = parsed.find("wait_for_timeout")
        unit = timeout.words()[0] if timeout and timeout.words() else "second"
        name = parsed.expressions()[0]
        if isinstance(constant_of(name), int | float):
            raise Misuse("WAIT FOR waits for an event", "WAIT 10 sleeps for ten seconds")
        return cls(written.place, written.into, name, parsed.expression_of("wait_for_timeout"), unit_seconds(unit))

    def run(self, here: Here) -> Move:
        match here.why:
            case Resumed(event=EventPublished(name=name, data=data)):
                return self.ended(here, name, data)
            case Resumed(event=TimedOut()):
                return self.ended(here, None, None)
            case _:
                deadline = None
                if self.timeout is not None:
                    seconds = float(to_number(here.value(self.timeout))) * self.unit_seconds
                    if not 0 <= seconds <= TIMEOUT_SECONDS_MAX:
                        raise ScriptError("a TIMEOUT lies between 0 and a hundred years")
                    deadline = here.now + timedelta(seconds=seconds)
                return Await(ForEvent(event_name(here.value(self.name)), deadline))

    def ended(self, here: Here, name: str | None, data: Value) -> Move:
        """Keep what came, or that nothing did, and go on."""
        own = (here.assignment(self.target, data),) if self.target else ()
        return Next(sets=(Assignment("event", name), Assignment("event_data", data), *own))

    def assigns(self) -> Iterator[str]:
        yield from Step.assigns(self)
        yield from ("event", "event_data")


@dataclass(frozen=True, slots=True)
class OnEvent(Step):
    """Run statements whenever an event comes while the script waits, whatever it waits for: `ON EVENT "name" DO …
    END ON`. Then it goes on waiting; the deadline stays what it was.

    The statements see the script's variables; `event` and `event_data` hold what came. It holds from the line on until
    the script ends. A script that consists of nothing but ON EVENT (and declarations) is started by the event instead.

    ```basic
    total = 0
    ON EVENT "paid" DO
        total = total + event_data.amount
        TALK "Received ${event_data.amount}"
    END ON
    HEAR answer WITH "Anything else?"
    TALK "${answer}, and ${total} paid"
    ```
    ```chat
    bot: Anything else?
    event paid {"amount": 10}
    bot: Received 10
    event paid {"amount": 5}
    bot: Received 5
    user: no
    bot: no, and 15 paid
    ```
    """

    name: Expression
    procedure: str

    APART: ClassVar[bool] = True
    HEADS: ClassVar[tuple[str, ...]] = ("ON EVENT",)
    GRAMMAR: ClassVar[str] = """
        on_event: "ON"i "EVENT"i expression ["DO"i]
        end_on: "END"i "ON"i ["EVENT"i]
    """
    CLOSERS: ClassVar[dict[str, str]] = {"END ON": "end_on", "END ON EVENT": "end_on"}

    @classmethod
    def build(cls, written: Written) -> Self:
        name = written.parsed.expressions()[0]
        text = constant_of(name)
        if text is not None and not to_text(text).strip():
            raise Misuse("an event needs a name", 'ON EVENT "paid" DO … END ON')
        return cls(written.place, name, written.sections[0].procedure)

    def run(self, here: Here) -> Move:
        return Next(effects=(Handle(event_name(here.value(self.name)), self.procedure),))

    def assigns(self) -> Iterator[str]:
        yield from ("event", "event_data")

    def starts(self) -> Declaration | None:
        """Return that the event starts the script at this handler; None where its name is known only at run time."""
        name = constant_of(self.name)
        return None if name is None else Declaration("event", event_name(name), {"procedure": self.procedure})
