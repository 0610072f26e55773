"""BEGIN SYSTEM PROMPT, SYSTEM PROMPT and USE MODEL: how the language model is to answer, and which one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from engine.effects import Keep
from engine.expressions import Expression
from engine.model_rounds import MODEL, SYSTEM_PROMPT
from engine.steps import Here, Move, Next, Step, Written
from engine.values import Value, to_text


@dataclass(frozen=True, slots=True)
class BeginSystemPrompt(Step):
    """Tell the model, in several lines, who it is and how it is to answer, for all further LLM of this conversation.

    The lines stand as they are; `${expression}` becomes its value.

    ```basic
    shop = "Bloom"
    BEGIN SYSTEM PROMPT
    You answer for the flower shop ${shop}.
    Be brief.
    END SYSTEM PROMPT
    answer = LLM "Are you open on Sunday?"
    TALK answer
    ```
    ```chat
    given llm answers "We are, from ten to two."
    bot: We are, from ten to two.
    ```
    """

    text: Expression

    HEADS: ClassVar[tuple[str, ...]] = ("BEGIN SYSTEM PROMPT", "BEGIN SYSTEM")
    GRAMMAR: ClassVar[str] = """
        begin_system_prompt: "BEGIN"i (SYSTEM_PROMPT | "SYSTEM"i)
    """

    @classmethod
    def build(cls, written: Written) -> Self:
        assert written.lines is not None, "the scanner closes every BEGIN block"
        return cls(written.place, written.lines)

    def run(self, here: Here) -> Move:
        return _keep(SYSTEM_PROMPT, here.value(self.text))


@dataclass(frozen=True, slots=True)
class SystemPrompt(Step):
    """Tell the model in one line how it is to answer: `SYSTEM PROMPT e`, `SET SYSTEM PROMPT e`; CLEAR SYSTEM PROMPT
    forgets it, as does an empty text.

    ```basic
    SYSTEM PROMPT "Answer in Portuguese."
    greeting = LLM "Say good morning"
    CLEAR SYSTEM PROMPT
    TALK greeting
    ```
    ```chat
    given llm answers "Bom dia!"
    bot: Bom dia!
    ```
    """

    text: Expression | None

    HEADS: ClassVar[tuple[str, ...]] = ("SYSTEM PROMPT", "SET SYSTEM PROMPT", "CLEAR SYSTEM PROMPT")
    GRAMMAR: ClassVar[str] = """
        system_prompt: ["SET"i] SYSTEM_PROMPT ["=" | "AS"i | ","] expression
            | "CLEAR"i SYSTEM_PROMPT
    """

    @classmethod
    def build(cls, written: Written) -> Self:
        return cls(written.place, next(iter(written.parsed.expressions()), None))

    def run(self, here: Here) -> Move:
        return _keep(SYSTEM_PROMPT, here.value(self.text) if self.text else None)


@dataclass(frozen=True, slots=True)
class UseModel(Step):
    """Choose the model of all further LLM of this conversation: `USE MODEL "name"`; an empty text chooses the
    configured one again. The name may be one that the configuration explains, such as `"fast"`.

    ```basic
    USE MODEL "fast"
    word = LLM "One word for joy"
    TALK word
    ```
    ```chat
    given llm answers "Delight"
    bot: Delight
    ```
    """

    name: Expression

    HEADS: ClassVar[tuple[str, ...]] = ("USE MODEL", "SET MODEL")
    GRAMMAR: ClassVar[str] = """
        use_model: ("USE"i | "SET"i) "MODEL"i ["="] expression
    """

    @classmethod
    def build(cls, written: Written) -> Self:
        return cls(written.place, written.parsed.expressions()[0])

    def run(self, here: Here) -> Move:
        name = here.value(self.name)
        if name is None and self.name.text.isidentifier():
            name = self.name.text  # USE MODEL fast, without quotes
        return _keep(MODEL, name)


def _keep(key: str, value: Value) -> Move:
    return Next(effects=(Keep(key, to_text(value).strip() or None),))
