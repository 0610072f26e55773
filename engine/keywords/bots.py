"""BOT SHARE MEMORY and BOT SYNC MEMORY: what bots keep, given to each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from engine.effects import Query
from engine.errors import ScriptError
from engine.expressions import Expression
from engine.steps import NEXT, Ask, Here, Move, Resumed, Step, Written
from engine.values import to_text


@dataclass(frozen=True, slots=True)
class ShareMemory(Step):
    """Give another bot what this one keeps under a name: `BOT SHARE MEMORY "key" WITH "bot"`.

    ```basic
    SET BOT MEMORY "motto", "never again"
    TRY
        BOT SHARE MEMORY "motto" WITH "nobody"
    CATCH problem
        TALK "There is no such bot"
    END TRY
    ```
    ```chat
    bot: There is no such bot
    ```
    """

    key: Expression
    bot: Expression

    HEADS: ClassVar[tuple[str, ...]] = ("BOT SHARE MEMORY",)
    GRAMMAR: ClassVar[str] = """
        share_memory: "BOT"i "SHARE"i "MEMORY"i expression ("WITH"i | "TO"i | ",") expression
    """

    @classmethod
    def build(cls, written: Written) -> Self:
        key, bot = written.parsed.expressions()[:2]
        return cls(written.place, key, bot)

    def run(self, here: Here) -> Move:
        if isinstance(here.why, Resumed):
            return NEXT
        return Ask(Query("share_memory", (named(here, self.key), named(here, self.bot))))


@dataclass(frozen=True, slots=True)
class SyncMemory(Step):
    """Take over all that another bot keeps: `BOT SYNC MEMORY FROM "bot"`. Where both keep something under one name,
    the other's counts.

    ```basic
    TRY
        BOT SYNC MEMORY FROM "nobody"
    CATCH problem
        TALK "There is no such bot"
    END TRY
    ```
    ```chat
    bot: There is no such bot
    ```
    """

    bot: Expression

    HEADS: ClassVar[tuple[str, ...]] = ("BOT SYNC MEMORY",)
    GRAMMAR: ClassVar[str] = """
        sync_memory: "BOT"i "SYNC"i "MEMORY"i ["FROM"i | "WITH"i] expression
    """

    @classmethod
    def build(cls, written: Written) -> Self:
        return cls(written.place, written.parsed.expressions()[0])

    def run(self, here: Here) -> Move:
        if isinstance(here.why, Resumed):
            return NEXT
        return Ask(Query("sync_memory", (named(here, self.bot),)))


def named(here: Here, expression: Expression) -> str:
    """Return the name that an expression gives. Raises ScriptError for an empty one."""
    name = to_text(here.value(expression)).strip()
    if not name:
        raise ScriptError("the name of a bot, and of what it keeps, cannot be empty")
    return name
