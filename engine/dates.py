"""Dates as text: reading the usual spellings, ISO 8601 both ways, durations, and arithmetic on them.

A date is ISO 8601 text, with or without a time, with or without an offset. One with an offset is an
instant; one without is what a clock on the wall shows. Where the two meet, the wall clocks are compared.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from functools import lru_cache

from engine.errors import ScriptError

DATE_CHARACTERS_MAX = 64
DURATION_SECONDS_MAX = 10_000 * 366 * 86_400

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
_DURATION = re.compile(
    r"([+-]?)P(?:(-?\d+)Y)?(?:(-?\d+)M)?(?:(-?\d+)W)?(?:(-?\d+)D)?"
    r"(?:T(?:(-?\d+)H)?(?:(-?\d+)M)?(?:(-?\d+(?:\.\d+)?)S)?)?",
    re.ASCII,
)

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

_UNIT_SPELLINGS = {
    "year": "y yy yyyy year years ano anos año años",
    "quarter": "q quarter quarters trimestre trimestres",
    "month": "m mm month months mon mês mes meses",
    "week": "w ww wk week weeks semana semanas",
    "day": "d dd day days dia dias día días",
    "hour": "h hh hr hrs hour hours hora horas",
    "minute": "n nn mi min mins minute minutes minuto minutos",
    "second": "s ss sec secs second seconds segundo segundos",
}
_UNITS = {spelling: unit for unit, spellings in _UNIT_SPELLINGS.items() for spelling in spellings.split()}
_MONTHS_OF_UNIT = {"year": 12, "quarter": 3, "month": 1}
_DAYS_OF_UNIT = {"week": 7, "day": 1}
SECONDS_OF_UNIT = {"week": 604_800, "day": 86_400, "hour": 3_600, "minute": 60, "second": 1}


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


@dataclass(frozen=True, slots=True)
class Duration:
    """A span of time. Months and days follow the calendar and the wall clock, seconds the instant."""

    months: int = 0
    days: int = 0
    seconds: int | float = 0

    def text(self) -> str:
        """Return the ISO 8601 text: `P3D`, `PT2H30M`, `-P1D`; `PT0S` for nothing."""
        negative = self.months <= 0 and self.days <= 0 and self.seconds <= 0 and self != Duration()
        sign = -1 if negative else 1
        months, days, seconds = self.months * sign, self.days * sign, self.seconds * sign
        years, months = (months // 12, months % 12) if months >= 0 else (0, months)
        days_text = (
            f"{days // 7}W" if days and days % 7 == 0 and not (years or months or seconds) else f"{days}D"
        )
        day = "".join(
            part
            for amount, part in ((years, f"{years}Y"), (months, f"{months}M"), (days, days_text))
            if amount
        )
        direction = -1 if seconds < 0 else 1
        hours, rest = divmod(seconds * direction, 3_600)
        minutes, rest = divmod(rest, 60)
        clock = "".join(
            f"{amount * direction:.6f}".rstrip("0").rstrip(".") + letter
            if letter == "S"
            else f"{int(amount) * direction}{letter}"
            for amount, letter in ((hours, "H"), (minutes, "M"), (rest, "S"))
            if amount
        )
        return f"{'-' if negative else ''}P{day}{'T' + clock if clock else ''}" if day or clock else "PT0S"

    def __neg__(self) -> Duration:
        return Duration(-self.months, -self.days, -self.seconds)


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
        return DateValue(
            datetime(year, month, day, hours, int(minute or 0), int(second or 0)), hour is not None
        )
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


_CLOCK_ALONE = re.compile(
    r"\s*(\d{1,2})(?::|h)(\d{2})(?::(\d{2}))?\s*([ap]\.?m\.?)?\s*", re.ASCII | re.IGNORECASE
)


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


def parse_duration(text: str) -> Duration | None:
    """Return the duration that a text writes as ISO 8601 (`P3D`, `PT2H`, `-P1W`), else None."""
    if len(text) < 3 or len(text) > DATE_CHARACTERS_MAX or (text[0] != "P" and text[0] not in "+-"):
        return None
    match = _DURATION.fullmatch(text)
    if match is None or not any(match.groups()[1:]):
        return None
    sign = -1 if match.group(1) == "-" else 1
    years, months, weeks, days, hours, minutes = (int(part or 0) for part in match.groups()[1:7])
    second = match.group(8) or "0"
    seconds = hours * 3_600 + minutes * 60 + (float(second) if "." in second else int(second))
    return Duration(sign * (years * 12 + months), sign * (weeks * 7 + days), sign * seconds)


def unit_named(spelling: str) -> str | None:
    """Return the unit (`year` … `second`) in any of its spellings, else None."""
    return _UNITS.get(spelling.strip().lower())


def unit_of(function: str, spelling: str) -> str:
    """Return the unit in any of its spellings. Raises ScriptError that lists the accepted ones."""
    unit = unit_named(spelling)
    if unit is None:
        raise ScriptError(
            f'{function} does not know the unit "{spelling[:40]}". It takes year, quarter, month, week, day, '
            'hour, minute or second (also in the plural, as "d", "h", "n" for minutes, "s").',
            "argument",
        )
    return unit


def duration_of(amount: int | float, unit: str) -> Duration:
    """Return so many of a unit as a duration. Fractions of days become seconds; of months they are cut."""
    if abs(amount) > DURATION_SECONDS_MAX:
        raise ScriptError(f"A duration of {amount:.3g} {unit}s is too long.", "limit")
    if unit in _MONTHS_OF_UNIT:
        return Duration(months=int(amount * _MONTHS_OF_UNIT[unit]))
    if unit in _DAYS_OF_UNIT and amount * _DAYS_OF_UNIT[unit] == int(amount * _DAYS_OF_UNIT[unit]):
        return Duration(days=int(amount * _DAYS_OF_UNIT[unit]))
    seconds = amount * SECONDS_OF_UNIT[unit]
    return Duration(seconds=int(seconds) if seconds == int(seconds) else seconds)


def _days_in_month(year: int, month: int) -> int:
    return 31 if month == 12 else (date(year, month + 1, 1) - date(year, month, 1)).days


def add_duration(start: DateValue, duration: Duration, zone: tzinfo | None) -> DateValue:
    """Return the date moved by the duration; the 31st moved by months becomes the month's last day.

    Months and days keep the wall clock, so the offset follows daylight saving where the date's offset
    is the zone's; seconds are exact. Raises ScriptError outside the years 1 to 9999.
    """
    moment, has_clock = start.time, start.has_clock
    local = (
        zone is not None
        and moment.tzinfo is not None
        and moment.astimezone(zone).utcoffset() == moment.utcoffset()
    )
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
    if unit in _MONTHS_OF_UNIT:
        first, second = comparable(earlier, later)
        sign = 1
        if second < first:
            first, second, sign = second, first, -1
        months = (second.year - first.year) * 12 + second.month - first.month
        day = min(first.day, _days_in_month(second.year, second.month))
        if (second.day, second.time()) < (day, first.time()):
            months -= 1
        return sign * (months // _MONTHS_OF_UNIT[unit])
    return int(subtract_dates(later, earlier) / SECONDS_OF_UNIT[unit])


def midnight(day: date) -> datetime:
    """Return the start of the day, without an offset."""
    return datetime.combine(day, time())
