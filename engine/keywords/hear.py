"""HEAR: the durable question."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Self

from msgspec.structs import replace

from engine.answers import SECRET_TYPES, Accepted, Rejected, canonical_type, check_answer, type_names
from engine.answers.cleaning import trimmed
from engine.effects import Effect, Reply, Shown, Suggest, Suggestion
from engine.errors import ScriptError
from engine.events import EventPublished, MessageReceived, TimedOut
from engine.expressions import Expression, names_of
from engine.shortcuts import Question, Ways
from engine.steps import (
    Assignment,
    Await,
    Here,
    Misuse,
    Move,
    Next,
    Parsed,
    Resumed,
    Return,
    Step,
    Target,
    Written,
    constant_of,
    unit_seconds,
)
from engine.values import Value, to_number, to_text
from engine.waits import FirstOf, ForEvent, ForMessage, ForTime, Wait, parts_of, question_of

TIMEOUT_SECONDS_MAX = 100 * 366 * 86_400  # a hundred years: beyond it dates overflow sooner or later


NO_BUTTONS = Suggest(None)  # those that nobody saw belong to the question, which is answered
ANSWERED: tuple[Effect, ...] = (NO_BUTTONS,)


@dataclass(frozen=True, slots=True)
class Hear(Step):
    """Wait for the user's answer and keep it: durable, for as long as it takes.

    `HEAR x [AS type | AS "a", "b" | AS MENU "a", "b" | AS list] [WITH "prompt"] [DEFAULT e]
    [TIMEOUT n [SECONDS|MINUTES|HOURS|DAYS]] [RETRIES n] [OR EVENT "name"] [OR AFTER n [unit]]`, also `x = HEAR …`.

    An answer that is not of the type is answered with a sentence and waited for again: three tries by
    default, then DEFAULT, else "". A blank answer takes DEFAULT at once. A menu takes the text, its number
    or a unique part of it; `*` among the choices takes anything. A time-out takes DEFAULT, else it is a
    script error that ON ERROR or TRY can catch. `AS "one text"` is a prompt.

    OR EVENT and OR AFTER end the wait too, and what comes first wins: `event` is the name of the event and
    `event_data` what came with it, else both are NULL; x is NULL unless the user answered.

    ```basic
    HEAR age AS INTEGER WITH "How old are you?" RETRIES 2
    HEAR colour AS "Red", "Green"
    TALK "${age + 1} and ${colour}"
    ```
    ```chat
    bot: How old are you?
    user: forty-one
    bot: Please write a whole number, for example: 42
    user: 41
    user: 2
    bot: 42 and Green
    ```

    ```basic
    HEAR answer WITH "Pay now?" OR EVENT "paid" OR AFTER 10 MINUTES
    IF event = "paid" THEN TALK "Thank you for ${event_data.amount}"
    HEAR answer WITH "Still there?" OR EVENT "paid" OR AFTER 10 MINUTES
    IF answer IS NULL AND event IS NULL THEN TALK "I have waited for long enough"
    ```
    ```chat
    bot: Pay now?
    event paid {"amount": 12}
    bot: Thank you for 12
    bot: Still there?
    after 10 minutes
    bot: I have waited for long enough
    ```
    """

    target: Target | None
    type: str
    choices: tuple[Expression, ...]
    prompt: Expression | None
    default: Expression | None
    timeout: Expression | None
    unit_seconds: int
    retries: Expression | None
    events: tuple[Expression, ...] = ()
    after: Expression | None = None
    after_unit_seconds: int = 1

    HEADS: ClassVar[tuple[str, ...]] = ("HEAR",)
    GRAMMAR: ClassVar[str] = """
        hear: "HEAR"i [target | STRING] hear_clause*
        ?hear_clause: hear_as | hear_with | hear_default | hear_timeout | hear_retries
            | hear_or_event | hear_or_after
        hear_or_event: _OR_EVENT expression
        hear_or_after: _OR_AFTER expression [TIME_UNIT]
        _OR_EVENT.5: /OR[ ]+(?:WAIT[ ]+FOR[ ]+)?EVENT(?=[ ]+(?:"|(?!(?:AND|OR|THEN|IS|IN|LIKE|MOD)(?!\\w))[\\w(]))/i
        _OR_AFTER.5: /OR[ ]+AFTER(?=[ ]+(?:\\d|(?!(?:AND|OR|THEN|IS|IN|LIKE|MOD)(?!\\w))[\\w(]))/i
        hear_as: "AS"i expression ("," expression)*
            | "AS"i "MENU"i expression ("," expression)* -> hear_menu
            | "AS"i NAME NAME -> hear_two_words
        hear_with: "WITH"i expression
        hear_default: "DEFAULT"i expression
        hear_timeout: "TIMEOUT"i expression [TIME_UNIT]
        hear_retries: "RETRIES"i expression
    """
    RESULT: ClassVar[bool] = True

    @classmethod
    def build(cls, written: Written) -> Self:
        parsed = written.parsed
        target = written.into or next(iter(parsed.targets()), None)
        kind, choices, prompt = _kind_of(parsed)
        timeout = parsed.find("hear_timeout")
        unit = timeout.words()[0] if timeout and timeout.words() else "second"
        after = parsed.find("hear_or_after")
        events = [p for p in parsed.parts if isinstance(p, Parsed) and p.rule == "hear_or_event"]
        return cls(
            written.place,
            target,
            kind,
            choices,
            parsed.expression_of("hear_with") or prompt or next(iter(parsed.expressions()), None),
            parsed.expression_of("hear_default"),
            parsed.expression_of("hear_timeout"),
            unit_seconds(unit),
            parsed.expression_of("hear_retries"),
            tuple(p.expressions()[0] for p in events),
            parsed.expression_of("hear_or_after"),
            unit_seconds(after.words()[0]) if after and after.words() else 1,
        )

    def question(self, ways: Ways) -> Question | None:
        if self.after or self.choices or self.events or self.type in SECRET_TYPES:
            return None
        retries = constant_of(self.retries) if self.retries else None
        tries = retries if type(retries) is int else None
        length = constant_of(self.timeout) if self.timeout else None
        if (self.retries and tries is None) or (self.target is not None and self.target.path):
            return None
        within = None
        if self.timeout:
            seconds = to_number(length) * self.unit_seconds if type(length) in (int, float) else -1.0
            if not 0 <= seconds <= TIMEOUT_SECONDS_MAX:
                return None
            within = timedelta(seconds=seconds)
        target = self.target.name if self.target is not None else None
        return Question(target, ways.behind, self.type, self.prompt, tries, within)

    def run(self, here: Here) -> Move:
        why = here.why
        if type(why) is not Resumed:
            return self.ask(here)
        match why.event:
            case MessageReceived() as message:
                move = self.heard(here, message, why.wait)
                return self.noted(move, None, None) if self.events or self.after else move
            case EventPublished(name=name, data=data):
                return self.noted(self.keep(here, None, ANSWERED), name, data)
            case TimedOut() if any(isinstance(p, ForTime) and p.until <= here.now for p in parts_of(why.wait)):
                return self.noted(self.keep(here, None, ANSWERED), None, None)
            case TimedOut():
                if self.default is None:
                    raise ScriptError("nobody answered in time", "timeout")
                return self.noted(here.into(self.target, here.value(self.default)), None, None)
            case _:
                raise AssertionError("a HEAR asks no query")

    def noted(self, move: Move, name: str | None, data: Value) -> Move:
        """Return the move that also says which event ended the wait, where an event could."""
        if not isinstance(move, Next) or not (self.events or self.after):
            return move
        return replace(move, sets=(Assignment("event", name), Assignment("event_data", data), *move.sets))

    def assigns(self) -> Iterator[str]:
        yield from Step.assigns(self)
        if self.events or self.after:
            yield from ("event", "event_data")

    def ask(self, here: Here) -> Move:
        """Open the question: say the prompt, show the choices, wait."""
        choices = self.listed(here) if self.choices else ()
        prompt = to_text(here.value(self.prompt)) if self.prompt else ""
        tries = int(to_number(here.value(self.retries))) if self.retries else here.policy.hear_tries
        question = ForMessage(
            "",
            "menu" if choices else self.type,
            prompt,
            choices,
            max(1, tries),
            seconds_from(here, self.timeout, self.unit_seconds, "TIMEOUT") if self.timeout else None,
            self.type in SECRET_TYPES,
        )
        wait: Wait = question
        if self.events or self.after:
            others: list[Wait] = [ForEvent(name) for name in dict.fromkeys(self.event_names(here))]
            after = seconds_from(here, self.after, self.after_unit_seconds, "OR AFTER")
            if after is not None:
                others.append(ForTime(after))
            wait = FirstOf((question, *others))
        if not choices and not prompt:
            return Await(wait)
        effects: list[Effect] = [Suggest(Suggestion(c, c)) for c in choices if c != "*"]
        if prompt:
            effects.append(Reply(prompt))
        return Await(wait, tuple(effects))

    def event_names(self, here: Here) -> Iterator[str]:
        """Yield the names of the events that end the wait. Raises ScriptError for an empty one."""
        for expression in self.events:
            name = to_text(here.value(expression)).strip().lower()
            if not name:
                raise ScriptError("an event needs a name")
            yield name

    def listed(self, here: Here) -> tuple[str, ...]:
        """Return the menu's choices; a list among them gives its items."""
        choices: list[str] = []
        for expression in self.choices:
            value = here.value(expression)
            choices += [to_text(v) for v in value] if isinstance(value, list) else [to_text(value)]
        return tuple(choices)

    def heard(self, here: Here, message: MessageReceived, whole: Wait) -> Move:
        """Take the answer, or answer it with a sentence and wait again."""
        wait = question_of(whole)
        assert wait is not None, "only a question hears a message"
        policy = here.policy
        if policy.reserved and not wait.secret:
            act = policy.reserved.get(message.content.strip().casefold())
            if act is not None:
                return self.reserved(here, act, wait, whole)
        if self.default is not None and not message.content.strip() and not message.attachments:
            return here.into(self.target, here.value(self.default))
        if self.type == "text" and not wait.choices and (text := trimmed(message.content)):
            return self.keep(here, text, ANSWERED)  # by far the commonest question: what is said is the answer
        answer = check_answer(
            "text" if wait.choices else self.type,
            message.content,
            message.attachments,
            wait.choices,
            now=here.now,
            random=here.moment.random,
            language=policy.language,
            sentences=policy.sentences,
        )
        match answer:
            case Accepted(value=value, shown=shown):
                return self.keep(here, value, (NO_BUTTONS, Shown(shown)) if wait.secret else ANSWERED)
            case Rejected(sentence=sentence) if wait.tries_left > 1:
                again = replace(wait, tries_left=wait.tries_left - 1)
                others = tuple(again if part is wait else part for part in parts_of(whole))
                return Await(FirstOf(others) if len(others) > 1 else again, (Reply(sentence),))
            case Rejected():
                return here.into(self.target, here.value(self.default) if self.default else "")

    def reserved(self, here: Here, act: str, wait: ForMessage, whole: Wait) -> Move:
        """Do what a reserved answer of the configuration does to the question."""
        match act:
            case "cancel":
                return Return(ends="cancelled")
            case "restart":
                return Return(ends="restart")
            case "help":
                return Await(whole, (Reply(self.sentence(here, wait)),))
            case _:
                buttons = tuple(Suggestion(c, c) for c in wait.choices if c != "*")
                return Await(whole, (Reply(wait.prompt, buttons),) if wait.prompt else ())

    def sentence(self, here: Here, wait: ForMessage) -> str:
        """Return the sentence that says what the question takes: the one an empty answer gets."""
        policy = here.policy
        answer = check_answer(
            "text" if wait.choices else self.type,
            "",
            (),
            tuple(c for c in wait.choices if c != "*"),
            now=here.now,
            random=here.moment.random,
            language=policy.language,
            sentences=policy.sentences,
        )
        return answer.sentence if isinstance(answer, Rejected) else wait.prompt

    def keep(self, here: Here, value: Value, effects: tuple[Effect, ...]) -> Move:
        """Store an accepted answer and go on."""
        return Next((here.assignment(self.target, value),) if self.target else (), effects)


def seconds_from(here: Here, length: Expression | None, unit_seconds: int, clause: str) -> datetime | None:
    """Return the moment that a clause's length is away, or None. Raises ScriptError for one that no calendar holds."""
    if length is None:
        return None
    seconds = float(to_number(here.value(length))) * unit_seconds
    if not 0 <= seconds <= TIMEOUT_SECONDS_MAX:
        raise ScriptError(f"a {clause} lies between 0 and a hundred years")
    return here.now + timedelta(seconds=seconds)


def _kind_of(parsed: Parsed) -> tuple[str, tuple[Expression, ...], Expression | None]:
    """Return the type, the choices and the prompt that the AS clause means."""
    menu = parsed.find("hear_menu")
    if menu is not None:
        return "text", menu.expressions(), None
    two = parsed.find("hear_two_words")
    if two is not None:
        kind = canonical_type("".join(two.words())) or canonical_type(two.words()[0])
        if kind is None:
            raise Misuse(f"HEAR knows no type {' '.join(two.words())}", "`stepwell keywords HEAR` lists the types")
        return kind, (), None
    clause = parsed.find("hear_as")
    if clause is None:
        return "text", (), None
    first, *others = clause.expressions()
    if others:
        return "text", (first, *others), None
    if isinstance(constant_of(first), str):
        return "text", (), first
    if first.text.isidentifier() and names_of(first) == {first.text.lower()}:
        kind = canonical_type(first.text)
        if kind is not None:
            return kind, (), None
        if first.text.isupper() and len(first.text) > 2:
            near = difflib.get_close_matches(first.text.lower(), type_names(), 1, 0.6)
            if near:
                raise Misuse(f"HEAR knows no type {first.text}", f"did you mean {near[0].upper()}?")
    return "text", (first,), None
