"""FORMAT: dates and numbers written as a pattern says, and the locales that some patterns name."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal

from engine.dates import MONTHS, WEEKDAYS, DateValue, parse_clock, parse_date, parse_iso
from engine.errors import ScriptError
from engine.functions.numbers import rounded_decimal
from engine.functions.signature import KINDS, Function, function
from engine.values import Value, read_number, show, to_json, to_text

PATTERN_CHARACTERS_MAX = 200
DECIMALS_MAX = 100

# Thousands separator, decimal point, currency in front of the amount, currency behind it.
_LOCALES = {
    "en": (",", ".", "$", ""),
    "en-gb": (",", ".", "£", ""),
    "pt": (".", ",", "R$ ", ""),
    "pt-pt": (".", ",", "", " €"),
    "es": (".", ",", "", " €"),
    "de": (".", ",", "", " €"),
    "it": (".", ",", "", " €"),
    "fr": ("\u202f", ",", "", " €"),
}
_LOCALE_SUFFIX = re.compile(r"\[(\w\w(?:[-_]\w\w)?)\]\s*$", re.ASCII)
_STANDARD = re.compile(r"([NCPFD])(\d{0,2})", re.ASCII | re.IGNORECASE)
_DIGITS = re.compile(r"[#0][#0,]*(?:\.[#0]+)?|\.[#0]+")
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'|\\.")
_DATE_TOKENS = re.compile(
    r"yyyy|yy|mmmm|mmm|mm|m|dddd|ddd|dd|d|hh|h|ss|s|fff|am/pm|a/p|tt|t(?=h)|(?<=d)t", re.IGNORECASE
)
_DATE_PARTS = re.compile(r"\"[^\"]*\"|'[^']*'|\\.|am/pm|a/p|[^\W\d_]+|.", re.IGNORECASE | re.DOTALL)
_DATE_WORD = re.compile(rf"(?:{_DATE_TOKENS.pattern})+", re.IGNORECASE)
_DATE_SIGNS = re.compile(r"y{2,4}|d{1,4}|h{1,2}|m{1,4}", re.IGNORECASE)


def format_value(value: Value, pattern: str | None = None) -> str:
    """Return a date or a number written as a pattern says; without a pattern the value's text.

    FORMAT("2026-01-31T18:05:00", "dd/MM/yyyy HH:mm") = "31/01/2026 18:05"
    FORMAT(1234.5, "#,##0.00") = "1,234.50"
    FORMAT(1234.5, "C2[pt-BR]") = "R$ 1.234,50"
    FORMAT(7, "0000") = "0007"
    FORMAT(0.125, "0%") = "13%"
    FORMAT(0.5, "#.##") = "0.5"
    FORMAT([1], "JSON") = "[1]"
    FORMAT(NULL, "0.00") = ""
    """
    if pattern is None or pattern == "":
        return to_text(value)
    if len(pattern) > PATTERN_CHARACTERS_MAX:
        raise ScriptError(f"FORMAT takes a pattern of at most {PATTERN_CHARACTERS_MAX} characters.", "limit")
    word = pattern.strip().lower()
    if word == "json":
        return to_json(value)
    if value is None or value == "":
        return ""
    if word in (">", "upper"):
        return to_text(value).upper()
    if word in ("<", "lower"):
        return to_text(value).lower()
    if isinstance(value, str):
        when = parse_iso(value) or _other_date(value, pattern)
        if when is not None:
            return format_date(when, pattern)
        number = read_number(value)
        if number is not None:
            return format_number(number, pattern)
        raise ScriptError(f'FORMAT cannot write {show(value)} as "{pattern}": it is no date and no number.', "argument")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return format_number(value, pattern)
    raise ScriptError(f'FORMAT writes dates and numbers as "{pattern}", not {show(value)}.', "argument")


def _is_date(pattern: str) -> bool:
    return _DATE_SIGNS.search(_QUOTED.sub("", pattern)) is not None and _DIGITS.search(pattern) is None


def _other_date(value: str, pattern: str) -> DateValue | None:
    """Return a date in another spelling than ISO; `20260131` is one only where the pattern is a date's."""
    if read_number(value) is not None and not _is_date(pattern):
        return None
    return parse_date(value) or parse_clock(value)


def _locale(pattern: str) -> tuple[str, str]:
    """Return the pattern without its `[locale]`, and the locale's name in the table, or ""."""
    match = _LOCALE_SUFFIX.search(pattern)
    if match is None:
        return pattern, ""
    name = match[1].lower().replace("_", "-")
    known = name if name in _LOCALES else name[:2]
    if known not in _LOCALES:
        raise ScriptError(f"FORMAT knows the locales {', '.join(_LOCALES)}, not {match[1]}.", "argument")
    return pattern[: match.start()], known


def format_number(number: int | float, pattern: str) -> str:
    """Return the number as a pattern says; halves are rounded away from zero.

    `N2`, `F2`, `C2`, `P1`, `D4` with an optional `[en]` or `[pt-BR]`; else `0` and `#` for digits, `,` for
    thousands, `.` for the decimals, `%` for a hundredth; what stands around them stays. Raises ScriptError
    for a pattern without a place for digits.
    """
    pattern, locale = _locale(pattern)
    thousands, point, before, behind = _LOCALES[locale or "en"]
    if match := _STANDARD.fullmatch(pattern.strip()):
        kind, decimals = match[1].upper(), int(match[2] or (0 if match[1] in "Dd" else 2))
        if kind == "D":
            return _digits(number, decimals, 0, 0, "", point)
        group = "" if kind == "F" else thousands
        text = _digits(abs(number) * (100 if kind == "P" else 1), 1, decimals, decimals, group, point)
        sign = "-" if number < 0 and any(c in "123456789" for c in text) else ""
        return f"{sign}{before}{text}{behind}" if kind == "C" else f"{sign}{text}{'%' if kind == 'P' else ''}"
    sections = pattern.split(";")
    if len(sections) > 1 and number < 0 and sections[1]:
        return _patterned(abs(number), sections[1], thousands, point)
    if len(sections) > 2 and number == 0:
        return _patterned(number, sections[2], thousands, point) if _DIGITS.search(sections[2]) else sections[2]
    return _patterned(number, sections[0], thousands, point)


def _patterned(number: int | float, pattern: str, thousands: str, point: str) -> str:
    # Quoted text cannot hold places for digits, so it is masked while they are looked for.
    masked = _QUOTED.sub(lambda m: "\0" * len(m[0]), pattern)
    match = _DIGITS.search(masked)
    if match is None:
        raise ScriptError(
            f'FORMAT cannot write {show(number)} as "{pattern}": a number needs a pattern such as '
            '"0.00", "#,##0.00", "N2" or "0%".',
            "argument",
        )
    before, behind = _unquoted(pattern[: match.start()]), _unquoted(pattern[match.end() :])
    places, _, decimals = match[0].partition(".")
    percent = "%" in masked
    group = thousands if "," in places else ""
    text = _digits(
        abs(number) * (100 if percent else 1),
        max(1, places.count("0")) if not decimals or "0" in places or not places else 1,
        decimals.count("0"), len(decimals), group, point,
    )  # fmt: skip
    sign = "-" if number < 0 and any(c in "123456789" for c in text) else ""
    return f"{sign}{before}{text}{behind}"


def _unquoted(text: str) -> str:
    return _QUOTED.sub(lambda m: m[0][1:] if m[0][0] == "\\" else m[0][1:-1], text)


def _digits(number: int | float, whole_min: int, decimals_min: int, decimals_max: int, group: str, point: str) -> str:
    rounded: Decimal = rounded_decimal(number, min(decimals_max, DECIMALS_MAX))
    sign, text = ("-", format(-rounded, "f")) if rounded < 0 else ("", format(rounded, "f"))
    whole, _, decimals = text.lstrip("-").partition(".")
    while len(decimals) > decimals_min and decimals.endswith("0"):
        decimals = decimals[:-1]
    whole = whole.zfill(whole_min)
    if group:
        head = len(whole) % 3
        parts = [whole[:head]] if head else []
        whole = group.join(parts + [whole[i : i + 3] for i in range(head, len(whole), 3)])
    return f"{sign}{whole}{point + decimals if decimals else ''}"


def _date_tokens(pattern: str) -> list[tuple[str, str]]:
    """Return the pattern's tokens: ("date", letters) or ("text", literal). Other words stay text."""
    tokens: list[tuple[str, str]] = []
    for part in _DATE_PARTS.findall(pattern):
        if part[0] in "\"'" and len(part) > 1:
            tokens.append(("text", part[1:-1]))
        elif part[0] == "\\" and len(part) > 1:
            tokens.append(("text", part[1:]))
        elif part.lower() in ("am/pm", "a/p") or _DATE_WORD.fullmatch(part):
            tokens.extend(("text" if t in "tT" else "date", t) for t in _DATE_TOKENS.findall(part))
        else:
            tokens.append(("text", part))
    return tokens


def format_date(when: DateValue, pattern: str) -> str:
    """Return the date as a pattern says: yyyy yy, MMMM MMM MM M, dddd ddd dd d, HH H, mm m, ss s, fff, AM/PM.

    Upper or lower case is the same, but for `mm` and `MM`: minutes beside hours or seconds (`MM` only
    behind a colon), months elsewhere. `[pt]`, `[es]` or `[en]` at the end choose the names.
    """
    match = _LOCALE_SUFFIX.search(pattern)
    language = match[1][:2].lower() if match else "en"
    if language not in MONTHS:
        raise ScriptError(f"FORMAT knows the languages {', '.join(MONTHS)}, not {language}.", "argument")
    tokens = _date_tokens(pattern[: match.start()] if match else pattern)
    if not any(kind == "date" for kind, _ in tokens):
        raise ScriptError(
            f'FORMAT cannot write the date {when.text()} as "{pattern}": a date needs a pattern such as '
            '"dd/MM/yyyy HH:mm".',
            "argument",
        )
    dates = [i for i, (kind, _) in enumerate(tokens) if kind == "date"]
    half = any(tokens[i][1].lower() in ("am/pm", "a/p", "tt") for i in dates)
    written: list[str] = [text for _, text in tokens]
    for place, index in enumerate(dates):
        token = tokens[index][1]
        if token.lower() in ("m", "mm"):
            before = dates[place - 1] if place else None
            after = dates[place + 1] if place + 1 < len(dates) else None
            if _is_minute(tokens, token, index, before, after):
                token = token.lower().replace("m", "n")
        written[index] = _date_part(when.time, token.lower(), half, language)
    return "".join(written)


def _is_minute(tokens: list[tuple[str, str]], token: str, index: int, before: int | None, after: int | None) -> bool:
    hours_before = before is not None and tokens[before][1].lower() in ("h", "hh")
    seconds_after = after is not None and tokens[after][1].lower() in ("s", "ss")
    if token.islower():
        return hours_before or seconds_after
    return (hours_before and before is not None and "".join(t for _, t in tokens[before + 1 : index]) in ("", ":")) or (
        seconds_after and after is not None and "".join(t for _, t in tokens[index + 1 : after]) in ("", ":")
    )


def _date_part(time: datetime, token: str, half: bool, language: str) -> str:
    hour = (time.hour % 12 or 12) if half else time.hour
    weekday = WEEKDAYS[language][time.weekday()]
    month = MONTHS[language][time.month - 1]
    parts = {
        "yyyy": f"{time.year:04}", "yy": f"{time.year % 100:02}",
        "mmmm": month, "mmm": month[:3], "mm": f"{time.month:02}", "m": str(time.month),
        "dddd": weekday, "ddd": weekday[:3], "dd": f"{time.day:02}", "d": str(time.day),
        "hh": f"{hour:02}", "h": str(hour), "nn": f"{time.minute:02}", "n": str(time.minute),
        "ss": f"{time.second:02}", "s": str(time.second), "fff": f"{time.microsecond // 1000:03}",
        "a/p": "P" if time.hour >= 12 else "A",
    }  # fmt: skip
    return parts.get(token, "PM" if time.hour >= 12 else "AM")


def format_as_date(value: Value, pattern: str = "yyyy-MM-dd") -> str:
    """Return a date as a pattern says, `yyyy-MM-dd` without one.

    FORMAT_DATE("31/01/2026", "yyyy-MM-dd") = "2026-01-31"
    """
    return _format_as("FORMAT_DATE", value, pattern)


def format_as_time(value: Value, pattern: str = "HH:mm") -> str:
    """Return a date's time, or a time of day, as a pattern says, `HH:mm` without one.

    FORMAT_TIME("2026-01-31T18:05:00") = "18:05"
    FORMAT_TIME("18:05", "hh:mm AM/PM") = "06:05 PM"
    """
    return _format_as("FORMAT_TIME", value, pattern)


def _format_as(name: str, value: Value, pattern: str) -> str:
    if value is None or value == "":
        return ""
    if len(pattern) > PATTERN_CHARACTERS_MAX:
        raise ScriptError(f"{name} takes a pattern of at most {PATTERN_CHARACTERS_MAX} characters.", "limit")
    try:
        when: DateValue = KINDS["clock"](value)
    except ValueError:
        raise ScriptError(f"{name} expects a date, not {show(value)}.", "argument") from None
    return format_date(when, pattern)


FUNCTIONS: dict[str, Function] = {
    "format": function("any text?", format_value, deep=1, cost=60),
    "format_date": function("any text?", format_as_date, cost=60),
    "format_time": function("any text?", format_as_time, cost=60),
}
