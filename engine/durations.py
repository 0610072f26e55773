"""Durations, ISO 8601 text (`P3D`, `PT2H`), and the units of time in all their spellings."""

from __future__ import annotations

import re
from dataclasses import dataclass

from engine.errors import ScriptError

DURATION_CHARACTERS_MAX = 64
DURATION_SECONDS_MAX = 10_000 * 366 * 86_400

_DURATION = re.compile(
    r"([+-]?)P(?:(-?\d+)Y)?(?:(-?\d+)M)?(?:(-?\d+)W)?(?:(-?\d+)D)?"
    r"(?:T(?:(-?\d+)H)?(?:(-?\d+)M)?(?:(-?\d+(?:\.\d+)?)S)?)?",
    re.ASCII,
)

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
MONTHS_OF_UNIT = {"year": 12, "quarter": 3, "month": 1}
_DAYS_OF_UNIT = {"week": 7, "day": 1}
SECONDS_OF_UNIT = {"week": 604_800, "day": 86_400, "hour": 3_600, "minute": 60, "second": 1}


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
        days_text = f"{days // 7}W" if days and days % 7 == 0 and not (years or months or seconds) else f"{days}D"
        day = "".join(
            part for amount, part in ((years, f"{years}Y"), (months, f"{months}M"), (days, days_text)) if amount
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


def parse_duration(text: str) -> Duration | None:
    """Return the duration that a text writes as ISO 8601 (`P3D`, `PT2H`, `-P1W`), else None."""
    if len(text) < 3 or len(text) > DURATION_CHARACTERS_MAX or (text[0] != "P" and text[0] not in "+-"):
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
    if unit in MONTHS_OF_UNIT:
        return Duration(months=int(amount * MONTHS_OF_UNIT[unit]))
    if unit in _DAYS_OF_UNIT and amount * _DAYS_OF_UNIT[unit] == int(amount * _DAYS_OF_UNIT[unit]):
        return Duration(days=int(amount * _DAYS_OF_UNIT[unit]))
    seconds = amount * SECONDS_OF_UNIT[unit]
    return Duration(seconds=int(seconds) if seconds == int(seconds) else seconds)
