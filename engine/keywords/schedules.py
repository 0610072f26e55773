"""SET SCHEDULE and SCHEDULE: this script again and again, another script later, a block later."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import ClassVar, Self
from zoneinfo import ZoneInfo

from engine.effects import Query
from engine.errors import ScriptError
from engine.expressions import Expression
from engine.schedule_times import BadSchedule, read_moment, read_schedule
from engine.steps import (
    NEXT,
    Ask,
    Block,
    BlockEnded,
    Declaration,
    Enter,
    Here,
    Misuse,
    Move,
    Resumed,
    Return,
    Step,
    Written,
    constant_of,
    unit_seconds,
)
from engine.values import Value, to_number, to_text

SECONDS_MAX = 100 * 366 * 86_400
_WHENEVER = datetime(2000, 1, 1, tzinfo=UTC)


def _zone_of(zone: tzinfo) -> ZoneInfo:
    return zone if isinstance(zone, ZoneInfo) else ZoneInfo("UTC")


def _when(text: str, now: datetime, zone: ZoneInfo) -> dict[str, Value]:
    """Return what a schedule's row says of its time: one moment, or cron and its zone. Raises BadSchedule."""
    moment = read_moment(text, now, zone)
    if moment is not None:
        return {"what": text, "at": moment.isoformat()}
    found = read_schedule(text)
    return {"what": text, "cron": found.cron, "zone": found.zone or None}


def _request(when: dict[str, Value], **run: Value) -> Ask:
    """Return the question that registers a schedule. Its name is its content, so that asking twice is once."""
    row: dict[str, Value] = {**when, **run}
    canonical = json.dumps({k: v for k, v in row.items() if k != "what"}, sort_keys=True, ensure_ascii=True)
    return Ask(Query("set_schedule", (hashlib.sha256(canonical.encode()).hexdigest()[:32], row)))


def _script(text: str) -> str:
    name = text.strip()
    if not name or "\0" in name:
        raise ScriptError('a schedule needs the name of a script, for example "other.bas"')
    return name if name.lower().endswith(".bas") else f"{name}.bas"


@dataclass(frozen=True, slots=True)
class SetSchedule(Step):
    """Run a script whenever its time comes: `SET SCHEDULE when`, `SET SCHEDULE when, "other.bas"[, arguments]`.

    Alone it is about the script it stands in: deploying the script registers it, and running it does nothing. With a
    script it is a request of its own, made when the statement runs; the same request made again stays one.
    The time is cron with 5 fields or 6 (seconds first), words with or without quotes (`every 15 minutes`,
    `weekdays at 8am`, `monthly on day 15`), or one moment (a date, a duration from now). SCHEDULE is the same word.
    `SET SCHEDULE "0 9 * * *" "other.bas" "procedure"` runs a procedure of the script; with a date behind the cron text
    it runs once, when that first comes after the date. A zone may stand in the text: `daily at 9 Europe/Lisbon`.

    ```basic
    SET SCHEDULE "weekdays at 8am"
    SET SCHEDULE every 1 hour, "tidy.bas"
    TALK "Good morning"
    ```
    ```chat
    bot: Good morning
    ```
    """

    when: Expression | None
    text: str
    script: Expression | None
    procedure: Expression | None
    not_before: Expression | None
    arguments: tuple[Expression, ...]

    HEADS: ClassVar[tuple[str, ...]] = ("SET SCHEDULE", "SCHEDULE")
    GRAMMAR: ClassVar[str] = """
        set_schedule: _SCHEDULE expression ("," expression)*
            | _SCHEDULE STRING STRING ("," expression)* -> schedule_script
            | _SCHEDULE STRING STRING STRING ("," expression)* -> schedule_procedure
            | _SCHEDULE STRING schedule_from "," expression ("," expression)* -> schedule_once
            | _SCHEDULE SCHEDULE_WORDS ("," expression)* -> schedule_words
            | _SCHEDULE SCHEDULE_WORDS STRING ("," expression)* -> schedule_words
        schedule_from: schedule_call -> expression
        schedule_call: schedule_name "(" _x_arguments ")" -> x_call
        schedule_name: NAME -> x_name
        _SCHEDULE.7: /(SET[ ]+)?SCHEDULE(?![\\w$])/i
        SCHEDULE_WORDS.6: /(?:(?:every|each|at|on|daily|everyday|hourly|weekly|monthly|quarterly|yearly|annually|nightly|midnight|noon|weekdays?|weekends?|business|first|last|mon(?:day)?s?|tue(?:sday)?s?|wed(?:nesday)?s?|thu(?:rsday)?s?|fri(?:day)?s?|sat(?:urday)?s?|sun(?:day)?s?|@[a-z]+)(?![\\w$.(\\[])[^"]*?|[*\\d][-\\d*\\/,]*(?:[ ]+[*?\\dA-Z][-\\w*\\/,#?]*){4,5})(?=[ ]*(?:,?[ ]*"|$))/i
    """  # noqa: E501

    @classmethod
    def build(cls, written: Written) -> Self:
        parsed = written.parsed
        words, given = " ".join(" ".join(parsed.words()).split()).rstrip(" ,"), list(parsed.expressions())
        when = not_before = procedure = None
        if parsed.rule != "schedule_words":
            when = given.pop(0)
        if parsed.rule == "schedule_once":
            not_before = given.pop(0)
        script = given.pop(0) if given else None
        if parsed.rule == "schedule_procedure":
            procedure = given.pop(0)
        constant = constant_of(when) if when is not None else words
        text = constant if isinstance(constant, str) else ""
        if text or isinstance(constant, str):
            try:
                _when(text, _WHENEVER, ZoneInfo("UTC"))
            except BadSchedule as error:
                raise Misuse(error.message, error.hint) from error
        return cls(written.place, when, text, script, procedure, not_before, tuple(given))

    def declares(self) -> tuple[Declaration, ...]:
        if self.script is not None or not self.text:
            return ()
        return (Declaration("schedule", self.text, _when_declared(self.text)),)

    def run(self, here: Here) -> Move:
        if isinstance(here.why, Resumed) or (self.script is None and self.text):
            return NEXT
        zone = _zone_of(here.moment.zone)
        text = self.text if self.when is None else to_text(here.value(self.when))
        try:
            when = _when(text, here.now, zone)
            if self.not_before is not None:
                when["once"] = True
                first = read_moment(to_text(here.value(self.not_before)), here.now, zone)
                if first is None:
                    raise BadSchedule("what stands behind the schedule is no date", "for example TODAY()")
                when["after"] = (first - timedelta(microseconds=1)).isoformat()
        except BadSchedule as error:
            raise ScriptError(f"{error.message}; {error.hint}") from error
        return _request(
            when,
            script=self.place.script if self.script is None else _script(to_text(here.value(self.script))),
            procedure=None if self.procedure is None else to_text(here.value(self.procedure)),
            arguments=_values(here, self.arguments),
        )


def _values(here: Here, arguments: Sequence[Expression]) -> Value:
    return [here.value(e) for e in arguments]


def _when_declared(text: str) -> dict[str, Value]:
    """Return what a declaration says: cron where the text is recurring; one moment waits for the zone of the daemon."""
    if read_moment(text, _WHENEVER, ZoneInfo("UTC")) is not None:
        return {"what": text}
    return _when(text, _WHENEVER, ZoneInfo("UTC"))


def _later(here: Here, length: Expression, unit: int) -> dict[str, Value]:
    """Return what a schedule's row says of a time from now. Raises ScriptError."""
    seconds = float(to_number(here.value(length))) * unit
    if not 0 <= seconds <= SECONDS_MAX:
        raise ScriptError("SCHEDULE IN lies between now and a hundred years")
    return {"what": f"in {seconds:g} seconds", "at": (here.now + timedelta(seconds=seconds)).isoformat()}


@dataclass(frozen=True, slots=True)
class ScheduleBlock(Step):
    """Run a block later: `SCHEDULE IN n SECONDS|MINUTES|HOURS|DAYS|WEEKS DO … END SCHEDULE`.

    The script goes on at once. The block runs by itself when its time comes, in the same session, with the script's
    variables as they are now; what it changes in them, only it sees. It runs also if the script has ended by then.

    ```basic
    name = "Ada"
    SCHEDULE IN 10 MINUTES DO
        TALK "Ten minutes are over, ${name}"
    END SCHEDULE
    TALK "I will remind you"
    ```
    ```chat
    bot: I will remind you
    ```
    """

    length: Expression
    unit_seconds: int
    body: Block

    HEADS: ClassVar[tuple[str, ...]] = ("SCHEDULE IN", "SET SCHEDULE IN")
    GRAMMAR: ClassVar[str] = """
        schedule_block: _SCHEDULE "IN"i expression TIME_UNIT "DO"i
        end_schedule: "END"i "SCHEDULE"i
    """
    CLOSERS: ClassVar[dict[str, str]] = {"END SCHEDULE": "end_schedule"}
    DETACHED: ClassVar[bool] = True

    @classmethod
    def build(cls, written: Written) -> Self:
        parsed = written.parsed
        unit = unit_seconds(parsed.words()[0])
        return cls(written.place, parsed.expressions()[0], unit, written.sections[0].block)

    def blocks(self) -> tuple[Block, ...]:
        return (self.body,)

    def run(self, here: Here) -> Move:
        if isinstance(here.why, Resumed):
            return NEXT
        if isinstance(here.why, BlockEnded):
            return Return(ends="conversation")
        if here.memo is True:  # this is the execution that the block's time has begun
            return Enter(0)
        variables = here.everything()
        when = _later(here, self.length, self.unit_seconds)
        return _request(when, script=self.place.script, block=self.place.number, variables=variables)


@dataclass(frozen=True, slots=True)
class ScheduleScriptIn(Step):
    """Run a script some time from now: `SCHEDULE IN n MINUTES, "other.bas"[, arguments]`; without a script, this one.

    ```basic
    SCHEDULE IN 2 HOURS, "remind.bas", "Ada"
    TALK "noted"
    ```
    ```chat
    bot: noted
    ```
    """

    length: Expression
    unit_seconds: int
    script: Expression | None
    arguments: tuple[Expression, ...]

    HEADS: ClassVar[tuple[str, ...]] = ("SET SCHEDULE IN", "SCHEDULE IN")
    GRAMMAR: ClassVar[str] = """
        schedule_in: _SCHEDULE "IN"i expression TIME_UNIT ("," expression)*
    """

    @classmethod
    def build(cls, written: Written) -> Self:
        length, *rest = written.parsed.expressions()
        unit = unit_seconds(written.parsed.words()[0])
        return cls(written.place, length, unit, rest[0] if rest else None, tuple(rest[1:]))

    def run(self, here: Here) -> Move:
        if isinstance(here.why, Resumed):
            return NEXT
        script = self.place.script if self.script is None else _script(to_text(here.value(self.script)))
        when = _later(here, self.length, self.unit_seconds)
        return _request(when, script=script, procedure=None, arguments=_values(here, self.arguments))


@dataclass(frozen=True, slots=True)
class ClearSchedule(Step):
    """Take back what SET SCHEDULE asked for: `CLEAR SCHEDULE "other.bas"`; alone, what was asked for this script.
    CANCEL SCHEDULE and DELETE SCHEDULE are the same. What deploying a script registered stays: change the script.

    ```basic
    SET SCHEDULE "every 1 hour", "tidy.bas"
    CLEAR SCHEDULE "tidy.bas"
    TALK "done"
    ```
    ```chat
    bot: done
    ```
    """

    script: Expression | None

    HEADS: ClassVar[tuple[str, ...]] = (
        "CLEAR SCHEDULE", "CLEAR SCHEDULES", "CANCEL SCHEDULE", "CANCEL SCHEDULES", "DELETE SCHEDULE",
    )  # fmt: skip
    GRAMMAR: ClassVar[str] = """
        clear_schedule: _CLEAR_SCHEDULE [expression]
        _CLEAR_SCHEDULE.7: /(CLEAR|CANCEL|DELETE)[ ]+SCHEDULES?(?![\\w$])/i
    """

    @classmethod
    def build(cls, written: Written) -> Self:
        given = written.parsed.expressions()
        return cls(written.place, given[0] if given else None)

    def run(self, here: Here) -> Move:
        if isinstance(here.why, Resumed):
            return NEXT
        script = self.place.script if self.script is None else _script(to_text(here.value(self.script)))
        return Ask(Query("clear_schedule", (script, None)))
