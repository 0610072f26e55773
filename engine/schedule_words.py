"""Schedules in words to cron text: “every hour from 9 to 17”, “weekdays at 8am”, “last day of the month”. Pure.

A phrase is read by what is found in it, in this order: hours of the day it is limited to, clock times, then the
rest word by word: an interval, days of the week, days of the month, months. A word that means none of it makes
the phrase no schedule in words, and it is then tried as cron.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_T = r"(?:noon|midday|midnight|\d{1,2}(?:[:h]\d{2})?h?\s*(?:[ap]\.?m\b\.?|o'?clock)?)"
_T_SURE = r"(?:noon|midday|midnight|\d{1,2}:\d{2}\s*(?:[ap]\.?m\b\.?)?|\d{1,2}\s*[ap]\.?m\b\.?)"
_MORE = r"(?:\s*(?:,|and|&)+\s*(?:at\s+)?"
_WINDOW = re.compile(rf"\b(?:from|between)\s+({_T})\s*(?:to|and|until|till|through|-)\s*({_T})(?![\w:])")
_BUSINESS = re.compile(r"\b(?:during |in |on |within )?(?:business|office|working|work) hours\b")
_AT = re.compile(rf"(?:\bat\s+|@\s*)({_T}{_MORE}{_T})*)(?![\w:])")
_SURE = re.compile(rf"(?<![\w:])({_T_SURE}{_MORE}{_T_SURE})*)(?![\w:])")
_CLOCK = re.compile(r"(\d{1,2})(?:[:h](\d{2}))?h?\s*([ap])?")
_EVERY = re.compile(
    r"\b(?:every|each|once (?:an?|every|per)|per)\s+(?:(\d+|other|second(?= [dwmh])|two|three|four|five"
    r"|six|ten|twelve|fifteen|twenty|thirty|half|an?)[\s-]*(?:an?\s+)?)?"
    r"(s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|weeks?|months?|quarters?|years?)\b"
)
_COUNTS = {
    "other": 2, "second": 2, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "ten": 10, "twelve": 12,
    "fifteen": 15, "twenty": 20, "thirty": 30, "a": 1, "an": 1,
}  # fmt: skip
_UNITS = {"s": "second", "m": "minute", "h": "hour", "d": "day"}
_SECONDS = {"second": 1, "minute": 60, "hour": 3_600}
_ALONE = {
    "secondly": "every second", "minutely": "every minute", "hourly": "every hour", "daily": "every day",
    "everyday": "every day", "weekly": "every week", "monthly": "every month", "quarterly": "every quarter",
    "yearly": "every year", "annually": "every year", "biweekly": "every 2 weeks", "fortnightly": "every 2 weeks",
    "nightly": "every day at midnight", "midnight": "every day at midnight", "noon": "every day at noon",
}  # fmt: skip
_DAYS = {"sun": "0", "mon": "1", "tue": "2", "wed": "3", "thu": "4", "fri": "5", "sat": "6"}
_DAY = re.compile(r"(sun|mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?)(?:days?)?")
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_MONTH = re.compile(
    r"jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?"
)
_ORDINALS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "last": -1}
_GROUPS = {"weekday": "1-5", "workday": "1-5", "weekend": "0,6"}
_FILLERS = frozenset(
    {"on", "the", "of", "in", "and", "every", "each", "day", "days", "month", "run", "&", "a", "during"}
)
_WORD = re.compile(r"[^\s,]+")


@dataclass(slots=True)
class _Phrase:
    """What has been found in a phrase."""

    every: tuple[int, str] | None = None
    window: tuple[int, int] | None = None
    clocks: list[tuple[int, int]] = field(default_factory=list)
    weekdays: list[str] = field(default_factory=list)
    days: list[str] = field(default_factory=list)
    months: list[str] = field(default_factory=list)


class _NoSchedule(Exception):
    """The phrase is not one of ours."""


def cron_of_words(text: str) -> str | None:
    """Return the cron text of a schedule in words, or None where it is none that is known here."""
    said = " ".join(text.lower().replace("’", "'").split()).rstrip(".")
    first, _, rest = said.partition(" ")
    said = f"{_ALONE[first]} {rest}".strip() if first in _ALONE else said
    phrase = _Phrase()
    try:
        said = _take_hours(said, phrase)
        _take_days(_take_interval(said, phrase), phrase)
        return _cron(phrase)
    except _NoSchedule:
        return None


# ── reading ────────────────────────────────────────────────────────────────────────────────────────


def _take_hours(said: str, phrase: _Phrase) -> str:
    """Take the limits and the clock times out of a phrase; return what is left."""
    if match := _WINDOW.search(said):
        (start, early), (end, late) = _clock(match[1]), _clock(match[2])
        if early or late:
            raise _NoSchedule
        phrase.window = (start, end)
        said = _without(said, match)
    elif match := _BUSINESS.search(said):
        phrase.window = (9, 17)
        phrase.weekdays.append("1-5")
        said = _without(said, match)
    match = _AT.search(said) or _SURE.search(said)
    if match:
        parts = re.split(r"\s*(?:,|\band\b|&)+\s*(?:at\s+)?", match[1])
        phrase.clocks = [_clock(part) for part in parts]
        said = _without(said, match)
    return said


def _without(said: str, match: re.Match[str]) -> str:
    return f"{said[: match.start()]} {said[match.end() :]}"


def _clock(text: str) -> tuple[int, int]:
    if text.strip() in ("noon", "midday", "midnight"):
        return (0 if text.strip() == "midnight" else 12), 0
    match = _CLOCK.match(text.strip())
    if match is None:
        raise _NoSchedule
    hour, minute = int(match[1]), int(match[2] or 0)
    if match[3]:
        if not 1 <= hour <= 12:
            raise _NoSchedule
        hour = hour % 12 + (12 if match[3] == "p" else 0)
    if hour == 24 and minute == 0:
        hour = 0
    if hour > 23 or minute > 59:
        raise _NoSchedule
    return hour, minute


def _take_interval(said: str, phrase: _Phrase) -> str:
    match = _EVERY.search(said)
    if match is None:
        return said
    count, unit = match[1] or "1", _UNITS.get(match[2], match[2].rstrip("s"))
    unit = {"sec": "second", "min": "minute", "hr": "hour"}.get(unit, unit)
    if count == "half":
        if unit != "hour":
            raise _NoSchedule
        count, unit = "30", "minute"
    number = int(count) if count.isdigit() else _COUNTS[count]
    if not 1 <= number <= 100_000:
        raise _NoSchedule
    phrase.every = (3 * number, "month") if unit == "quarter" else (number, unit)
    return _without(said, match)


def _take_days(said: str, phrase: _Phrase) -> None:
    """Take the days and months out of what is left of a phrase; anything else makes it none."""
    said = re.sub(r"\b(?:business|working|work) (?:day)s?\b", "weekday", said)
    said = re.sub(r"\b(?:end|close) of (?:the |each |every )?month\b", "last of month", said)
    said = re.sub(r"\b(?:start|beginning) of (?:the |each |every )?month\b", "first of month", said)
    words = _WORD.findall(re.sub(r"\b(\w+)\s*(?:\bto\b|\bthrough\b|\bthru\b|-|–)\s*(\w+)\b", r"\1-\2", said))
    for index, word in enumerate(words):
        after = next((w for w in words[index + 1 :] if w != "of"), "")
        before = words[index - 1] if index else ""
        _take_word(word, before, after, phrase)


def _take_word(word: str, before: str, after: str, phrase: _Phrase) -> None:
    number = re.fullmatch(r"(\d{1,2})(st|nd|rd|th)?", word)
    if word in _ORDINALS:
        _ordinal(word, after, phrase)
    elif match := re.fullmatch(rf"({_DAY.pattern})-({_DAY.pattern})", word):
        phrase.weekdays.append(_days_between(_DAYS[match[2][:3]], _DAYS[match[4][:3]]))
    elif match := _DAY.fullmatch(word):
        if before not in _ORDINALS:
            phrase.weekdays.append(_DAYS[match[1][:3]])
    elif word.rstrip("s") in _GROUPS:
        if before != "last":
            phrase.weekdays.append(_GROUPS[word.rstrip("s")])
    elif word in ("months", "monthly"):
        phrase.every = phrase.every or (1, "month")
    elif word == "weekly":
        phrase.every = phrase.every or (1, "week")
    elif match := _MONTH.fullmatch(word):
        phrase.months.append(str(_MONTHS.index(word[:3]) + 1))
    elif number:
        _number(int(number[1]), bool(number[2]), before, phrase)
    elif word not in _FILLERS:
        raise _NoSchedule


def _ordinal(word: str, after: str, phrase: _Phrase) -> None:
    place = _ORDINALS[word]
    if match := _DAY.fullmatch(after):
        day = _DAYS[match[1][:3]]
        phrase.weekdays.append(f"{day}L" if place < 0 else f"{day}#{place}")
    elif after.rstrip("s") in ("weekday", "workday") and place < 0:
        phrase.days.append("LW")
    elif after in ("day", "month", "the", "each", "every", "", "and") or _MONTH.fullmatch(after):
        phrase.days.append("L" if place < 0 else str(place))
    else:
        raise _NoSchedule
    if not phrase.months:
        phrase.every = phrase.every or (1, "month")


def _days_between(first: str, last: str) -> str:
    if int(first) <= int(last):
        return f"{first}-{last}"
    days = [str(d % 7) for d in range(int(first), int(last) + 8)]
    return ",".join(sorted(days))


def _number(number: int, ordinal: bool, before: str, phrase: _Phrase) -> None:
    """Take a number: a day of the month, or the hour where nothing speaks of months (“every monday 9”)."""
    monthly = phrase.every is not None and phrase.every[1] in ("month", "year")
    if ordinal or monthly or phrase.months or before == "day" or phrase.clocks:
        if not 1 <= number <= 31:
            raise _NoSchedule
        phrase.days.append(str(number))
        return
    if number > 23 or not (phrase.weekdays or phrase.every == (1, "day")):
        raise _NoSchedule
    phrase.clocks.append((number, 0))


# ── writing ────────────────────────────────────────────────────────────────────────────────────────


def _cron(phrase: _Phrase) -> str:
    count, unit = phrase.every or (1, "")
    if not (phrase.every or phrase.window or phrase.clocks or phrase.weekdays or phrase.days or phrase.months):
        raise _NoSchedule
    days, months, weekdays = ",".join(phrase.days) or "*", ",".join(phrase.months) or "*", ",".join(phrase.weekdays)
    if unit in _SECONDS or (phrase.window and not unit):
        return _within_days(phrase, count, unit or "hour", f"{days} {months} {weekdays or '*'}")
    if phrase.window:
        if unit != "day" or count != 1:
            raise _NoSchedule
        return _within_days(phrase, 1, "hour", f"{days} {months} {weekdays or '*'}")
    minutes, hours = _clocks(phrase)
    if unit == "day" and count > 1:
        return _every_days(count, 0, phrase)
    if unit == "week":
        if count > 1:
            if len(phrase.weekdays) > 1 or not (weekdays or "0").isdigit():
                raise _NoSchedule
            return _every_days(count * 7, int(weekdays or 0), phrase)
        weekdays = weekdays or "0"
    if unit == "month":
        if count > 12 or 12 % count or (count > 1 and phrase.months):
            raise _NoSchedule
        months = f"*/{count}" if count > 1 else months
    if unit == "year":
        if count > 1:
            raise _NoSchedule
        months = ",".join(phrase.months) or "1"
    if (unit in ("month", "year") or phrase.months) and not weekdays:
        days = ",".join(phrase.days) or "1"
    return f"{minutes} {hours} {days} {months} {weekdays or '*'}"


def _clocks(phrase: _Phrase) -> tuple[str, str]:
    """Return the fields of the minute and the hour. Several times must share the minute: cron can say no other."""
    clocks = phrase.clocks or [(0, 0)]
    if len({minute for _, minute in clocks}) > 1:
        raise _NoSchedule
    return str(clocks[0][1]), ",".join(str(hour) for hour in sorted({hour for hour, _ in clocks}))


def _every_days(days: int, shift: int, phrase: _Phrase) -> str:
    if phrase.days or phrase.months or (phrase.weekdays and days % 7) or len(phrase.clocks) > 1:
        raise _NoSchedule
    hour, minute = phrase.clocks[0] if phrase.clocks else (0, 0)
    return f"@every {days}d{f'+{shift}' if shift else ''} {hour:02}:{minute:02}"


def _within_days(phrase: _Phrase, count: int, unit: str, days: str) -> str:
    """Return an interval of seconds, minutes or hours, in a part of the day or all of it."""
    if phrase.clocks:
        raise _NoSchedule
    larger = {"second": "minute", "minute": "hour", "hour": ""}[unit]
    size = 24 if unit == "hour" else 60
    if larger and count % size == 0:
        return _within_days(phrase, count // size, larger, days)
    if size % count or count == size:
        if unit == "hour" and count == size:
            return f"0 0 {days}"
        if phrase.window or days != "* * *":
            raise _NoSchedule  # it would not begin anew every hour, so it cannot be said of a part of the day
        return f"@every {count * _SECONDS[unit]}s"
    step = f"*/{count}" if count > 1 else "*"
    if unit == "hour":
        return f"0 {_hours(phrase.window, count)} {days}"
    hours = _hours(phrase.window, 1)
    return f"{step} {hours} {days}" if unit == "minute" else f"{step} * {hours} {days}"


def _hours(window: tuple[int, int] | None, step: int) -> str:
    if window is None:
        return f"*/{step}" if step > 1 else "*"
    start, end = window
    if start > end:
        return ",".join(sorted((str(h % 24) for h in range(start, end + 25, step)), key=int))
    return f"{start}-{end}/{step}" if step > 1 else f"{start}-{end}"
