"""Schedules: words to cron, cron to moments, daylight saving zone by zone, and what is due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.compiler import compile_script
from engine.declarations import declarations
from engine.errors import CompileError
from engine.schedule_slots import settle, settle_moment
from engine.schedule_times import BadSchedule, Recurring, next_slot, read_moment, read_schedule, slots
from tests.engine.player import Player

WORDS = {
    "every 1 hour": "0 * * * *",
    "every 5 minutes": "*/5 * * * *",
    "every minute": "* * * * *",
    "every 10 min": "*/10 * * * *",
    "every half hour": "*/30 * * * *",
    "every 30 seconds": "*/30 * * * * *",
    "every 2 hours": "0 */2 * * *",
    "every 90 minutes": "@every 5400s",
    "every 45 minutes": "@every 2700s",
    "@every 1h30m": "@every 5400s",
    "every 24 hours": "0 0 * * *",
    "every 2 days at 9am": "@every 2d 09:00",
    "every 2 weeks on monday at 9": "@every 14d+1 09:00",
    "every other day": "@every 2d 00:00",
    "every hour from 9 to 17": "0 9-17 * * *",
    "every 15 minutes between 9am and 5pm": "*/15 9-17 * * *",
    "every hour between 22 and 6": "0 0,1,2,3,4,5,6,22,23 * * *",
    "every 30 minutes during business hours": "*/30 9-17 * * 1-5",
    "every 15 minutes on weekdays": "*/15 * * * 1-5",
    "business hours": "0 9-17 * * 1-5",
    "at 9am": "0 9 * * *",
    "at 9:30pm": "30 21 * * *",
    "at 14:00": "0 14 * * *",
    "at 14h30": "30 14 * * *",
    "at noon": "0 12 * * *",
    "at midnight": "0 0 * * *",
    "10am": "0 10 * * *",
    "at 9am, 1pm and 5pm": "0 9,13,17 * * *",
    "daily": "0 0 * * *",
    "@daily": "0 0 * * *",
    "daily at 14:30": "30 14 * * *",
    "every day at noon": "0 12 * * *",
    "at 08:00 every day": "0 8 * * *",
    "hourly": "0 * * * *",
    "@hourly": "0 * * * *",
    "weekly": "0 0 * * 0",
    "weekly on monday at 9": "0 9 * * 1",
    "weekdays at 8am": "0 8 * * 1-5",
    "every weekday": "0 0 * * 1-5",
    "weekends at 10am": "0 10 * * 0,6",
    "every monday at 9": "0 9 * * 1",
    "every monday 9": "0 9 * * 1",
    "every tuesday, thursday at 4:45pm": "45 16 * * 2,4",
    "monday to friday at 8": "0 8 * * 1-5",
    "friday to monday at 8": "0 8 * * 0,1,5,6",
    "monthly": "0 0 1 * *",
    "monthly on day 15": "0 0 15 * *",
    "monthly on the 15th at 9am": "0 9 15 * *",
    "on the 1st of every month": "0 0 1 * *",
    "first day of month": "0 0 1 * *",
    "last day of the month at 18:00": "0 18 L * *",
    "end of month": "0 0 L * *",
    "first monday of the month at 10am": "0 10 * * 1#1",
    "last friday of month": "0 0 * * 5L",
    "last weekday of the month": "0 0 LW * *",
    "every month on the 1st and 15th": "0 0 1,15 * *",
    "every 3 months": "0 0 1 */3 *",
    "every quarter": "0 0 1 */3 *",
    "every year on december 25 at 9am": "0 9 25 12 *",
    "every january 1 at 9am": "0 9 1 1 *",
    "yearly": "0 0 1 1 *",
    "0 9 * * *": "0 9 * * *",
    "0 30 9 * * MON-FRI": "0 30 9 * * MON-FRI",
    "0 9 ? * MONDAY": "0 9 * * MON",
}


WORD_SOUP = ["every", "2", "at", "9", "on", "day", "month", "monday", "last", "of", "to", "5", "*", "*/2", "1-5", "L"]


@pytest.mark.parametrize("words", WORDS)
def test_words_are_cron_text(words: str) -> None:
    found = read_schedule(words)
    assert found == Recurring(WORDS[words])
    assert next_slot(found, ZoneInfo("UTC"), datetime(2030, 1, 1, tzinfo=UTC)) is not None


@pytest.mark.parametrize(
    "text",
    [
        "every fish",
        "60 * * * *",
        "0 0 30 2 *",
        "0 9 * *",
        "",
        "at 25:00",
        "every 0 minutes",
        "x" * 300,
        "* * * * * * *",
    ],
)
def test_what_says_no_time_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(BadSchedule) as refused:
        read_schedule(text)
    assert refused.value.message and refused.value.hint


def test_a_zone_may_stand_in_the_text() -> None:
    assert read_schedule("daily at 9 Europe/Lisbon") == Recurring("0 9 * * *", "Europe/Lisbon")
    assert read_schedule("TZ=America/Sao_Paulo 0 9 * * *") == Recurring("0 9 * * *", "America/Sao_Paulo")
    assert read_schedule("every monday at 9am in America/New_York time").zone == "America/New_York"
    with pytest.raises(BadSchedule, match="there is no time zone “Mars/Olympus”"):
        read_schedule("daily at 9 Mars/Olympus")


@given(st.text(max_size=60) | st.lists(st.sampled_from(WORD_SOUP)).map(" ".join))
def test_no_text_breaks_the_reading(text: str) -> None:
    try:
        found = read_schedule(text)
    except BadSchedule:
        return
    assert next_slot(found, ZoneInfo("Europe/Lisbon"), datetime(2030, 1, 1, tzinfo=UTC)) is not None


# ── daylight saving: zone, schedule, from (local), the slots in local time ──

F40 = [
    # 02:30 does not exist: it happens at 03:00, and once.
    ("Europe/Berlin", "30 2 * * *", "2026-03-28 12:00", ["2026-03-29 03:00+02:00", "2026-03-30 02:30+02:00"]),
    ("Europe/Lisbon", "30 1 * * *", "2026-03-28 12:00", ["2026-03-29 02:00+01:00", "2026-03-30 01:30+01:00"]),
    ("America/New_York", "30 2 * * *", "2026-03-07 12:00", ["2026-03-08 03:00-04:00", "2026-03-09 02:30-04:00"]),
    ("America/New_York", "0,30 2 * * *", "2026-03-08 00:00", ["2026-03-08 03:00-04:00", "2026-03-09 02:00-04:00"]),
    ("Africa/Cairo", "30 0 * * *", "2026-04-23 12:00", ["2026-04-24 01:00+03:00", "2026-04-25 00:30+03:00"]),
    # It comes twice: it happens the first time.
    ("Europe/Berlin", "30 2 * * *", "2026-10-24 12:00", ["2026-10-25 02:30+02:00", "2026-10-26 02:30+01:00"]),
    ("America/New_York", "30 1 * * *", "2026-10-31 12:00", ["2026-11-01 01:30-04:00", "2026-11-02 01:30-05:00"]),
    ("Australia/Lord_Howe", "45 1 * * *", "2026-04-04 12:00", ["2026-04-05 01:45+11:00", "2026-04-06 01:45+10:30"]),
    # With seconds, too.
    ("Europe/Berlin", "15 30 2 * * *", "2026-03-28 12:00", ["2026-03-29 03:00:15+02:00", "2026-03-30 02:30:15+02:00"]),
    ("Europe/Berlin", "0 30 2 * * *", "2026-10-24 12:00", ["2026-10-25 02:30+02:00", "2026-10-26 02:30+01:00"]),
    # What runs every hour or half hour runs in both hours, and in no hour that does not exist.
    ("Europe/Berlin", "0 * * * *", "2026-10-25 01:30", ["2026-10-25 02:00+02:00", "2026-10-25 02:00+01:00", "2026-10-25 03:00+01:00"]),
    ("Europe/Berlin", "*/30 * * * *", "2026-03-29 01:15", ["2026-03-29 01:30+01:00", "2026-03-29 03:00+02:00"]),
    ("Europe/Berlin", "@every 5400s", "2026-03-29 00:45", ["2026-03-29 01:00+01:00", "2026-03-29 03:30+02:00"]),
    ("Europe/Berlin", "@every 2d 02:30", "2026-03-26 12:00", ["2026-03-27 02:30+01:00", "2026-03-29 03:30+02:00", "2026-03-31 02:30+02:00"]),
    # Without daylight saving.
    ("America/Sao_Paulo", "0 0 * * *", "2026-10-17 12:00", ["2026-10-18 00:00-03:00", "2026-10-19 00:00-03:00"]),
    ("Asia/Kolkata", "30 2 L * *", "2026-02-01 00:00", ["2026-02-28 02:30+05:30", "2026-03-31 02:30+05:30"]),
]  # fmt: skip


@pytest.mark.parametrize(("zone", "cron", "start", "expected"), F40)
def test_f40_daylight_saving(zone: str, cron: str, start: str, expected: list[str]) -> None:
    place = ZoneInfo(zone)
    after = datetime.fromisoformat(start).replace(tzinfo=place)
    found = list(islice(slots(Recurring(cron), place, after), len(expected)))
    assert found == [datetime.fromisoformat(text).astimezone(UTC) for text in expected]


def test_f40_what_was_missed_over_the_change_is_started_once() -> None:
    place = ZoneInfo("Europe/Berlin")
    settled = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # 02:30 the first time
    for minutes in range(1, 180):
        now = settled + timedelta(minutes=minutes)
        assert settle(Recurring("30 2 * * *"), place, settled, now, "all", 100).start == ()


@given(
    st.integers(0, 2 * 366 * 24 * 60),
    st.sampled_from(["30 2 * * *", "*/20 1-3 * * *", "0 30 1 * * *", "@every 1d 02:30"]),
)
def test_f40_slots_ascend_wherever_one_begins(minutes: int, cron: str) -> None:
    place = ZoneInfo("America/New_York")
    after = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    found = list(islice(slots(Recurring(cron), place, after), 6))
    assert found == sorted(set(found)) and found[0] > after
    assert list(islice(slots(Recurring(cron), place, found[0]), 5)) == found[1:], (
        "going on is the same as going through"
    )


def test_f41_far_away() -> None:
    utc = ZoneInfo("UTC")
    assert next_slot(Recurring("0 0 29 2 *"), utc, datetime(2096, 3, 1, tzinfo=UTC)) == datetime(
        2104, 2, 29, tzinfo=UTC
    )
    assert next_slot(Recurring("0 0 1 1 *"), utc, datetime(9999, 12, 31, tzinfo=UTC)) is None
    assert read_moment("2126-01-01 09:00", datetime(2026, 1, 1, tzinfo=UTC), utc) == datetime(2126, 1, 1, 9, tzinfo=UTC)


def test_moments() -> None:
    now, lisbon = datetime(2026, 7, 1, 10, 0, tzinfo=UTC), ZoneInfo("Europe/Lisbon")
    assert read_moment("2026-07-02 09:00", now, lisbon) == datetime(2026, 7, 2, 8, tzinfo=UTC)
    assert read_moment("2026-07-02T09:00:00-03:00", now, lisbon) == datetime(2026, 7, 2, 12, tzinfo=UTC)
    assert read_moment("PT90M", now, lisbon) == datetime(2026, 7, 1, 11, 30, tzinfo=UTC)
    assert read_moment("in 10 minutes", now, lisbon) == datetime(2026, 7, 1, 10, 10, tzinfo=UTC)
    assert read_moment("tomorrow at 9am", now, lisbon) == datetime(2026, 7, 2, 8, tzinfo=UTC)
    assert read_moment("0 9 * * *", now, lisbon) is None
    for text in ("in 999999999999 weeks", "P9999Y", "9999-12-31 23:59:00-12:00"):
        with pytest.raises(BadSchedule, match="is too far away"):
            read_moment(text, now, ZoneInfo("America/New_York"))


# ── what is due ──


def test_what_is_due_by_the_policy() -> None:
    hourly, utc, settled = Recurring("0 * * * *"), ZoneInfo("UTC"), datetime(2026, 1, 1, 0, tzinfo=UTC)
    on_time, late = settled + timedelta(hours=1, seconds=3), settled + timedelta(hours=3, minutes=5)
    for missed in ("skip", "once", "all"):
        assert settle(hourly, utc, settled, on_time, missed, 10).start == (settled + timedelta(hours=1),)
    hours = [settled + timedelta(hours=h) for h in range(1, 5)]
    assert settle(hourly, utc, settled, late, "skip", 10).start == ()
    assert settle(hourly, utc, settled, late, "once", 10).start == (hours[2],)
    assert settle(hourly, utc, settled, late, "all", 10).start == tuple(hours[:3])
    assert settle(hourly, utc, settled, late, "all", 2).start == tuple(hours[1:3])
    assert settle(hourly, utc, settled, late, "once", 10).next_at == hours[3]
    assert settle(hourly, utc, late, settled, "all", 10).start == (), "a clock that stepped back"
    moment = settled + timedelta(hours=1)
    assert settle_moment(moment, late, "once").start == (moment,) and settle_moment(moment, late, "skip").start == ()


def test_a_year_missed_of_every_second_costs_little() -> None:
    settled = datetime(2026, 1, 1, tzinfo=UTC)
    done = settle(Recurring("* * * * * *"), ZoneInfo("UTC"), settled, settled + timedelta(days=365), "all", 100)
    assert len(done.start) == 100 and done.start[-1] == settled + timedelta(days=365)


# ── statements ──


def asked(source: str) -> list[dict[str, object]]:
    """Return what a script asks for when it runs."""
    player = Player(compile_script("test.bas", {"test.bas": source}))
    player.run()
    assert player.done is not None and player.done.failure is None, player.transcript
    return [row[2] for row in player.schedules]  # type: ignore[misc]


def declared(source: str) -> list[object]:
    return [d.data for d in declarations(compile_script("test.bas", {"test.bas": source}))]


@pytest.mark.parametrize(
    ("source", "cron"),
    [
        ('SET SCHEDULE "0 9 * * *"', "0 9 * * *"),
        ("SET SCHEDULE '0 9 * * *'", "0 9 * * *"),
        ("SET SCHEDULE every 1 hour", "0 * * * *"),
        ("SET SCHEDULE at 9am ' daily", "0 9 * * *"),
        ("SCHEDULE daily", "0 0 * * *"),
        ("SET SCHEDULE 0 9 * * 1-5", "0 9 * * 1-5"),
        ("SET SCHEDULE @daily", "0 0 * * *"),
        ('SET_SCHEDULE("weekdays at 8am")', "0 8 * * 1-5"),
        ('SUB s\nSET SCHEDULE "every hour"\nEND SUB', "0 * * * *"),
    ],
)
def test_alone_it_is_declared_and_does_nothing(source: str, cron: str) -> None:
    [data] = declared(source)
    assert isinstance(data, dict) and data["cron"] == cron
    assert asked(source) == []


@pytest.mark.parametrize(
    ("source", "row"),
    [
        ('SET SCHEDULE "0 9 * * *", "x.bas"', {"cron": "0 9 * * *", "script": "x.bas"}),
        ('SET SCHEDULE "0 9 * * *" "x.bas"', {"cron": "0 9 * * *", "script": "x.bas"}),
        ('SET SCHEDULE "0 9 * * *" "x.bas" "p"', {"script": "x.bas", "procedure": "p"}),
        ('SET SCHEDULE "0 9 * * *" "x.bas" "p", 1, 2', {"procedure": "p", "arguments": [1, 2]}),
        ('SET SCHEDULE every monday, friday at 9, "x"', {"cron": "0 9 * * 1,5", "script": "x.bas"}),
        ('SET SCHEDULE */5 * * * *, "x"', {"cron": "*/5 * * * *"}),
        ('SET SCHEDULE every 1 hour "x"', {"cron": "0 * * * *"}),
        ('w = "daily"\nSET SCHEDULE w, "x", 1', {"cron": "0 0 * * *", "arguments": [1]}),
        ('SCHEDULE "daily at 9", "x"', {"cron": "0 9 * * *"}),
        ('SET SCHEDULE "2026-12-24 09:00", "x"', {"at": "2026-12-24T09:00:00+00:00"}),
        ('SET SCHEDULE DATEADD(NOW(), 1, "hour"), "x"', {"at": "2026-03-14T10:26:00+00:00"}),
        ('SET SCHEDULE HOURS(2), "x"', {"at": "2026-03-14T11:26:00+00:00"}),
        ('SET SCHEDULE DATEADD(NOW(), 1, "hour")', {"at": "2026-03-14T10:26:00+00:00", "script": "test.bas"}),
        ('SET SCHEDULE "0 9 * * *" DATEADD(TODAY(), 3, "day"), "x"', {"cron": "0 9 * * *", "once": True}),
        ('SCHEDULE IN 5 MINUTES, "x", 3', {"at": "2026-03-14T09:31:00+00:00", "arguments": [3]}),
        ("n = 2\nSCHEDULE IN n DAYS DO\nTALK n\nEND SCHEDULE", {"block": 2, "variables": {"n": 2}}),
    ],
)
def test_with_a_script_it_asks(source: str, row: dict[str, object]) -> None:
    [found] = asked(source)
    assert found.items() >= row.items(), found
    assert declared(source) == []


def test_asking_for_the_same_has_the_same_name_and_schedule_is_a_variable_too() -> None:
    player = Player(
        compile_script(
            "t", {"t": 'FOR i = 1 TO 2\nSET SCHEDULE "daily", "x", 1\nNEXT\nSET SCHEDULE "daily", "x", 2\nschedule = 3'}
        )
    )
    player.run()
    first, second, third = (row[1] for row in player.schedules)
    assert first == second != third


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ('SET SCHEDULE "every fish"', "“every fish” says no time"),
        ("SET SCHEDULE every fish", "“every fish” says no time"),
        ("FOR i = 1 TO 2\nSCHEDULE IN 1 DAYS DO\nEXIT FOR\nEND SCHEDULE\nNEXT", "there is no FOR loop"),
        ("SCHEDULE IN 1 DAYS DO\nTALK 1", "is never closed"),
    ],
)
def test_what_is_wrong_is_said_when_it_is_compiled(source: str, sentence: str) -> None:
    with pytest.raises(CompileError) as refused:
        compile_script("t", {"t": source})
    assert sentence in refused.value.problems[0].message
