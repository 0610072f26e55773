"""WEBHOOK, ON FORM SUBMIT, TRIGGER and the like: what starts a script from outside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from engine.effects import Query
from engine.errors import ScriptError
from engine.events import QueryAnswered
from engine.expressions import Expression
from engine.steps import NEXT, Ask, Declaration, Here, Misuse, Move, Resumed, Step, Target, Written, constant_of
from engine.values import to_text

NAME_CHARACTERS_MAX = 200


def constant_name(written: Written, what: str) -> str:
    """Return the name that a declaration gives as a text. Raises Misuse."""
    value = constant_of(written.parsed.expressions()[0])
    if not isinstance(value, str) or not 0 < len(value.strip()) <= NAME_CHARACTERS_MAX:
        raise Misuse(f"{what} needs a name in quotes", f'{what} "orders"')
    return value.strip().lower()


@dataclass(frozen=True, slots=True)
class Webhook(Step):
    """Have the script started from outside: `WEBHOOK "name"`. It is registered when the script is deployed.

    `workflow_trigger(name, data)`, which the bot server calls, starts it; the keys of the data are its variables, and
    `trigger` is the name. As a statement of a running script it does nothing.

    ```basic
    WEBHOOK "orders"
    TALK "Order ${number ?? "without a number"}"
    ```
    ```chat
    bot: Order without a number
    ```
    """

    name: str

    HEADS: ClassVar[tuple[str, ...]] = ("WEBHOOK",)
    GRAMMAR: ClassVar[str] = """
        webhook: "WEBHOOK"i expression
    """

    @classmethod
    def build(cls, written: Written) -> Self:
        return cls(written.place, constant_name(written, "WEBHOOK"))

    def run(self, here: Here) -> Move:
        return NEXT

    def declares(self) -> tuple[Declaration, ...]:
        return (Declaration("webhook", self.name),)


@dataclass(frozen=True, slots=True)
class OnForm(Step):
    """Have the script started when a form is sent: `ON FORM SUBMIT "name"`, or without a name by any form. Its fields
    are variables; `trigger` is the form's name.

    ```basic
    ON FORM SUBMIT "contact"
    TALK "Thank you, ${email ?? "stranger"}"
    ```
    ```chat
    bot: Thank you, stranger
    ```
    """

    name: str

    HEADS: ClassVar[tuple[str, ...]] = ("ON FORM SUBMIT", "ON FORM")
    GRAMMAR: ClassVar[str] = """
        on_form: "ON"i "FORM"i ["SUBMIT"i] [expression]
    """

    @classmethod
    def build(cls, written: Written) -> Self:
        return cls(written.place, constant_name(written, "ON FORM SUBMIT") if written.parsed.expressions() else "")

    def run(self, here: Here) -> Move:
        return NEXT

    def declares(self) -> tuple[Declaration, ...]:
        return (Declaration("form", self.name),)


@dataclass(frozen=True, slots=True)
class OnTable(Step):
    """Have the script started when the rows of a table change: `ON INSERT OF "table"`, `ON "table" INSERT`, also UPDATE
    and DELETE. Whoever changes the rows says so by `workflow_trigger('insert of table', row)`.

    ```basic
    ON INSERT OF "orders"
    TALK "A new order: ${id ?? "unknown"}"
    ```
    ```chat
    bot: A new order: unknown
    ```
    """

    name: str
    change: str

    HEADS: ClassVar[tuple[str, ...]] = ("ON INSERT", "ON UPDATE", "ON DELETE", 'ON "')
    GRAMMAR: ClassVar[str] = """
        on_table: "ON"i ON_CHANGE ["OF"i | "ON"i | "INTO"i] STRING | "ON"i STRING ON_CHANGE
        ON_CHANGE: /(INSERT|UPDATE|DELETE)(?!\\w)/i
    """

    @classmethod
    def build(cls, written: Written) -> Self:
        return cls(written.place, constant_name(written, "ON INSERT OF"), written.parsed.words()[0].lower())

    def run(self, here: Here) -> Move:
        return NEXT

    def declares(self) -> tuple[Declaration, ...]:
        return (Declaration("table", f"{self.change} of {self.name}"),)


@dataclass(frozen=True, slots=True)
class Trigger(Step):
    """Start scripts from a script: `TRIGGER "name" WITH data` starts those that say `WEBHOOK "name"` or
    `TRIGGER "name"`; the keys of the data are their variables. `TRIGGER "name"` alone declares
    that the name starts this script.

    ```basic
    TRIGGER "month end"
    TALK "The month is over"
    ```
    ```chat
    bot: The month is over
    ```
    """

    name: Expression
    data: Expression | None
    target: Target | None

    HEADS: ClassVar[tuple[str, ...]] = ("TRIGGER",)
    GRAMMAR: ClassVar[str] = """
        trigger: "TRIGGER"i expression [("WITH"i | ",") expression]
    """
    RESULT: ClassVar[bool] = True

    @classmethod
    def build(cls, written: Written) -> Self:
        name, *data = written.parsed.expressions()
        if not data:
            constant_name(written, "TRIGGER")
        return cls(written.place, name, data[0] if data else None, written.into)

    def run(self, here: Here) -> Move:
        if self.data is None:
            return NEXT
        match here.why:
            case Resumed(event=QueryAnswered(value=started)):
                return here.into(self.target, started)
            case _:
                name = to_text(here.value(self.name)).strip()
                if not name:
                    raise ScriptError('TRIGGER needs a name: TRIGGER "orders" WITH data')
                return Ask(Query("fire_trigger", (name, here.value(self.data))))

    def declares(self) -> tuple[Declaration, ...]:
        if self.data is not None:
            return ()
        return (Declaration("trigger", to_text(constant_of(self.name)).strip().lower()),)
