"""IF, SELECT CASE and SWITCH."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from engine.expressions import Expression
from engine.shortcuts import Act, Ways, choosing, going
from engine.steps import NEXT, Block, BlockEnded, Enter, Here, Misuse, Move, Section, Step, Written
from engine.values import Value, equal, less, truthy


@dataclass(frozen=True, slots=True)
class If(Step):
    """Choose: `IF c THEN … ELSEIF c THEN … ELSE … END IF`, or on one line `IF c THEN statement ELSE statement`.

    False are NULL, FALSE, 0, "", an empty list and an empty object; everything else is true.

    ```basic
    HEAR age AS INTEGER
    IF age < 13 THEN
        TALK "child"
    ELSEIF age < 20 THEN
        TALK "teenager"
    ELSE
        TALK "adult"
    END IF
    ```
    ```chat
    user: 15
    bot: teenager
    ```
    """

    conditions: tuple[Expression, ...]
    branches: tuple[Block, ...]  # one for each condition, and one more for ELSE where there is one

    HEADS: ClassVar[tuple[str, ...]] = ("IF",)
    GRAMMAR: ClassVar[str] = """
        if: "IF"i expression ["THEN"i]
        elseif: ("ELSEIF"i | "ELSE"i "IF"i) expression ["THEN"i]
        else: "ELSE"i
        end_if: "END"i "IF"i | "ENDIF"i
    """
    SECTIONS: ClassVar[dict[str, str]] = {"ELSEIF": "elseif", "ELSE IF": "elseif", "ELSE": "else"}
    CLOSERS: ClassVar[dict[str, str]] = {"END IF": "end_if", "ENDIF": "end_if"}

    @classmethod
    def build(cls, written: Written) -> Self:
        conditions = [e for s in written.sections for e in s.parsed.expressions()]
        for section in written.sections[:-1]:
            if section.parsed.rule == "else":
                raise Misuse("ELSE must be the last part of an IF", "move it behind the last ELSEIF")
        return cls(written.place, tuple(conditions), tuple(s.block for s in written.sections))

    def blocks(self) -> tuple[Block, ...]:
        return self.branches

    def run(self, here: Here) -> Move:
        if isinstance(here.why, BlockEnded):
            return NEXT
        for index, condition in enumerate(self.conditions):
            if truthy(here.value(condition)):
                return Enter(index)
        return Enter(len(self.conditions)) if len(self.branches) > len(self.conditions) else NEXT

    def shortcuts(self, ways: Ways) -> dict[int, Act]:
        choices = list(zip(self.conditions, ways.entries, strict=False))
        otherwise = ways.entries[len(choices)] if len(ways.entries) > len(choices) else ways.behind
        return {ways.number: choosing(choices, otherwise), -ways.number: going(ways.behind)}


@dataclass(frozen=True, slots=True)
class Choice:
    """One alternative of a CASE: a value, a range `low TO high`, or a comparison `IS > value`."""

    operator: str  # =, <>, <, <=, >, >= or TO
    value: Expression
    high: Expression | None = None

    def holds(self, here: Here, subject: Value) -> bool:
        """Tell whether the value that SELECT read is one of this alternative's."""
        value = here.value(self.value)
        match self.operator:
            case "=":
                return equal(subject, value)
            case "<>":
                return not equal(subject, value)
            case "<":
                return less(subject, value)
            case "<=":
                return less(subject, value) or equal(subject, value)
            case ">":
                return less(value, subject)
            case ">=":
                return less(value, subject) or equal(subject, value)
            case _:
                assert self.high is not None
                high = here.value(self.high)
                return (less(value, subject) or equal(subject, value)) and (less(subject, high) or equal(subject, high))


@dataclass(frozen=True, slots=True)
class SelectCase(Step):
    """Choose by one value, which is read once: `SELECT CASE e … CASE a, b … CASE ELSE … END SELECT`.

    A CASE takes values, ranges (`1 TO 5`) and comparisons (`IS > 9`), separated by commas; it never falls
    through. `SWITCH e … CASE … DEFAULT … END SWITCH` is the same.

    ```basic
    SELECT CASE 7
        CASE 1 TO 5
            TALK "low"
        CASE 6, IS > 9
            TALK "six or high"
        CASE ELSE
            TALK "between"
    END SELECT
    ```
    ```chat
    bot: between
    ```
    """

    subject: Expression
    cases: tuple[tuple[Choice, ...], ...]  # an empty one is CASE ELSE
    branches: tuple[Block, ...]

    HEADS: ClassVar[tuple[str, ...]] = ("SELECT CASE", "SWITCH", "SELECT")
    GRAMMAR: ClassVar[str] = """
        select: ("SELECT"i ["CASE"i] | "SWITCH"i) expression
        case: "CASE"i choice ("," choice)*
        choice: expression -> choice_value
            | expression "TO"i expression -> choice_range
            | ["IS"i] CASE_OPERATOR expression -> choice_is
            | "IS"i expression -> choice_is_value
        CASE_OPERATOR.5: "<>" | "!=" | "<=" | ">=" | "==" | "=" | "<" | ">"
        case_else: "CASE"i "ELSE"i | "DEFAULT"i | "CASE"i "DEFAULT"i
        end_select: "END"i "SELECT"i | "END"i "SWITCH"i
    """
    SECTIONS: ClassVar[dict[str, str]] = {
        "CASE ELSE": "case_else",
        "CASE DEFAULT": "case_else",
        "DEFAULT": "case_else",
        "CASE": "case",
    }
    CLOSERS: ClassVar[dict[str, str]] = {"END SELECT": "end_select", "END SWITCH": "end_select"}

    @classmethod
    def build(cls, written: Written) -> Self:
        head, *sections = written.sections
        if head.block:
            raise Misuse("a statement stands between SELECT and its first CASE", "put it behind a CASE")
        for section in sections[:-1]:
            if section.parsed.rule == "case_else":
                raise Misuse("CASE ELSE must be the last CASE")
        cases = tuple(_choices(s) for s in sections)
        return cls(written.place, written.parsed.expressions()[0], cases, tuple(s.block for s in sections))

    def blocks(self) -> tuple[Block, ...]:
        return self.branches

    def run(self, here: Here) -> Move:
        if isinstance(here.why, BlockEnded):
            return NEXT
        subject = here.value(self.subject)
        for index, choices in enumerate(self.cases):
            for choice in choices:
                if choice.holds(here, subject):
                    return Enter(index)
            if not choices:
                return Enter(index)
        return NEXT


_SPELLINGS = {"==": "=", "!=": "<>"}


def _choices(section: Section) -> tuple[Choice, ...]:
    choices = []
    for part in section.parsed.parts:
        expressions = part.expressions()
        match part.rule:
            case "choice_range":
                choices.append(Choice("TO", expressions[0], expressions[1]))
            case "choice_is":
                operator = part.words()[0]
                choices.append(Choice(_SPELLINGS.get(operator, operator), expressions[0]))
            case "choice_is_value" if isinstance(expressions[0].node, ast.UnaryOp):
                # CASE IS NOT NULL: the NOT belongs to IS
                inner = replace(expressions[0], node=expressions[0].node.operand)
                choices.append(Choice("<>", inner))
            case _:
                choices.append(Choice("=", expressions[0]))
    return tuple(choices)
