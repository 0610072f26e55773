"""ADD SUGGESTION and CLEAR SUGGESTIONS: buttons under the next reply."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from engine.effects import Suggest, Suggestion
from engine.expressions import Expression
from engine.steps import Here, Move, Next, Step, Written
from engine.values import to_text


@dataclass(frozen=True, slots=True)
class AddSuggestion(Step):
    """Put a button under the next reply: `ADD SUGGESTION "text" [AS "label"]`, `ADD SUGGESTION TOOL "t"`.

    Pressing it sends the text, whatever its label says.

    ```basic
    ADD SUGGESTION "yes" AS "Yes, please"
    ADD SUGGESTION "no"
    TALK "Shall I?"
    ```
    ```chat
    bot: Shall I?
    [Yes, please] [no]
    ```
    """

    value: Expression
    label: Expression | None
    tool: bool

    HEADS: ClassVar[tuple[str, ...]] = ("ADD SUGGESTION TOOL", "ADD SUGGESTION", "ADD_SUGGESTION")
    GRAMMAR: ClassVar[str] = """
        add_suggestion: "ADD"i "SUGGESTION"i [suggestion_tool] expression [suggestion_label]
        suggestion_tool: "TOOL"i
        suggestion_label: ("AS"i | ",") expression
    """

    @classmethod
    def build(cls, written: Written) -> Self:
        parsed = written.parsed
        return cls(
            written.place,
            parsed.expressions()[0],
            parsed.expression_of("suggestion_label"),
            parsed.find("suggestion_tool") is not None,
        )

    def run(self, here: Here) -> Move:
        value = to_text(here.value(self.value))
        label = to_text(here.value(self.label)) if self.label else value
        return Next(effects=(Suggest(Suggestion(label, value, self.tool)),))


@dataclass(frozen=True, slots=True)
class ClearSuggestions(Step):
    """Forget the buttons collected for the next reply: `CLEAR SUGGESTIONS`.

    ```basic
    ADD SUGGESTION "yes"
    CLEAR SUGGESTIONS
    TALK "No buttons"
    ```
    ```chat
    bot: No buttons
    ```
    """

    HEADS: ClassVar[tuple[str, ...]] = ("CLEAR SUGGESTIONS", "CLEAR SUGGESTION")
    GRAMMAR: ClassVar[str] = """
        clear_suggestions: "CLEAR"i ("SUGGESTIONS"i | "SUGGESTION"i)
    """

    @classmethod
    def build(cls, written: Written) -> Self:
        return cls(written.place)

    def run(self, here: Here) -> Move:
        return Next(effects=(Suggest(None),))
