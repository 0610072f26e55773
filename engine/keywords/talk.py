"""TALK and BEGIN TALK: what the bot says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from engine.effects import Reply
from engine.expressions import Expression
from engine.shortcuts import Act, Ways, saying
from engine.steps import Here, Move, Next, Step, Written
from engine.values import to_text


@dataclass(frozen=True, slots=True)
class Talk(Step):
    """Say something to the user.

    `TALK e` sends one message; `TALK a, b` joins its values with a blank; `TALK` alone sends an empty line.
    `TALK TO who, e` sends it to somebody else. Text may hold `${expression}`.

    ```basic
    name = "Ada"
    TALK "Good morning, ${name}"
    TALK "You have", 2 + 1, "messages"
    ```
    ```chat
    bot: Good morning, Ada
    bot: You have 3 messages
    ```
    """

    texts: tuple[Expression, ...]
    recipient: Expression | None

    HEADS: ClassVar[tuple[str, ...]] = ("TALK TO", "TALK")
    GRAMMAR: ClassVar[str] = """
        talk: "TALK"i [expression ("," expression)*]
            | "TALK"i talk_to "," expression ("," expression)*
        talk_to: TALK_TO expression
        TALK_TO.5: /TO(?=[ ]+["\\w(])/i
    """

    @classmethod
    def build(cls, written: Written) -> Self:
        return cls(written.place, written.parsed.expressions(), written.parsed.expression_of("talk_to"))

    def run(self, here: Here) -> Move:
        texts = self.texts
        content = (
            to_text(here.value(texts[0])) if len(texts) == 1 else " ".join([to_text(here.value(e)) for e in texts])
        )
        recipient = to_text(here.value(self.recipient)) if self.recipient else None
        return Next((), (Reply(content, (), recipient),))

    def shortcuts(self, ways: Ways) -> dict[int, Act]:
        if len(self.texts) != 1 or self.recipient is not None:
            return {}
        return {ways.number: saying(self.texts[0], ways.behind)}


@dataclass(frozen=True, slots=True)
class BeginTalk(Step):
    """Say several lines as one message. The lines stand as they are; `${expression}` becomes its value.

    ```basic
    total = 12.5
    BEGIN TALK
    Your order:
      in all ${total} euros
    END TALK
    ```
    ```chat
    bot: Your order:
    |   in all 12.5 euros
    ```
    """

    text: Expression

    HEADS: ClassVar[tuple[str, ...]] = ("BEGIN TALK",)
    GRAMMAR: ClassVar[str] = """
        begin_talk: "BEGIN"i "TALK"i
    """

    @classmethod
    def build(cls, written: Written) -> Self:
        assert written.lines is not None, "the scanner closes every BEGIN block"
        return cls(written.place, written.lines)

    def run(self, here: Here) -> Move:
        return Next(effects=(Reply(to_text(here.value(self.text))),))

    def shortcuts(self, ways: Ways) -> dict[int, Act]:
        return {ways.number: saying(self.text, ways.behind)}
