"""The command schedules, on a database whose daemon has gone."""

from __future__ import annotations

from daemon.app import run_daemon
from daemon.settings import load_settings
from tests.cli.terminal import Command
from tests.conftest import run


async def deploy(dsn: str) -> None:
    async with run_daemon(load_settings(None, {"database.url": dsn}, environ={})) as daemon:
        await daemon.deploy({"a.bas": 'SET SCHEDULE "every day at 3:30"\nPRINT 1', "b.bas": "SCHEDULE hourly\nPRINT 1"})
        await daemon.idle()


def test_schedules_lists_and_acts(stepwell: Command, database: str) -> None:
    at = ("--database-url", database)
    assert "There are no schedules" in stepwell("schedules", *at).out
    run(deploy(database))
    told = stepwell("schedules", *at)
    assert told.status == 0 and "every day at 3:30 (30 3 * * *)" in told.out, told.out
    [row] = stepwell("schedules", "--script", "a.bas", "--json", *at).document()
    number = str(row["id"])
    assert stepwell("schedules", "pause", number, *at).out.startswith(f"Schedule {number} is paused")
    assert stepwell("schedules", "pause", number, *at).status == 0
    assert stepwell("schedules", "resume", number, *at).status == 0
    assert "started a.bas as execution" in stepwell("schedules", "trigger", number, *at).out
    backfill = ("schedules", "backfill", number, "2026-01-01 03:30", "2026-01-10 00:00")
    assert stepwell(*backfill, *at).out == f"9 slots of schedule {number} started.\n"
    assert "No slots" in stepwell(*backfill, *at).out
    assert stepwell("schedules", "pause", "999", *at).err == (
        "stepwell: There is no schedule 999. The view workflow_timetable lists them.\n"
    )
    assert stepwell("schedules", "backfill", number, *at).status == 2
    assert "is no moment" in stepwell("schedules", "backfill", number, "x", "y", *at).err
