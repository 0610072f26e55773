"""DATE and HOUR: the moments people name, relative to the clock of the turn."""

from __future__ import annotations

import re
from datetime import date, timedelta

from engine.answers.cleaning import folded, words_of
from engine.answers.outcomes import Accepted, Answer, as_text
from engine.answers.words import (
    DATE_FILLERS,
    DAYS,
    HOUR_AFTERNOON,
    HOUR_FILLERS,
    HOUR_MORNING,
    HOUR_NIGHT,
    HOURS,
    MONTHS,
    ORDINAL_ENDINGS,
)

FUTURE_OF_SHORT_YEARS_MAX = 20
"""Years: a two-digit year means the one at most this far ahead, else the one before (85 is 1985)."""

_ISO = re.compile(r"([0-9]{4})([-/.])([0-9]{1,2})\2([0-9]{1,2})(?:[T ][0-9]{2}:[0-9]{2}[0-9:.Z+-]{0,20})?")
_NUMERIC = re.compile(r"([0-9]{1,2})( ?[-/.] ?| )([0-9]{1,2})\2([0-9]{4}|[0-9]{2})")
_COMPACT = re.compile(r"[0-9]{8}")
_DATE_MARKS = frozenset(" ,.-/'ºª°")
_MONTH_FIRST_REGIONS = frozenset({"", "us", "ph"})
_HOUR_MARKS = frozenset(" ,.:'ºª°")


def check_date(answer: Answer) -> Accepted | None:
    """Accept a day that exists; the value is ISO 8601, YYYY-MM-DD."""
    text = folded(answer.text)
    if text.isascii() and text.isdigit() and len(text) != 8:
        return None
    words = words_of(text)
    offset = DAYS.get(" ".join(words))
    try:
        if offset is not None:
            found: date | None = answer.now.date() + timedelta(days=offset)
        else:
            found = _numeric_date(answer, text.upper()) or _named_date(answer, text, words)
    except (ValueError, OverflowError):
        return None
    return as_text(found.isoformat() if found else None)


def _numeric_date(answer: Answer, text: str) -> date | None:
    """Return the date a text of numbers names, or None. Raises ValueError for a day that does not exist."""
    if match := _ISO.fullmatch(text):
        return date(int(match[1]), int(match[3]), int(match[4]))
    month_first = answer.language == "en" and answer.region in _MONTH_FIRST_REGIONS
    if match := _NUMERIC.fullmatch(text):
        return _ordered_date(int(match[1]), int(match[3]), _year(match[4], answer.now.year), month_first)
    if _COMPACT.fullmatch(text):
        year, rest = int(text[:4]), text[4:]
        if 1900 <= year <= 2100 and 1 <= int(rest[:2]) <= 12:
            return date(year, int(rest[:2]), int(rest[2:]))
        return _ordered_date(int(text[:2]), int(text[2:4]), int(rest), month_first)
    return None


def _ordered_date(first: int, second: int, year: int, month_first: bool) -> date:
    """The language's order counts, unless it names a thirteenth month and the other order does not."""
    month, day = (first, second) if month_first else (second, first)
    if month > 12 and day <= 12:
        month, day = day, month
    return date(year, month, day)


def _named_date(answer: Answer, text: str, words: list[str]) -> date | None:
    """Return the date of a text with a month's name and two numbers, in any sensible order."""
    if any(not (c.isalnum() or c in _DATE_MARKS) for c in text):
        return None
    kept: list[str] = []
    for word in words:
        ordinal = word in ORDINAL_ENDINGS and kept and len(kept[-1]) <= 2 and kept[-1].isdigit()
        if not ordinal and word not in DATE_FILLERS:
            kept.append(word)
    months = [i for i, word in enumerate(kept) if word in MONTHS]
    if len(kept) != 3 or len(months) != 1:
        return None
    month = MONTHS[kept.pop(months[0])]
    if not all(word.isascii() and word.isdigit() for word in kept):
        return None
    day, year = kept if len(kept[0]) <= 2 else reversed(kept)
    if len(day) > 2 or len(year) not in (2, 4):
        return None
    return date(_year(year, answer.now.year), month, int(day))


def _year(digits: str, current: int) -> int:
    if len(digits) == 4:
        return int(digits)
    year = current - current % 100 + int(digits)
    if year > current + FUTURE_OF_SHORT_YEARS_MAX:
        return year - 100
    return year + 100 if year <= current + FUTURE_OF_SHORT_YEARS_MAX - 100 else year


def check_hour(answer: Answer) -> Accepted | None:
    """Accept a time of day; the value is HH:MM of 24 hours, seconds dropped."""
    text = re.sub(r"\b([ap])\. ?m\b\.?", r"\1m", folded(answer.text))
    words = words_of(text)
    known = HOURS.get(" ".join(words))
    if known is not None:
        return as_text(known)
    if any(not (c.isalnum() or c in _HOUR_MARKS) for c in text):
        return None
    numbers = [w for w in words if w[0] in "0123456789"]
    spoken = [w for w in words if w not in numbers and w not in HOUR_FILLERS]
    if len(spoken) > 1:
        return None
    clock = _clock(numbers)
    if clock is None or (spoken and spoken[0] not in HOUR_MORNING | HOUR_AFTERNOON):
        return None
    hour, minute = clock
    hour = _on_24_hours(hour, spoken[0] if spoken else "")
    return as_text(f"{hour:02}:{minute:02}" if hour >= 0 else None)


def _on_24_hours(hour: int, part: str) -> int:
    """Return the hour that the part of the day makes of it, or -1 where the two do not go together."""
    if not part:
        return hour
    # "12 de la mañana" is noon to some and midnight to others; "12 da noite" is midnight to all.
    if part in HOUR_MORNING:
        return hour % 12 if 1 <= hour < 12 or (hour == 12 and part == "am") else -1
    if hour == 12 and part in HOUR_NIGHT:
        return 0
    return -1 if hour == 0 else hour + 12 if hour < 12 else hour


def _clock(numbers: list[str]) -> tuple[int, int] | None:
    """Return hour and minute of "9", "9 30", "9 30 15" or "0930"; None where they are no time."""
    if len(numbers) == 1 and len(numbers[0]) in (3, 4):
        numbers = [numbers[0][:-2], numbers[0][-2:]]
    if not 1 <= len(numbers) <= 3 or len(numbers[0]) > 2 or any(len(n) != 2 for n in numbers[1:]):
        return None
    hour, minute, second = (*map(int, numbers), 0, 0)[:3]
    return (hour, minute) if hour < 24 and minute < 60 and second < 60 else None
