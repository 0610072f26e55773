"""SET CONTEXT, SET USER, REMEMBER, RECALL and TRANSFER TO HUMAN: what a conversation knows, and who goes on with it."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import ClassVar, Self, cast

from engine.dates import add_duration, parse_iso
from engine.durations import parse_duration
from engine.effects import Keep, Query
from engine.errors import ScriptError
from engine.events import QueryAnswered, RequestCompleted, TimedOut
from engine.expressions import Expression
from engine.keyword_requests import ask_for, unanswered
from engine.model_rounds import CONTEXT
from engine.pairs import key_of, named_value
from engine.steps import NEXT, Ask, Here, Move, Next, Resumed, Step, Target, Written, constant_of
from engine.values import Value, to_text


@dataclass(frozen=True, slots=True)
class SetContext(Step):
    """Tell language models what the conversation is about: `SET CONTEXT v`, `SET CONTEXT k AS v`, also `k, v` and
    `k = v`. The session keeps it too, as the variable `context` or `context.k`.

    ```basic
    SET CONTEXT "customer" AS "Ada, since 1843"
    TALK GET_SESSION("context.customer")
    ```
    ```chat
    bot: Ada, since 1843
    ```
    """

    key: Expression | None
    value: Expression

    HEADS: ClassVar[tuple[str, ...]] = ("SET CONTEXT",)
    GRAMMAR: ClassVar[str] = """
        set_context: "SET"i "CONTEXT"i expression [("," | "AS"i) expression]
    """

    @classmethod
    def build(cls, written: Written) -> Self:
        given = written.parsed.expressions()
        if len(given) == 1 and not isinstance(given[0].node, ast.Compare):
            return cls(written.place, None, given[0])
        key, value = named_value(given, 'SET CONTEXT "customer" AS name')
        return cls(written.place, key_of(key) if len(given) == 2 and key.text.isidentifier() else key, value)

    def run(self, here: Here) -> Move:
        name = to_text(here.value(self.key)) if self.key else ""
        value = here.value(self.value)
        if isinstance(here.why, Resumed) or not here.moment.session_id:
            kept = here.kept.get(CONTEXT)
            return Next(effects=(Keep(CONTEXT, {**(kept if isinstance(kept, dict) else {}), name: value}),))
        return Ask(Query("set_session_variable", (f"{CONTEXT}.{name}" if name else CONTEXT, value)))


@dataclass(frozen=True, slots=True)
class SetUser(Step):
    """Say whom the session belongs to: `SET USER id`; `SET USER k, v` keeps a variable of that user.

    ```basic
    SET USER "ada"
    TALK GET_SESSION("user")
    ```
    ```chat
    bot: ada
    ```
    """

    key: Expression | None
    value: Expression

    HEADS: ClassVar[tuple[str, ...]] = ("SET USER",)
    GRAMMAR: ClassVar[str] = """
        set_user: "SET"i "USER"i expression [("," | "AS"i) expression]
    """

    @classmethod
    def build(cls, written: Written) -> Self:
        given = written.parsed.expressions()
        if len(given) == 1 and not isinstance(given[0].node, ast.Compare):
            return cls(written.place, None, given[0])
        key, value = named_value(given, 'SET USER "city", city')
        return cls(written.place, key, value)

    def run(self, here: Here) -> Move:
        if isinstance(here.why, Resumed):
            return NEXT
        key = to_text(here.value(self.key)) if self.key else ""
        return Ask(Query("set_session_variable", (key or "user", here.value(self.value))))


@dataclass(frozen=True, slots=True)
class Remember(Step):
    """Keep a value beyond the script, for RECALL: `REMEMBER k, v`, also `REMEMBER k = v` and `REMEMBER k AS v`.

    A third value is how long: `REMEMBER "offer", 7, DAYS(3)`. `REMEMBER name` keeps a variable under its name.

    ```basic
    REMEMBER "city", "Recife"
    town = RECALL "city"
    TALK town
    ```
    ```chat
    bot: Recife
    ```
    """

    key: Expression
    value: Expression
    length: Expression | None

    HEADS: ClassVar[tuple[str, ...]] = ("REMEMBER",)
    GRAMMAR: ClassVar[str] = """
        remember: "REMEMBER"i expression [("," | "AS"i) expression ["," expression]]
    """

    @classmethod
    def build(cls, written: Written) -> Self:
        given = written.parsed.expressions()
        if len(given) == 1 and isinstance(given[0].node, ast.Name):
            return cls(written.place, key_of(given[0]), given[0], None)
        key, value = named_value(given[:2], 'REMEMBER "city", city')
        return cls(written.place, key, value, given[2] if len(given) == 3 else None)

    def run(self, here: Here) -> Move:
        if isinstance(here.why, Resumed):
            return NEXT
        until = None
        if self.length is not None:
            length = parse_duration(to_text(here.value(self.length)))
            now = parse_iso(here.now.isoformat())
            if length is None or now is None:
                raise ScriptError("REMEMBER takes a length of time as its third value, for example DAYS(3)")
            until = add_duration(now, length, here.moment.zone).time.isoformat()
        kept: Value = {"value": here.value(self.value), "until": until}
        return Ask(Query("set_session_variable", (memory_key(to_text(here.value(self.key))), kept)))


@dataclass(frozen=True, slots=True)
class Recall(Step):
    """Read what REMEMBER kept: `x = RECALL "k"`, `RECALL k` into the variable of that name. Absent is NULL.

    ```basic
    REMEMBER colour = "green"
    colour = "none"
    RECALL colour
    TALK colour
    ```
    ```chat
    bot: green
    ```
    """

    key: Expression
    into: Target | None

    HEADS: ClassVar[tuple[str, ...]] = ("RECALL",)
    GRAMMAR: ClassVar[str] = """
        recall: "RECALL"i expression [("INTO"i | "AS"i) target]
    """
    RESULT: ClassVar[bool] = True

    @classmethod
    def build(cls, written: Written) -> Self:
        key = written.parsed.expressions()[0]
        into = next(iter(written.parsed.targets()), written.into)
        if into is None:
            name = key.node.id if isinstance(key.node, ast.Name) else constant_of(key)
            into = Target(name.lower()) if isinstance(name, str) and name.isidentifier() else None
            return cls(written.place, key_of(key), into)
        return cls(written.place, key, into)

    def run(self, here: Here) -> Move:
        match here.why:
            case Resumed(event=QueryAnswered(value=kept)):
                return here.into(self.into, recalled(kept, here))
            case _:
                key = here.value(self.key)
                if key is None and isinstance(self.key.node, ast.Name):
                    key = self.key.node.id  # RECALL city, where no variable has that name, means "city"
                return Ask(Query("get_session_variable", (memory_key(to_text(key)),)))


def memory_key(name: str) -> str:
    """Return the name of the session's variable that keeps what is remembered. Raises ScriptError for no name."""
    if not name:
        raise ScriptError('what is remembered needs a name, for example REMEMBER "city", city')
    return f"memory.{name}"


def recalled(kept: Value, here: Here) -> Value:
    """Return what is remembered, unless its time has passed."""
    if not isinstance(kept, dict) or kept.keys() != {"value", "until"}:
        return kept
    until = parse_iso(cast(str, kept["until"])) if kept["until"] else None
    return None if until is not None and until.time <= here.now else kept["value"]


@dataclass(frozen=True, slots=True)
class TransferToHuman(Step):
    """Hand the conversation to a person: `TRANSFER TO HUMAN [reason]`, further values between commas.

    It is a request of the kind TRANSFER TO HUMAN, which the bot server takes; the script goes on when it has
    answered. `x = TRANSFER TO HUMAN` takes its answer.

    ```basic
    TRANSFER TO HUMAN "wants a refund"
    TALK "Somebody will be with you."
    ```
    ```chat
    given TRANSFER TO HUMAN answers {"queue": 1}
    bot: Somebody will be with you.
    ```
    """

    arguments: tuple[Expression, ...]
    into: Target | None

    HEADS: ClassVar[tuple[str, ...]] = ("TRANSFER TO HUMAN", "TRANSFER HUMAN", "TRANSFER")
    GRAMMAR: ClassVar[str] = """
        transfer: "TRANSFER"i ["TO"i] ["HUMAN"i] [expression ("," expression)*]
    """
    RESULT: ClassVar[bool] = True

    @classmethod
    def build(cls, written: Written) -> Self:
        return cls(written.place, written.parsed.expressions(), written.into)

    def run(self, here: Here) -> Move:
        seconds = here.policy.keyword_seconds_max
        match here.why:
            case Resumed(event=RequestCompleted(value=value)):
                return here.into(self.into, value)
            case Resumed(event=TimedOut()):
                raise unanswered("TRANSFER TO HUMAN", seconds)
            case _:
                return ask_for(here, "TRANSFER TO HUMAN", [here.value(e) for e in self.arguments], {}, seconds)
