"""When a schedule falls due: what authors write to cron text, and cron text to moments. Pure.

Cron text is five fields, or six with seconds first, or `@every`: `@every 5400s` is every 5,400 seconds counted
from 1970 (so that restarts do not shift it), `@every 14d+1 09:00` every 14th day, by the calendar of the zone.

Daylight saving is Debian cron's, which cronsim follows: what would be at an hour that is skipped happens when the
clock has moved on, what would be at an hour that comes twice happens the first time; what runs every hour or
oftener runs in both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from engine.dates import DateValue, add_duration, parse_date
from engine.durations import parse_duration
from engine.errors import ScriptError
from engine.schedule_words import cron_of_words

SCHEDULE_CHARACTERS_MAX = 200
HINT = 'for example "every 15 minutes", "weekdays at 8am", "monthly on day 15", "0 9 * * 1-5"'

_EVERY_SECONDS = re.compile(r"@every (\d+)s")
_EVERY_DAYS = re.compile(r"@every (\d+)d(?:\+(\d+))? (\d\d):(\d\d)")
_GO_EVERY = re.compile(r"@every\s+(?=\d)(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_ZONE_FIRST = re.compile(r"(?:CRON_)?TZ\s*=\s*(\S+)\s+(.+)", re.IGNORECASE)
_ZONE_LAST = re.compile(r"(.+?)\s+(?:in\s+)?((?:[A-Z][\w+-]*/[\w+/-]+)|UTC|GMT)(?:\s+time)?", re.IGNORECASE)
_IN = re.compile(r"(?:in|after)\s+(\d+)\s+(second|minute|hour|day|week)s?", re.IGNORECASE)
_DAY = re.compile(r"(today|tomorrow)(?:\s+at)?\s+(.+)", re.IGNORECASE)
_YEAR_0 = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_NAMES = re.compile(r"(SUN|MON|TUE|WED|THU|FRI|SAT)[A-Z]*")


class BadSchedule(Exception):
    """A text says no time that a schedule can have. The message and the hint are sentences for its author."""

    def __init__(self, message: str, hint: str = HINT) -> None:
        self.message = message
        self.hint = hint
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Recurring:
    """A time that comes again and again: `cron` text, and the name of its zone, "" for the configured one."""

    cron: str
    zone: str = ""


def read_schedule(text: str) -> Recurring:
    """Return the recurring time that a text says: in words, else as cron. Raises BadSchedule."""
    if len(text) > SCHEDULE_CHARACTERS_MAX:
        raise BadSchedule(f"a schedule has at most {SCHEDULE_CHARACTERS_MAX} characters")
    said, zone = _split_zone(" ".join(text.split()))
    cron = _named(said.lower()) or cron_of_words(said) or _checked(said)
    return Recurring(cron, zone)


def _split_zone(text: str) -> tuple[str, str]:
    if match := _ZONE_FIRST.fullmatch(text):
        zone, said = match.groups()
    elif (match := _ZONE_LAST.fullmatch(text)) and len(text.split()) > 1:
        said, zone = match.groups()
    else:
        return text, ""
    check_zone(zone)
    return said, zone


def check_zone(name: str) -> None:
    """Return if there is a time zone of that name. Raises BadSchedule."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BadSchedule(
            f"there is no time zone “{name}”", "one is Europe/Lisbon, another America/Sao_Paulo"
        ) from error


def _named(text: str) -> str | None:
    match = _GO_EVERY.fullmatch(text)
    if match:
        hours, minutes, seconds = (int(part or 0) for part in match.groups())
        return cron_of_words(f"every {hours * 3600 + minutes * 60 + seconds} seconds")
    return cron_of_words(text[1:]) if text.startswith("@") else None


def _checked(text: str) -> str:
    """Return cron text as cronsim reads it. Raises BadSchedule."""
    fields = text.upper().replace("?", "*").split()
    if len(fields) == 7 and re.fullmatch(r"\*|\d{4}.*", fields[-1]):
        raise BadSchedule("a schedule in cron's form has 5 fields, or 6 with seconds first; none is for years")
    if len(fields) not in (5, 6):
        raise BadSchedule(f"“{text}” says no time")
    fields[-1] = _DAY_NAMES.sub(r"\1", fields[-1])
    cron = " ".join(fields)
    try:
        found = next_slot(Recurring(cron), UTC_ZONE, datetime(2024, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        part = str(error).removeprefix("Bad ").replace("Wrong number of fields", "number of fields")
        raise BadSchedule(f"“{text}” says no time: its {part} is wrong") from error
    except (ValueError, AssertionError) as error:
        raise BadSchedule(f"“{text}” says no time") from error
    if found is None:
        raise BadSchedule(f"“{text}” never comes")
    return cron


UTC_ZONE = ZoneInfo("UTC")


# ── moments ────────────────────────────────────────────────────────────────────────────────────────


def slots(recurring: Recurring, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """Yield the moments of a schedule that come after an aware time, in order, in UTC; it ends where none come
    in fifty years. `zone` counts where the schedule names none of its own."""
    zone = _zone(recurring.zone) if recurring.zone else zone
    last = after
    for slot in _every(recurring.cron, zone, after) or _cron(recurring.cron, zone, after):
        moment = slot.astimezone(UTC)
        if moment > last:  # a local time that comes twice, or was moved out of a gap, is one slot
            last = moment
            yield moment


def next_slot(recurring: Recurring, zone: ZoneInfo, after: datetime) -> datetime | None:
    """Return the first moment after an aware time, in UTC, or None."""
    return next(slots(recurring, zone, after), None)


@lru_cache(maxsize=128)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _cron(cron: str, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    fields = cron.split()
    offset = timedelta()
    if len(fields) == 6 and fields[0].isdigit():
        # At one second of the minute it is a job of five fields, and daylight saving treats it as one.
        offset, cron = timedelta(seconds=int(fields[0])), " ".join(fields[1:])
        CronSim(" ".join(fields), after)  # the seconds are checked too
    try:
        for slot in CronSim(cron, (after - offset).astimezone(UTC if zone.key == "UTC" else zone)):
            yield slot.astimezone(UTC) + offset
    except (OverflowError, ValueError) as error:
        if after.year < 9_900:
            raise BadSchedule(f"“{cron}” says no time") from error


def _every(cron: str, zone: ZoneInfo, after: datetime) -> Iterator[datetime] | None:
    if match := _EVERY_SECONDS.fullmatch(cron):
        return _every_seconds(int(match[1]), after)
    if match := _EVERY_DAYS.fullmatch(cron):
        days, shift, hour, minute = (int(part or 0) for part in match.groups())
        return _every_days(days, shift, time(hour, minute), zone, after)
    return None


def _every_seconds(seconds: int, after: datetime) -> Iterator[datetime]:
    count = (after - _YEAR_0) // timedelta(seconds=seconds)
    while True:
        count += 1
        yield _YEAR_0 + count * timedelta(seconds=seconds)


def _every_days(days: int, shift: int, clock: time, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    day = after.astimezone(zone).date()
    day -= timedelta(days=(day.toordinal() - shift) % days)
    while True:
        # Through UTC and back, which moves a time that does not exist out of the gap.
        yield datetime.combine(day, clock, tzinfo=zone).astimezone(UTC)
        day += timedelta(days=days)


def read_moment(value: str, now: datetime, zone: ZoneInfo) -> datetime | None:
    """Return the one moment that a text says, in UTC, else None: a date as the dialect reads dates (its wall clock is
    the zone's), an ISO 8601 duration from now, `in 10 minutes`, `tomorrow at 9am`. `now` is aware.

    Raises BadSchedule for one outside of the years that there are.
    """
    try:
        return _moment(" ".join(value.split()), now, zone)
    except (OverflowError, ValueError, ScriptError) as error:
        raise BadSchedule(
            f"“{value[:SCHEDULE_CHARACTERS_MAX]}” is too far away", 'for example "2030-12-24 09:00"'
        ) from error


def _moment(text: str, now: datetime, zone: ZoneInfo) -> datetime | None:
    if match := _IN.fullmatch(text):
        seconds = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400, "week": 604_800}[match[2].lower()]
        return now + timedelta(seconds=min(int(match[1]), 10**9) * seconds)
    if match := _DAY.fullmatch(text):
        cron = cron_of_words(f"at {match[2]}")
        local = now.astimezone(zone)
        if cron is None or "," in cron:
            return None
        minute, hour = (int(part) for part in cron.split()[:2])
        day = local.date() + timedelta(days=match[1].lower() == "tomorrow")
        return datetime.combine(day, time(hour, minute), tzinfo=zone).astimezone(UTC)
    if duration := parse_duration(text):
        return add_duration(DateValue(now.astimezone(zone), True), duration, zone).time.astimezone(UTC)
    found = parse_date(text)
    if found is None:
        return None
    aware = found.time if found.time.tzinfo else found.time.replace(tzinfo=zone)
    return aware.astimezone(UTC)
