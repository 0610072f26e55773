"""Variables of the session and of the bot: they outlive the script."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from engine.effects import Query
from engine.errors import ScriptError
from engine.events import QueryAnswered
from engine.expressions import Expression
from engine.pairs import named_value
from engine.steps import NEXT, Ask, Here, Move, Resumed, Step, Target, Written
from engine.values import to_text

SCOPES = ("session", "user")


@dataclass(frozen=True, slots=True)
class SetSession(Step):
    """Keep a value for the session, beyond this script: `SET "session.k", v`, `SET "session.k" = v`,
    `SET SESSION k, v`, `SET SESSION id, k, v` with the session's own id.

    ```basic
    SET "session.city", "Recife"
    city = GET "session.city"
    TALK city
    ```
    ```chat
    bot: Recife
    ```
    """

    session: Expression | None
    key: Expression
    value: Expression

    HEADS: ClassVar[tuple[str, ...]] = ('SET "', "SET SESSION")
    GRAMMAR: ClassVar[str] = """
        set_session: "SET"i ["SESSION"i] expression ["," expression ["," expression]]
            | "SET"i "SESSION"i expression "AS"i expression
    """

    @classmethod
    def build(cls, written: Written) -> Self:
        given = written.parsed.expressions()
        session = given[0] if len(given) == 3 else None
        key, value = named_value(given[-2:], 'SET "session.city", city')
        return cls(written.place, session, key, value)

    def run(self, here: Here) -> Move:
        if isinstance(here.why, Resumed):
            return NEXT
        check_own(self.session, here)
        key = session_key(to_text(here.value(self.key)))
        return Ask(Query("set_session_variable", (key, here.value(self.value))))


@dataclass(frozen=True, slots=True)
class GetSession(Step):
    """Read what the session keeps: `x = GET SESSION "k"`, the same as `x = GET "session.k"`, and
    `x = GET SESSION id, "k"` with the session's own id. Absent is NULL.

    ```basic
    seen = GET SESSION "seen"
    IF seen IS NULL THEN TALK "first visit"
    ```
    ```chat
    bot: first visit
    ```
    """

    session: Expression | None
    key: Expression
    into: Target | None

    HEADS: ClassVar[tuple[str, ...]] = ("GET SESSION",)
    GRAMMAR: ClassVar[str] = """
        get_session: "GET"i "SESSION"i expression ["," expression]
    """
    RESULT: ClassVar[bool] = True

    @classmethod
    def build(cls, written: Written) -> Self:
        *session, key = written.parsed.expressions()
        return cls(written.place, session[0] if session else None, key, written.into)

    def run(self, here: Here) -> Move:
        match here.why:
            case Resumed(event=QueryAnswered(value=value)):
                return here.into(self.into, value)
            case _:
                check_own(self.session, here)
                return Ask(Query("get_session_variable", (session_key(to_text(here.value(self.key))),)))


def check_own(session: Expression | None, here: Here) -> None:
    """Raise ScriptError where a statement names another session than its own."""
    named = to_text(here.value(session)) if session is not None else ""
    if named not in ("", here.moment.session_id):
        raise ScriptError(f"a script reaches the variables of its own session, and “{named}” is another one")


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
        set_bot_memory: "SET"i "BOT"i "MEMORY"i expression [("," | "AS"i) expression]
    """

    @classmethod
    def build(cls, written: Written) -> Self:
        key, value = named_value(written.parsed.expressions(), 'SET BOT MEMORY "open", TRUE')
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
