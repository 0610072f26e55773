"""Dates as text: reading the usual spellings, ISO 8601 both ways, and arithmetic on them.

A date is ISO 8601 text, with or without a time, with or without an offset. One with an offset is an
instant; one without is what a clock on the wall shows. Where the two meet, the wall clocks are compared.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from functools import lru_cache

from engine.durations import MONTHS_OF_UNIT, SECONDS_OF_UNIT, Duration
from engine.errors import ScriptError

DATE_CHARACTERS_MAX = 64

_ISO = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})"
    r"(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?\s?(Z|[+-]\d{2}:?(?:\d{2})?)?)?",
    re.ASCII,
)
_CLOCK = r"(?:[T ,]+(?:at |às |as |a las )?(\d{1,2})(?::|h)(\d{2})(?::(\d{2}))?\s*([ap]\.?m\.?)?)?"
_YEAR_FIRST = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})" + _CLOCK, re.ASCII | re.IGNORECASE)
_YEAR_LAST = re.compile(r"(\d{1,2})[-/.](\d{1,2})[-/.](\d{4}|\d{2})" + _CLOCK, re.ASCII | re.IGNORECASE)
_DIGITS = re.compile(r"(\d{4})(\d{2})(\d{2})(?:T?(\d{2})(\d{2})(\d{2})?)?", re.ASCII)
_DAY_NAME_FIRST = re.compile(
    r"(\d{1,2})(?:st|nd|rd|th|º|\.)?[ -](?:of |de )?([^\W\d]+)\.?,?[ -](?:de )?(\d{4})" + _CLOCK,
    re.IGNORECASE,
)
_MONTH_FIRST = re.compile(r"([^\W\d]+)\.? (\d{1,2})(?:st|nd|rd|th)?,? (\d{4})" + _CLOCK, re.IGNORECASE)

MONTHS = {
    "en": [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
    "pt": [
        "janeiro",
        "fevereiro",
        "março",
        "abril",
        "maio",
        "junho",
        "julho",
        "agosto",
        "setembro",
        "outubro",
        "novembro",
        "dezembro",
    ],
    "es": [
        "enero",
        "febrero",
        "marzo",
        "abril",
        "mayo",
        "junio",
        "julio",
        "agosto",
        "septiembre",
        "octubre",
        "noviembre",
        "diciembre",
    ],
}
WEEKDAYS = {
    "en": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
    "pt": [
        "segunda-feira",
        "terça-feira",
        "quarta-feira",
        "quinta-feira",
        "sexta-feira",
        "sábado",
        "domingo",
    ],
    "es": ["lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"],
}
_MONTH_NUMBERS = {
    spelling: number
    for names in MONTHS.values()
    for number, name in enumerate(names, 1)
    for spelling in (name.lower(), name[:3].lower())
}


@dataclass(frozen=True, slots=True)
class DateValue:
    """A date that was read: the time (aware where an offset was written), and whether it has a clock time."""

    time: datetime
    has_clock: bool

    def text(self) -> str:
        """Return the ISO 8601 text: `2026-11-22`, `2026-11-22T10:05:00`, `2026-11-22T10:05:00-03:00`."""
        if not self.has_clock:
            return self.time.date().isoformat()
        return self.time.isoformat(timespec="milliseconds" if self.time.microsecond else "seconds")


def _offset(text: str | None) -> tzinfo | None:
    if not text:
        return None
    if text == "Z":
        return UTC
    hours, minutes = int(text[1:3]), int(text[-2:]) if len(text) > 3 else 0
    delta = timedelta(hours=hours, minutes=minutes)
    return timezone(-delta if text[0] == "-" else delta)


def parse_iso(text: str) -> DateValue | None:
    """Return the date that a text writes as ISO 8601 (YYYY-MM-DD, with or without a time), else None."""
    if len(text) < 10 or text[4] != "-" or len(text) > DATE_CHARACTERS_MAX:
        return None
    return _read_iso(text)


@lru_cache(maxsize=1_024)
def _read_iso(text: str) -> DateValue | None:
    match = _ISO.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    try:
        moment = datetime(
            int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0),
            int((fraction or "0")[:6].ljust(6, "0")), tzinfo=_offset(offset),
        )  # fmt: skip
    except ValueError:
        return None
    return DateValue(moment, hour is not None)


def _full_year(text: str) -> int:
    year = int(text)
    return year if len(text) > 2 else year + (2000 if year < 70 else 1900)


def _assemble(year: int, month: int, day: int, clock: tuple[str | None, ...]) -> DateValue | None:
    hour, minute, second, half = (*clock, None)[:4]
    hours = int(hour or 0)
    if half:
        if not 1 <= hours <= 12:
            return None
        hours = hours % 12 + (12 if half[0] in "pP" else 0)
    try:
        return DateValue(datetime(year, month, day, hours, int(minute or 0), int(second or 0)), hour is not None)
    except ValueError:
        return None


@lru_cache(maxsize=1_024)
def _parse_spelling(text: str) -> DateValue | None:
    if match := _YEAR_FIRST.fullmatch(text):
        year, month, day, *clock = match.groups()
        return _assemble(int(year), int(month), int(day), tuple(clock))
    if match := _YEAR_LAST.fullmatch(text):
        first, second, year, *clock = match.groups()
        day, month = int(first), int(second)
        if month > 12 >= day:
            day, month = month, day
        return _assemble(_full_year(year), month, day, tuple(clock))
    if match := _DIGITS.fullmatch(text):
        year, month, day, *clock = match.groups()
        return _assemble(int(year), int(month), int(day), tuple(clock))
    if match := _DAY_NAME_FIRST.fullmatch(text):
        day, name, year, *clock = match.groups()
    elif match := _MONTH_FIRST.fullmatch(text):
        name, day, year, *clock = match.groups()
    else:
        return None
    number = _MONTH_NUMBERS.get(name.lower())
    return None if number is None else _assemble(int(year), number, int(day), tuple(clock))


def parse_date(text: str) -> DateValue | None:
    """Return the date that a text writes in one of the usual spellings, else None.

    ISO 8601; `2026/1/5`; `5/1/2026`, `5.1.2026`, `5-1-26` (day first, unless that cannot be);
    `20260105`; `5 January 2026`, `Jan 5, 2026`, `5 de janeiro de 2026`; a clock time after each.
    """
    if not 6 <= len(text) <= DATE_CHARACTERS_MAX:
        return None
    return parse_iso(text) or _parse_spelling(text.strip())


_CLOCK_ALONE = re.compile(r"\s*(\d{1,2})(?::|h)(\d{2})(?::(\d{2}))?\s*([ap]\.?m\.?)?\s*", re.ASCII | re.IGNORECASE)


def parse_clock(text: str) -> DateValue | None:
    """Return the time of day that a text writes alone (`18:30`, `6:30 pm`), on 1 January 1900; else None."""
    match = _CLOCK_ALONE.fullmatch(text) if len(text) <= DATE_CHARACTERS_MAX else None
    return None if match is None else _assemble(1900, 1, 1, match.groups())


def order_dates(a: DateValue, b: DateValue) -> int:
    """Return -1, 0 or 1: instants where both have an offset, wall clocks otherwise."""
    first, second = comparable(a, b)
    return (first > second) - (first < second)


def comparable(a: DateValue, b: DateValue) -> tuple[datetime, datetime]:
    """Return the two times so that they can be compared and subtracted."""
    if a.time.tzinfo is None or b.time.tzinfo is None:
        return a.time.replace(tzinfo=None), b.time.replace(tzinfo=None)
    return a.time, b.time


def _days_in_month(year: int, month: int) -> int:
    return 31 if month == 12 else (date(year, month + 1, 1) - date(year, month, 1)).days


def add_duration(start: DateValue, duration: Duration, zone: tzinfo | None) -> DateValue:
    """Return the date moved by the duration; the 31st moved by months becomes the month's last day.

    Months and days keep the wall clock, so the offset follows daylight saving where the date's offset
    is the zone's; seconds are exact. Raises ScriptError outside the years 1 to 9999.
    """
    moment, has_clock = start.time, start.has_clock
    local = zone is not None and moment.tzinfo is not None and moment.astimezone(zone).utcoffset() == moment.utcoffset()
    try:
        if duration.months or duration.days:
            months = moment.year * 12 + moment.month - 1 + duration.months
            year, month = months // 12, months % 12 + 1
            if not 1 <= year <= 9_999:
                raise OverflowError
            day = min(moment.day, _days_in_month(year, month))
            moved = moment.replace(year=year, month=month, day=day) + timedelta(days=duration.days)
            if local:
                moved = _fixed(moved.replace(tzinfo=zone))
            moment = moved
        if duration.seconds:
            has_clock = has_clock or duration.seconds % 86_400 != 0
            moment = moment + timedelta(seconds=duration.seconds)
            if local:
                moment = _fixed(moment.astimezone(zone))
    except (OverflowError, ValueError):
        raise ScriptError(
            f"{start.text()} moved by {duration.text()} lies outside the years 1 to 9999.", "value"
        ) from None
    return DateValue(moment, has_clock)


def _fixed(moment: datetime) -> datetime:
    """Return the same instant with its offset alone: adding to it is exact, as ISO text carries it."""
    offset = moment.utcoffset()
    assert offset is not None
    # A wall-clock time that daylight saving skips moves on, as the clock on the wall does.
    utc = moment.astimezone(UTC)
    real = utc.astimezone(moment.tzinfo)
    real_offset = real.utcoffset()
    assert real_offset is not None
    return utc.astimezone(timezone(real_offset))


def subtract_dates(a: DateValue, b: DateValue) -> int | float:
    """Return a - b in seconds, whole where it is."""
    first, second = comparable(a, b)
    seconds = (first - second).total_seconds()
    return int(seconds) if seconds == int(seconds) else seconds


def difference(earlier: DateValue, later: DateValue, unit: str) -> int:
    """Return later - earlier in whole units, cut towards zero (days count midnights between plain dates)."""
    if unit in MONTHS_OF_UNIT:
        first, second = comparable(earlier, later)
        sign = 1
        if second < first:
            first, second, sign = second, first, -1
        months = (second.year - first.year) * 12 + second.month - first.month
        day = min(first.day, _days_in_month(second.year, second.month))
        if (second.day, second.time()) < (day, first.time()):
            months -= 1
        return sign * (months // MONTHS_OF_UNIT[unit])
    return int(subtract_dates(later, earlier) / SECONDS_OF_UNIT[unit])


def midnight(day: date) -> datetime:
    """Return the start of the day, without an offset."""
    return datetime.combine(day, time())
