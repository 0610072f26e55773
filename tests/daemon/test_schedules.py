"""Schedules over the real daemon: what deploying registers, what scripts ask for, what is fired when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from daemon.app import run_daemon
from daemon.store import open_pool
from daemon.store_schedules import ListedSchedule, ScheduleStore
from tests.daemon.conversing import Chat, chatting, execute, fetch, settings_of

START = datetime(2030, 1, 7, 8, 59, tzinfo=UTC)  # a Monday


async def set_clock(dsn: str, at: datetime) -> None:
    """Have the schema's clock stand still there."""
    await execute(
        dsn,
        "create or replace function workflow_now() returns timestamptz stable language sql"
        f" return timestamptz '{at.isoformat()}'",
    )


class Timetable:
    """A daemon whose clock stands still until it is moved."""

    def __init__(self, chat: Chat, store: ScheduleStore) -> None:
        self.chat = chat
        self.store = store

    async def at(self, moment: datetime) -> None:
        """Move the clock there and let everything happen that is due."""
        await set_clock(self.chat.dsn, moment)
        self.chat.daemon.look()
        await self.chat.idle()

    async def one(self) -> ListedSchedule:
        """Return the only schedule."""
        [schedule] = await self.store.list()
        return schedule

    async def runs(self) -> list[str]:
        """Return the scripts that schedules have started, in order."""
        rows = await fetch(
            self.chat.dsn,
            "select workflow_name from workflow_executions where schedule_id is not null order by start_order",
        )
        return [row[0] for row in rows]

    async def said(self) -> list[str]:
        """Return what was said, to whomever, in order."""
        rows = await fetch(self.chat.dsn, "select content from workflow_replies order by id")
        return [row[0] for row in rows]


@asynccontextmanager
async def timetable(dsn: str, scripts: dict[str, str], **flags: Any) -> AsyncIterator[Timetable]:
    """Run a daemon on a clock that stands at START, with scripts deployed."""
    await set_clock(dsn, START)
    pool = await open_pool(dsn, size_min=0, size_max=2)
    try:
        async with chatting(dsn, scripts, **flags) as chat:
            await chat.idle()
            yield Timetable(chat, ScheduleStore(pool))
    finally:
        await pool.close()


async def test_deploying_registers_and_each_slot_is_started_once(database: str) -> None:
    scripts = {"a.bas": 'SET SCHEDULE "0 9 * * *"\nTALK "good morning"'}
    async with timetable(database, scripts) as world:
        assert (await world.one()).next_at == START + timedelta(minutes=1)
        await world.at(START + timedelta(seconds=59))
        assert await world.runs() == []
        await world.at(START + timedelta(minutes=1))
        await world.at(START + timedelta(minutes=2))
        assert await world.runs() == ["a.bas"] and await world.said() == ["good morning"]
        assert (await world.one()).next_at == START + timedelta(days=1, minutes=1)
        deployed = await world.chat.daemon.deploy(scripts)
        assert deployed.changed == ()
        assert (await world.one()).fired == 1, "deploying again changes nothing"
        await world.chat.daemon.deploy({"a.bas": 'SET SCHEDULE "weekdays at 8am"\nTALK "earlier"'})
        await world.at(START + timedelta(days=1, minutes=2))
        assert (await world.one()).what == "weekdays at 8am" and await world.said() == ["good morning", "earlier"]
        await world.chat.daemon.deploy({"b.bas": 'TALK "b"'}, withdraw=True)
        assert await world.store.list() == []


async def test_f39_a_clock_that_steps_back_fires_no_slot_twice(database: str) -> None:
    async with timetable(database, {"a.bas": 'SET SCHEDULE "*/5 * * * *"\nTALK "tick"'}) as world:
        for minutes in (1, 6, 1, 3, 6, 0, 6, 11):
            await world.at(START + timedelta(minutes=minutes))
        assert len(await world.runs()) == 3
        rows = await fetch(database, "select start_key from workflow_executions where schedule_id is not null")
        assert sorted(row[0].split(":", 2)[2] for row in rows) == [
            "2030-01-07T09:00:00.000000",
            "2030-01-07T09:05:00.000000",
            "2030-01-07T09:10:00.000000",
        ]


async def test_f43_two_daemons_fire_each_slot_once(database: str) -> None:
    async with (
        timetable(database, {"a.bas": 'SET SCHEDULE "* * * * * *"\nPRINT 1'}) as world,
        run_daemon(settings_of(), dsn=database, seed=8) as other,
    ):
        for seconds in range(1, 11):
            await set_clock(database, START + timedelta(seconds=seconds))
            world.chat.daemon.look()
            other.schedules.bell.ring()
            await world.chat.idle()
        assert len(await world.runs()) == 10


async def test_f43_the_same_slot_fired_at_once_from_many_connections(database: str) -> None:
    async with timetable(database, {"a.bas": 'SET SCHEDULE "0 9 * * *"\nPRINT 1'}) as world:
        schedule = await world.one()
        slot = START + timedelta(minutes=1)
        connections = [await asyncpg.connect(database) for _ in range(8)]
        counts = await asyncio.gather(
            *(c.fetchval("select workflow_backfill_schedule($1, $2)", schedule.id, [slot]) for c in connections)
        )
        assert sorted(counts) == [0] * 7 + [1]
        for connection in connections:
            await connection.close()
        await world.at(slot)
        assert await world.runs() == ["a.bas"], "what was backfilled is not fired"


async def test_missed_slots_follow_the_policy(database: str) -> None:
    for missed, runs in (("skip", 0), ("once", 1), ("all", 3)):
        await execute(database, "delete from workflow_schedules", "delete from workflow_declarations")
        async with timetable(
            database, {f"{missed}.bas": 'SET SCHEDULE "0 * * * *"\nPRINT 1'}, schedules__missed=missed
        ):
            pass
        await set_clock(database, START + timedelta(hours=3))  # 9:00, 10:00 and 11:00 found no daemon
        async with run_daemon(settings_of(schedules__missed=missed), dsn=database, seed=9) as daemon:
            await daemon.idle()
            daemon.look()
            await daemon.idle()
        rows = await fetch(database, "select 1 from workflow_executions where workflow_name = $1", f"{missed}.bas")
        assert len(rows) == runs, missed


async def test_all_that_was_missed_is_bounded(database: str) -> None:
    async with timetable(database, {"a.bas": 'SET SCHEDULE "* * * * *"\nPRINT 1'}) as world:
        await execute(database, "update workflow_schedules set missed = 'all'")
        await world.at(START + timedelta(days=400))
        assert len(await world.runs()) == 100


async def test_a_script_asks_for_another_and_asking_again_changes_nothing(database: str) -> None:
    asks = 'FOR i = 1 TO 3\nSET SCHEDULE DATEADD(NOW(), 1, "hour"), "remind.bas", "Ada"\nNEXT\nTALK "asked"'
    remind = 'PARAM who\nTALK "remember, ${who}"'
    async with timetable(database, {"ask.bas": asks, "remind.bas": remind}) as world:
        session, _ = await world.chat.start("ask.bas")
        await world.chat.start("ask.bas")
        schedule = await world.one()
        assert (schedule.origin, schedule.next_at) == ("execution", START + timedelta(hours=1))
        await world.at(START + timedelta(hours=1))
        await world.at(START + timedelta(hours=2))
        assert await world.runs() == ["remind.bas"]
        assert await world.chat.said(session) == ["asked"], "there is no conversation where it ran"
        assert (await world.said())[-1] == "remember, Ada"
        await world.at(START + timedelta(days=3))
        world.chat.daemon.schedules._forget_at = 0.0
        await world.at(START + timedelta(days=3, hours=1))
        assert await world.store.list() == [], "what ran once is forgotten after a day"


async def test_a_block_runs_later_in_the_session_with_the_variables_of_then(database: str) -> None:
    script = (
        'SUB hello(who)\n  TALK "hello ${who} ${n}"\nEND SUB\nn = 1\nTRY\nFOR EACH name IN ["Ada", "Bob"]\n'
        '  SCHEDULE IN 10 MINUTES DO\n    hello name\n    IF name = "Bob" THEN THROW "no"\n  END SCHEDULE\nNEXT\n'
        'CATCH e\nTALK "caught"\nEND TRY\nn = 2\nTALK "asked"\nHEAR x\nTALK "heard ${x}"'
    )
    async with timetable(database, {"block.bas": script}) as world:
        session, execution = await world.chat.start("block.bas")
        other, _ = await world.chat.start("block.bas")
        await world.at(START + timedelta(minutes=9))
        assert await world.chat.said(session) == ["asked"]
        await world.at(START + timedelta(minutes=10))
        assert sorted(await world.chat.said(session)) == ["hello Ada 1", "hello Bob 1"]
        assert sorted(await world.chat.said(other)) == ["asked", "hello Ada 1", "hello Bob 1"], (
            "each session has its own"
        )
        assert await world.chat.say(session, "yes") == ["heard yes"], "the conversation goes on as it was"
        assert await world.chat.status(execution) == "completed"
        rows = await fetch(
            database, "select script_path, status from workflow_executions where schedule_id is not null order by 2"
        )
        assert [tuple(row) for row in rows] == [("block.bas#5", "completed")] * 2 + [("block.bas#5", "failed")] * 2


async def test_f44_a_block_runs_by_the_plan_it_was_asked_by(database: str) -> None:
    script = 'SCHEDULE IN 1 HOURS DO\nTALK "old"\nEND SCHEDULE'
    async with timetable(database, {"block.bas": script}) as world:
        session, _ = await world.chat.start("block.bas")
        await world.chat.daemon.deploy({"other.bas": "TALK 1"}, withdraw=True)
        await world.at(START + timedelta(hours=1))
        assert await world.chat.said(session) == ["old"]


async def test_a_procedure_and_a_first_date(database: str) -> None:
    ask = 'SET SCHEDULE "0 9 * * *" "job.bas" "night"\nSET SCHEDULE "30 9 * * *" DATEADD(TODAY(), 2, "day"), "job.bas"'
    job = 'SUB night(who)\nTALK "procedure"\nEND SUB\nTALK "whole"'
    async with timetable(database, {"ask.bas": ask, "job.bas": job}) as world:
        await world.chat.start("ask.bas")
        for days in range(5):
            await world.at(START + timedelta(days=days, minutes=1))
            await world.at(START + timedelta(days=days, minutes=31))
        assert await world.said() == ["procedure"] * 3 + ["whole"] + ["procedure"] * 2


async def test_clear_schedule_takes_back_what_was_asked_for(database: str) -> None:
    ask = 'SET SCHEDULE "every 1 hour", "job.bas"'
    scripts = {"ask.bas": ask, "job.bas": 'SET SCHEDULE "0 3 * * *"', "clear.bas": 'CLEAR SCHEDULE "job"'}
    async with timetable(database, scripts) as world:
        await world.chat.start("ask.bas")
        assert len(await world.store.list()) == 2
        await world.chat.start("clear.bas")
        assert (await world.one()).origin == "deploy"


async def test_f41_a_hundred_years_away(database: str) -> None:
    scripts = {"ask.bas": 'SET SCHEDULE "2130-01-07 09:00", "ask.bas"\nSCHEDULE IN 5000 WEEKS DO\nTALK 1\nEND SCHEDULE'}
    async with timetable(database, scripts) as world:
        await world.chat.start("ask.bas")
        assert sorted(s.next_at.year for s in await world.store.list() if s.next_at) == [2125, 2130]
        await world.at(datetime(2130, 1, 7, 9, 0, tzinfo=UTC))
        assert await world.runs() == ["ask.bas", "ask.bas"]


async def test_operators_pause_resume_trigger(database: str) -> None:
    async with timetable(database, {"a.bas": 'SET SCHEDULE "0 * * * *"\nPRINT 1'}) as world:
        schedule = await world.one()
        assert (await world.store.pause(schedule.id)).changed
        assert not (await world.store.pause(schedule.id)).changed
        await world.at(START + timedelta(hours=3))
        assert await world.runs() == []
        assert (await world.store.trigger(schedule.id)).sentence.startswith(f"Schedule {schedule.id} started a.bas")
        assert (await world.store.resume(schedule.id)).changed
        await world.at(START + timedelta(hours=3, minutes=1))
        assert len(await world.runs()) == 2 and (await world.one()).next_at == START + timedelta(hours=4, minutes=1)


async def test_other_programs_schedule_by_sql(database: str) -> None:
    async with timetable(database, {"a.bas": 'PARAM who\nTALK "for ${who}"'}) as world:
        ask = "select workflow_schedule('a.bas', $1, params => '{\"WHO\": \"Ada\"}', zone => $2)"
        [[first]] = await fetch(database, ask, "daily at 9", "America/Sao_Paulo")
        assert [[first]] == [list(r) for r in await fetch(database, ask, "daily at 9", "America/Sao_Paulo")]
        await fetch(database, ask, "every fish", None)
        await world.chat.idle()
        good, bad = await world.store.list()
        assert good.next_at == datetime(2030, 1, 7, 12, tzinfo=UTC)
        assert bad.status == "broken" and "every fish" in str(bad.problem)
        await world.at(datetime(2030, 1, 7, 12, tzinfo=UTC))
        assert await world.said() == ["for Ada"]


async def test_a_schedule_of_every_bot_is_every_bots(database: str) -> None:
    await execute(
        database,
        "create table bots (id uuid primary key, name text)",
        "insert into bots select gen_random_uuid(), n::text from generate_series(1, 3) n",
    )
    async with timetable(database, {"a.bas": 'SET SCHEDULE "0 9 * * *"\nPRINT 1'}) as world:
        await world.at(START + timedelta(minutes=1))
        rows = await fetch(database, "select count(distinct bot_id) from workflow_executions")
        assert rows[0][0] == 3 and await world.runs() == ["a.bas"] * 3


async def test_a_script_that_is_gone_is_the_schedules_problem(database: str) -> None:
    async with timetable(database, {"ask.bas": 'SET SCHEDULE "every hour", "gone.bas"'}) as world:
        await world.chat.start("ask.bas")
        await world.at(START + timedelta(minutes=1))
        schedule = await world.one()
        assert "There is no script 'gone.bas'" in str(schedule.problem) and schedule.status == "active"
        await world.chat.daemon.deploy({"gone.bas": "PRINT 1"})
        await world.at(START + timedelta(hours=1, minutes=1))
        assert await world.runs() == ["gone.bas"] and (await world.one()).problem is None


async def test_f42_many_due_at_one_instant_and_one_that_is_broken(database: str) -> None:
    async with timetable(database, {"a.bas": "PARAM n\nPRINT n"}) as world:
        await execute(
            database,
            "select workflow_schedule('a.bas', '0 9 * * *', params => jsonb_build_object('n', n)) from generate_series(1, 500) n",
        )
        await world.chat.idle()
        await execute(
            database,
            "update workflow_schedules set zone = 'Nowhere/Else' where id = (select min(id) from workflow_schedules)",
            "update workflow_schedules set variables = '\"no object\"' where id = (select max(id) from workflow_schedules)",
        )
        await world.at(START + timedelta(minutes=1))
        assert len(await world.runs()) == 499
        rows = await fetch(database, "select status, count(*) from workflow_timetable group by status order by status")
        assert [tuple(row) for row in rows] == [("active", 499), ("broken", 1)]


async def test_a_daemon_that_sleeps_hears_of_a_new_schedule(database: str) -> None:
    async with chatting(database, {"a.bas": 'TALK "now"'}, schedules__look_seconds_max=3600.0) as chat:
        await chat.idle()
        await asyncio.sleep(0.3)  # let it fall asleep; it would be found all the same, only by looking
        await fetch(database, "select workflow_schedule('a.bas', 'in 1 second')")
        async with asyncio.timeout(30):
            while not await fetch(database, "select from workflow_replies"):
                await asyncio.sleep(0.02)
