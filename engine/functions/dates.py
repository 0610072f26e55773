"""Functions of dates and durations. A date is ISO 8601 text; NOW and TODAY read the clock of the turn."""

from __future__ import annotations

from datetime import date, datetime

from engine.dates import MONTHS, WEEKDAYS, DateValue, add_duration, difference, parse_date, subtract_dates
from engine.durations import SECONDS_OF_UNIT, Duration, duration_of, parse_duration, unit_named, unit_of
from engine.errors import ScriptError
from engine.functions.signature import KINDS, Function, Moment, function
from engine.values import Value, show, to_number


def now(moment: Moment) -> str:
    """Return the date and time of the turn in the configured zone, with its offset.

    NOW() = "2026-11-22T10:05:16-03:00"
    """
    return moment.now.astimezone(moment.zone).isoformat(timespec="seconds")


def today(moment: Moment) -> str:
    """Return the date of the turn in the configured zone.

    TODAY() = "2026-11-22"
    """
    return moment.now.astimezone(moment.zone).date().isoformat()


def clock(moment: Moment) -> str:
    """Return the time of day of the turn in the configured zone.

    TIME() = "10:05:16"
    """
    return moment.now.astimezone(moment.zone).strftime("%H:%M:%S")


def timestamp(moment: Moment, when: DateValue | None = None) -> int:
    """Return the seconds since 1970 (UTC) of the turn, or of a date, read in the configured zone.

    TIMESTAMP("2026-01-01T00:00:00Z") = 1767225600
    """
    if when is None:
        return int(moment.now.timestamp())
    return int((when.time if when.time.tzinfo else when.time.replace(tzinfo=moment.zone)).timestamp())


def _unit_amount(name: str, first: Value, second: Value) -> tuple[str, int | float]:
    """Return unit and amount, in whichever order they came."""
    if isinstance(first, str) and unit_named(first) is not None:
        first, second = second, first
    if not isinstance(second, str):
        raise ScriptError(f'{name} expects a unit such as "day", not {show(second)}.', "argument")
    try:
        return unit_of(name, second), to_number(first)
    except ScriptError as error:
        if error.kind != "type":
            raise
        raise ScriptError(f"{name} expects a number of {second}s, not {show(first)}.", "argument") from None


def _date(name: str, value: Value) -> DateValue:
    try:
        read: DateValue = KINDS["date"](value)
    except ValueError:
        raise ScriptError(f'{name} expects a date such as "2026-01-31", not {show(value)}.', "argument") from None
    return read


def date_add(moment: Moment, first: Value, second: Value, third: Value = None) -> str:
    """Return a date moved by so many of a unit; amount and unit in either order, or a duration.

    DATEADD("2026-01-31", 1, "month") = "2026-02-28"
    DATEADD("2026-01-31", "day", 1) = "2026-02-01"
    DATEADD("2026-01-31", DAYS(1)) = "2026-02-01"
    """
    if third is None:
        duration = parse_duration(second) if isinstance(second, str) else None
        if duration is None:
            duration = duration_of(_unit_amount("DATEADD", second, "day")[1], "day")
    else:
        if isinstance(first, str) and unit_named(first) is not None:
            first, second, third = third, second, first
        unit, amount = _unit_amount("DATEADD", second, third)
        duration = duration_of(amount, unit)
    return add_duration(_date("DATEADD", first), duration, moment.zone).text()


def date_difference(first: Value, second: Value, third: Value = None) -> int:
    """Return a - b in days; with a unit, first or last, b - a in whole units.

    DATEDIFF("2026-01-31", "2026-01-01") = 30
    DATEDIFF("2026-01-01", "2026-03-01", "month") = 2
    DATEDIFF("day", "2026-01-01", "2026-01-31") = 30
    """
    if third is None:
        a, b = _date("DATEDIFF", first), _date("DATEDIFF", second)
        return (a.time.date() - b.time.date()).days
    if isinstance(first, str) and parse_date(first) is None:
        first, second, third = second, third, first
    if not isinstance(third, str):
        raise ScriptError(f'DATEDIFF expects a unit such as "day", not {show(third)}.', "argument")
    unit = unit_of("DATEDIFF", third)
    return difference(_date("DATEDIFF", first), _date("DATEDIFF", second), unit)


def days_between(start: DateValue, end: DateValue) -> int:
    """Return how many days lie between two dates, the first one the earlier.

    DAYS_BETWEEN("2026-01-01", "2026-01-31") = 30
    """
    return (end.time.date() - start.time.date()).days


def hours_between(start: DateValue, end: DateValue) -> int | float:
    """Return how many hours lie between two dates, with fractions.

    HOURS_BETWEEN("2026-01-01T08:00", "2026-01-01T09:30") = 1.5
    """
    return _units_between(start, end, "hour")


def minutes_between(start: DateValue, end: DateValue) -> int | float:
    """Return how many minutes lie between two dates, with fractions.

    MINUTES_BETWEEN("2026-01-01T08:00", "2026-01-01T09:30") = 90
    """
    return _units_between(start, end, "minute")


def _units_between(start: DateValue, end: DateValue, unit: str) -> int | float:
    amount = subtract_dates(end, start) / SECONDS_OF_UNIT[unit]
    return int(amount) if amount == int(amount) else amount


def year(when: DateValue) -> int:
    """Return the year of a date.

    YEAR("2026-11-22") = 2026
    """
    return when.time.year


def month(when: DateValue) -> int:
    """Return the month of a date, 1 to 12.

    MONTH("2026-11-22") = 11
    """
    return when.time.month


def day(when: DateValue) -> int:
    """Return the day of the month of a date.

    DAY("2026-11-22") = 22
    """
    return when.time.day


def hour(when: DateValue) -> int:
    """Return the hour of a date or a time of day, 0 to 23.

    HOUR("2026-11-22T18:30") = 18
    HOUR("6:30 pm") = 18
    """
    return when.time.hour


def minute(when: DateValue) -> int:
    """Return the minute of a date or a time of day.

    MINUTE("18:30") = 30
    """
    return when.time.minute


def second(when: DateValue) -> int:
    """Return the second of a date or a time of day.

    SECOND("18:30:15") = 15
    """
    return when.time.second


def weekday(when: DateValue) -> int:
    """Return the day of the week, 1 for Sunday to 7 for Saturday.

    WEEKDAY("2026-11-22") = 1
    """
    return when.time.isoweekday() % 7 + 1


def _language(name: str, language: str) -> str:
    code = language[:2].lower()
    if code not in MONTHS:
        raise ScriptError(f'{name} knows the languages {", ".join(MONTHS)}, not "{language[:20]}".', "argument")
    return code


def _number_or_date(name: str, value: Value, part: str) -> int:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 100:
        return int(value)
    when = _date(name, value)
    return when.time.month if part == "month" else weekday(when)


def month_name(value: Value, language: str = "en") -> str:
    """Return the name of a month, by its number or by a date in it.

    MONTHNAME(3) = "March"
    MONTHNAME("2026-03-01", "pt") = "março"
    """
    names = MONTHS[_language("MONTHNAME", language)]
    number = _number_or_date("MONTHNAME", value, "month")
    if not 1 <= number <= 12:
        raise ScriptError(f"MONTHNAME expects a number from 1 to 12, not {number}.", "argument")
    return names[number - 1]


def weekday_name(value: Value, language: str = "en") -> str:
    """Return the name of a day of the week, by its number (1 is Sunday) or by a date.

    WEEKDAYNAME(1) = "Sunday"
    WEEKDAYNAME("2026-11-23") = "Monday"
    """
    names = WEEKDAYS[_language("WEEKDAYNAME", language)]
    number = _number_or_date("WEEKDAYNAME", value, "weekday")
    if not 1 <= number <= 7:
        raise ScriptError(f"WEEKDAYNAME expects a number from 1 to 7, not {number}.", "argument")
    return names[(number - 2) % 7]


def date_value(when: DateValue) -> str:
    """Return a date in any usual spelling as ISO 8601; the day stands before the month where both could be.

    DATEVALUE("31/01/2026") = "2026-01-31"
    DATEVALUE("January 5, 2026") = "2026-01-05"
    """
    return when.time.date().isoformat()


def date_serial(year: int, month: int, day: int) -> str:
    """Return the date of a year, a month and a day; months and days beyond the end go on in the next.

    DATESERIAL(2026, 14, 1) = "2027-02-01"
    """
    index = year * 12 + month - 1
    if not (12 <= index < 120_000 and abs(day) < 4_000_000):
        raise ScriptError("DATESERIAL expects a date in the years 1 to 9999.", "argument")
    first = DateValue(datetime(index // 12, index % 12 + 1, 1), False)
    return add_duration(first, Duration(days=day - 1), None).text()


def date_of(moment: Moment, *arguments: Value) -> str:
    """Return today's date, the day of a date, or the date of a year, a month and a day.

    DATE() = "2026-11-22"
    DATE("2026-01-31T18:30") = "2026-01-31"
    DATE(2026, 1, 31) = "2026-01-31"
    """
    if not arguments:
        return today(moment)
    if len(arguments) == 1:
        return date_value(_date("DATE", arguments[0]))
    if len(arguments) != 3:
        raise ScriptError(f"DATE takes 0, 1 or 3 arguments, not {len(arguments)}.", "argument")
    y, m, d = (int(to_number(argument)) for argument in arguments)
    return date_serial(y, m, d)


def end_of_month(when: DateValue) -> str:
    """Return the last day of the month of a date.

    EOMONTH("2026-02-10") = "2026-02-28"
    """
    first = date(when.time.year, when.time.month, 1)
    return date_serial(first.year, first.month + 1, 0)


def is_date(value: Value) -> bool:
    """Return whether the value is a date in one of the usual spellings.

    ISDATE("31/01/2026") = TRUE
    ISDATE("31/02/2026") = FALSE
    """
    return isinstance(value, str) and parse_date(value) is not None


FUNCTIONS: dict[str, Function] = {
    "now": function("", now, moment=True),
    "today": function("", today, moment=True),
    "time": function("", clock, moment=True),
    "timestamp": function("date?", timestamp, moment=True),
    "dateadd": function("any any any?", date_add, moment=True, cost=12),
    "datediff": function("any any any?", date_difference),
    "days_between": function("date date", days_between),
    "hours_between": function("date date", hours_between),
    "minutes_between": function("date date", minutes_between),
    "year": function("date", year),
    "month": function("date", month),
    "day": function("date", day),
    "hour": function("clock", hour),
    "minute": function("clock", minute),
    "second": function("clock", second),
    "weekday": function("date", weekday),
    "monthname": function("any text?", month_name),
    "weekdayname": function("any text?", weekday_name),
    "datevalue": function("date", date_value),
    "dateserial": function("whole whole whole", date_serial),
    "date": function("any*", date_of, moment=True),
    "eomonth": function("date", end_of_month, cost=12),
    "isdate": function("any", is_date),
}
