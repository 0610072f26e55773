"""Variables of the session and of the bot: they outlive the script."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from engine.effects import Query
from engine.errors import ScriptError
from engine.events import QueryAnswered
from engine.expressions import Expression
from engine.steps import NEXT, Ask, Here, Move, Resumed, Step, Target, Written
from engine.values import to_text

SCOPES = ("session", "user")


@dataclass(frozen=True, slots=True)
class SetSession(Step):
    """Keep a value for the session, beyond this script: `SET "session.k", v` or `SET "session.k" = v`.

    ```basic
    SET "session.city", "Recife"
    city = GET "session.city"
    TALK city
    ```
    ```chat
    bot: Recife
    ```
    """

    key: Expression
    value: Expression

    HEADS: ClassVar[tuple[str, ...]] = ('SET "', "SET SESSION")
    GRAMMAR: ClassVar[str] = """
        set_session: "SET"i ["SESSION"i] expression "," expression
            | "SET"i ["SESSION"i] STRING "=" expression -> set_session_equal
    """

    @classmethod
    def build(cls, written: Written) -> Self:
        key, value = written.parsed.expressions()[:2]
        return cls(written.place, key, value)

    def run(self, here: Here) -> Move:
        if isinstance(here.why, Resumed):
            return NEXT
        key = session_key(to_text(here.value(self.key)))
        return Ask(Query("set_session_variable", (key, here.value(self.value))))


@dataclass(frozen=True, slots=True)
class GetSession(Step):
    """Read what the session keeps: `x = GET SESSION "k"`, the same as `x = GET "session.k"`. Absent is NULL.

    ```basic
    seen = GET SESSION "seen"
    IF seen IS NULL THEN TALK "first visit"
    ```
    ```chat
    bot: first visit
    ```
    """

    key: Expression
    into: Target | None

    HEADS: ClassVar[tuple[str, ...]] = ("GET SESSION",)
    GRAMMAR: ClassVar[str] = """
        get_session: "GET"i "SESSION"i expression
    """
    RESULT: ClassVar[bool] = True

    @classmethod
    def build(cls, written: Written) -> Self:
        key = written.parsed.expressions()[0]
        return cls(written.place, key, written.into)

    def run(self, here: Here) -> Move:
        match here.why:
            case Resumed(event=QueryAnswered(value=value)):
                return here.into(self.into, value)
            case _:
                return Ask(Query("get_session_variable", (session_key(to_text(here.value(self.key))),)))


def session_key(text: str) -> str:
    """Return the name a session variable is stored under. Raises ScriptError for an empty one."""
    scope, dot, name = text.partition(".")
    key = name if dot and scope.lower() in SCOPES else text
    if not key:
        raise ScriptError('a session variable needs a name, for example "session.city"')
    return key


@dataclass(frozen=True, slots=True)
class SetBotMemory(Step):
    """Keep a value for the bot, seen by all its conversations: `SET BOT MEMORY "k", v`.

    ```basic
    SET BOT MEMORY "open", TRUE
    is_open = GET BOT MEMORY "open"
    TALK is_open
    ```
    ```chat
    bot: true
    ```
    """

    key: Expression
    value: Expression

    HEADS: ClassVar[tuple[str, ...]] = ("SET BOT MEMORY",)
    GRAMMAR: ClassVar[str] = """
        set_bot_memory: "SET"i "BOT"i "MEMORY"i expression ("," | "AS"i) expression
            | "SET"i "BOT"i "MEMORY"i STRING "=" expression -> set_bot_memory_equal
    """

    @classmethod
    def build(cls, written: Written) -> Self:
        key, value = written.parsed.expressions()[:2]
        return cls(written.place, key, value)

    def run(self, here: Here) -> Move:
        if isinstance(here.why, Resumed):
            return NEXT
        return Ask(Query("set_bot_memory", (to_text(here.value(self.key)), here.value(self.value))))


@dataclass(frozen=True, slots=True)
class GetBotMemory(Step):
    """Read what the bot keeps: `x = GET BOT MEMORY "k"`, also `GET_BOT_MEMORY("k")`. Absent is NULL.

    ```basic
    motto = GET_BOT_MEMORY("motto")
    IF motto IS NULL THEN TALK "no motto yet"
    ```
    ```chat
    bot: no motto yet
    ```
    """

    key: Expression
    into: Target | None

    HEADS: ClassVar[tuple[str, ...]] = ("GET BOT MEMORY",)
    GRAMMAR: ClassVar[str] = """
        get_bot_memory: "GET"i "BOT"i "MEMORY"i expression
    """
    RESULT: ClassVar[bool] = True

    @classmethod
    def build(cls, written: Written) -> Self:
        return cls(written.place, written.parsed.expressions()[0], written.into)

    def run(self, here: Here) -> Move:
        match here.why:
            case Resumed(event=QueryAnswered(value=value)):
                return here.into(self.into, value)
            case _:
                return Ask(Query("get_bot_memory", (to_text(here.value(self.key)),)))
