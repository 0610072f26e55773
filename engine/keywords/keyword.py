"""Every keyword that is none of ours: a request that the bot server, or any program, takes and answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from engine.errors import ScriptError
from engine.events import RequestCompleted, TimedOut
from engine.expressions import Expression
from engine.keyword_requests import ask_for, unanswered
from engine.steps import Here, Misuse, Move, Parsed, Resumed, Step, Target, Written, unit_seconds
from engine.values import Value, to_number, to_text

KEYWORD_SECONDS_MAX = 100 * 366 * 86_400  # a hundred years: beyond it dates overflow sooner or later

Clause = tuple[str, tuple[Expression, ...], tuple[tuple[Expression, Expression], ...]]
"""A clause's name in upper case, its values, and its pairs of a key and a value."""


@dataclass(frozen=True, slots=True)
class Keyword(Step):
    """Any other keyword: upper-case words that no page here explains, as `SEND FILE doc, "caption"` or
    `x = GENERATE PDF name WITH TEMPLATE "t" DATA d`.

    It becomes a request of the kind of its words, which the bot server or any other program takes, performs and
    answers by SQL. The script waits for the answer, durably. The payload is `{"arguments": […], "clauses": {…}}`:
    arguments stand between commas (or blanks), clauses go by their words (`AS WITH TO FROM BY WHERE SET VALUES
    ORDER BY LIMIT AT USING DO TIMEOUT SUBJECT BODY DATA TEMPLATE FOR IN ON INTO …`, and any upper-case word behind
    an operand). A clause of one value is that value, of several a list; `k AS v` and `k = v` make an object; the
    condition of a WHERE is `{"text": …, "values": {…}}`, the values of the names in it.
    `TIMEOUT n [SECONDS|MINUTES|HOURS|DAYS]` says how long to wait for the answer;
    without it the configuration does. When nobody has answered by then, it is a script error that ON ERROR and TRY
    can catch.

    ```basic
    receipt = SEND FILE "manual.pdf", "As promised" TO "ada@example.com"
    TALK "Sent: ${receipt.id}"
    ```
    ```chat
    given SEND FILE answers {"id": 7}
    bot: Sent: 7
    ```

    ```basic
    TRY
        SEND FILE "manual.pdf", "As promised" TIMEOUT 5 MINUTES
    CATCH e
        TALK "Sorry: ${e}"
    END TRY
    ```
    ```chat
    given SEND FILE fails: there is no manual.pdf
    bot: Sorry: there is no manual.pdf
    ```
    """

    words: str
    arguments: tuple[Expression, ...]
    clauses: tuple[Clause, ...]
    timeout: Expression | None
    unit_seconds: int
    into: Target | None

    RESULT: ClassVar[bool] = True

    @classmethod
    def build(cls, written: Written) -> Self:
        words, *parts = written.parsed.parts
        timeout = next((p for p in parts if p.words()[0] == "TIMEOUT"), None)
        unit = "second"
        if timeout is not None:
            if len(timeout.expressions()) != 1:
                raise Misuse(f"{words} … TIMEOUT takes one length of time", "for example TIMEOUT 30 SECONDS")
            unit = next((p.words()[0] for p in timeout.parts if isinstance(p, Parsed)), unit)
        arguments = tuple(e for p in parts if p.words()[0] == "" for e in p.expressions())
        clauses = [_clause(p) for p in parts if p is not timeout and p.words()[0] != ""]
        named = tuple(pair for p in parts if p.words()[0] == "" for pair in _pairs(p))
        if named:
            clauses.append(("WITH", (), named))
        if written.lines is not None:
            clauses.append(("BODY", (written.lines,), ()))
        return cls(
            written.place,
            words,
            arguments,
            tuple(clauses),
            timeout.expressions()[0] if timeout else None,
            unit_seconds(unit),
            written.into,
        )

    def run(self, here: Here) -> Move:
        match here.why:
            case Resumed(event=RequestCompleted(value=value)):
                return here.into(self.into, value)
            case Resumed(event=TimedOut()):
                raise unanswered(self.words, self.seconds(here))
            case _:
                arguments = [here.value(e) for e in self.arguments]
                return ask_for(here, self.words, arguments, self.values_of_clauses(here), self.seconds(here))

    def seconds(self, here: Here) -> float:
        """Return how long the answer is waited for. Raises ScriptError for a time that no calendar holds."""
        if self.timeout is None:
            return here.policy.keyword_seconds_max
        seconds = float(to_number(here.value(self.timeout))) * self.unit_seconds
        if not 0 <= seconds <= KEYWORD_SECONDS_MAX:
            raise ScriptError("a TIMEOUT lies between 0 and a hundred years")
        return seconds

    def values_of_clauses(self, here: Here) -> dict[str, Value]:
        """Return the clauses by name: one value, a list of several, or an object of pairs."""
        found: dict[str, Value] = {}
        for name, values, pairs in self.clauses:
            given: list[Value] = [here.value(e) for e in values]
            members: dict[str, Value] = {to_text(here.value(k)): here.value(v) for k, v in pairs}
            if members:
                given.append(members)
            value: Value = given[0] if len(given) == 1 else given or True
            if name not in found:
                found[name] = value
                continue
            before = found[name]
            if isinstance(before, dict) and isinstance(value, dict):
                found[name] = {**before, **value}
            else:
                items = before if isinstance(before, list) else [before]
                found[name] = [*items, *(value if isinstance(value, list) else [value])]
        return found


def _clause(parsed: Parsed) -> Clause:
    return parsed.words()[0], parsed.expressions(), tuple(_pairs(parsed))


def _pairs(parsed: Parsed) -> list[tuple[Expression, Expression]]:
    found = []
    for part in parsed.parts:
        if isinstance(part, Parsed) and part.rule == "pair":
            key, value = part.expressions()
            found.append((key, value))
    return found
