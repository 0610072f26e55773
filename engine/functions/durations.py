"""Durations, ISO 8601 text that can be added to a date, and the functions that add them."""

from __future__ import annotations

from engine.dates import DateValue, add_duration
from engine.durations import duration_of
from engine.errors import ScriptError
from engine.functions.dates import date_difference
from engine.functions.signature import Function, Moment, function
from engine.values import Value, show, to_number


def days(first: Value, second: Value = None) -> Value:
    """Return a duration of so many days; with two dates, the first less the second in days.

    DAYS(3) = "P3D"
    DAYS("2026-01-31", "2026-01-01") = 30
    """
    if second is not None:
        return date_difference(first, second)
    return _duration("DAYS", first, "day")


def _duration(name: str, amount: Value, unit: str) -> str:
    try:
        return duration_of(to_number(amount), unit).text()
    except ScriptError as error:
        if error.kind == "limit":
            raise
        raise ScriptError(f"{name} expects a number, not {show(amount)}.", "argument") from None


def weeks(amount: Value) -> str:
    """Return a duration of so many weeks.

    WEEKS(2) = "P2W"
    """
    return _duration("WEEKS", amount, "week")


def hours(amount: Value) -> str:
    """Return a duration of so many hours.

    HOURS(2) = "PT2H"
    """
    return _duration("HOURS", amount, "hour")


def minutes(amount: Value) -> str:
    """Return a duration of so many minutes.

    MINUTES(90) = "PT1H30M"
    """
    return _duration("MINUTES", amount, "minute")


def seconds(amount: Value) -> str:
    """Return a duration of so many seconds.

    SECONDS(30) = "PT30S"
    """
    return _duration("SECONDS", amount, "second")


def months(amount: Value) -> str:
    """Return a duration of so many months.

    MONTHS(2) = "P2M"
    """
    return _duration("MONTHS", amount, "month")


def years(amount: Value) -> str:
    """Return a duration of so many years.

    YEARS(1) = "P1Y"
    """
    return _duration("YEARS", amount, "year")


def _adder(unit: str) -> Function:
    def add(moment: Moment, when: DateValue, amount: int | float) -> str:
        return add_duration(when, duration_of(amount, unit), moment.zone).text()

    add.__doc__ = (
        f"Return the date moved by so many {unit}s; a number below 0 moves it back.\n\n"
        f'    ADD_{unit.upper()}S("2026-03-15", 0) = "2026-03-15"\n    '
    )
    return function("date number", add, moment=True, cost=12)


FUNCTIONS: dict[str, Function] = {
    "days": function("any any?", days),
    "weeks": function("any", weeks),
    "hours": function("any", hours),
    "minutes": function("any", minutes),
    "seconds": function("any", seconds),
    "months": function("any", months),
    "years": function("any", years),
    **{f"add_{unit}s": _adder(unit) for unit in ("year", "month", "week", "day", "hour", "minute", "second")},
}
