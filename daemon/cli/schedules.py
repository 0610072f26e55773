"""`stepwell schedules`: what is started when; holds, resumes, starts by hand, starts what was missed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import msgspec
from cyclopts import Parameter
from rich.table import Table
from rich.text import Text

from daemon.cli.database import Stores, ask
from daemon.cli.exits import OK, USAGE, WRONG, CommandError
from daemon.cli.options import NO_OPTIONS, Options
from daemon.cli.output import ago, cut, open_console, plural, span, write_json
from daemon.rows import Outcome
from daemon.store_schedules import ListedSchedule, ScheduleStore
from engine.schedule_times import Recurring, read_moment, slots

Action = Literal["list", "pause", "resume", "trigger", "backfill"]
BACKFILL_MAX = 1_000
COLORS = {"paused": "yellow", "broken": "bold red", "done": "dim"}


def schedules(
    action: Action = "list",
    id: int | None = None,
    start: str | None = None,
    end: str | None = None,
    *,
    script: Annotated[str | None, Parameter(help="Only schedules of this script.")] = None,
    json: Annotated[bool, Parameter(negative=(), help="Print JSON.")] = False,
    options: Options = NO_OPTIONS,
) -> int:
    """List schedules, what comes next first; or act on one of them.

    Parameters
    ----------
    action
        list; pause, resume, trigger (start it now); backfill (start what a span of time would have started).
    id
        The number of the schedule, as the list shows it.
    start
        For backfill: the first moment, such as "2026-01-01 00:00", in the configured time zone.
    end
        For backfill: the last moment.
    """
    if action == "list":
        return _list(options, script, json=json)
    if id is None:
        raise CommandError(f"Which schedule? stepwell schedules {action} ID; stepwell schedules lists them.", USAGE)
    zone = ZoneInfo(options.settings().scripts.time_zone)
    if action == "backfill":
        if start is None or end is None:
            raise CommandError("From when to when? stepwell schedules backfill ID FROM TO", USAGE)
        span_of = (_moment(start, zone), _moment(end, zone))
        return _backfill(options, id, span_of, zone, json=json)

    async def act(stores: Stores) -> Outcome:
        store = ScheduleStore(stores.pool)
        return await {"pause": store.pause, "resume": store.resume, "trigger": store.trigger}[action](id)

    outcome = ask(options, act)
    if json:
        write_json({"id": id, "changed": outcome.changed, "status": outcome.status, "sentence": outcome.sentence})
    else:
        open_console().print(outcome.sentence)
    return OK if outcome.changed or outcome.status == f"{action}d" else WRONG


def _list(options: Options, script: str | None, *, json: bool) -> int:
    async def look(stores: Stores) -> list[ListedSchedule]:
        return await ScheduleStore(stores.pool).list(script=script)

    found = ask(options, look)
    if json:
        write_json([msgspec.to_builtins(schedule) for schedule in found])
        return OK
    console = open_console()
    if not found:
        console.print("There are no schedules. SET SCHEDULE in a script that is deployed makes one.")
        return OK
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("id", "script", "when", "next", "status", "last"):
        table.add_column(heading, overflow="fold")
    for s in found:
        what = s.what if s.cron in (None, s.what) else f"{s.what} ({s.cron})"
        following = "" if s.next_at is None else f"{s.next_at:%Y-%m-%d %H:%M:%S} UTC, in {span(s.next_at - s.now)}"
        last = "" if s.last_slot is None else f"{ago(s.last_slot, s.now)} {s.last_status or ''}"
        name = s.script + (f"#{s.procedure or s.step}" if s.procedure or s.step else "")
        status = Text(s.status + (f": {cut(s.problem)}" if s.problem else ""), COLORS.get(s.status, ""))
        table.add_row(str(s.id), name, f"{what} {s.zone or ''}".strip(), following, status, last)
    console.print(table)
    return OK


def _moment(text: str, zone: ZoneInfo) -> datetime:
    moment = read_moment(text, datetime.now(UTC), zone)
    if moment is None:
        raise CommandError(f'“{text}” is no moment; one is "2026-01-31 09:00".', USAGE)
    return moment


def _backfill(options: Options, id: int, wanted: tuple[datetime, datetime], zone: ZoneInfo, *, json: bool) -> int:
    """Start every slot of a span that has not been started, each once for good."""

    async def act(stores: Stores) -> tuple[int, int]:
        store = ScheduleStore(stores.pool)
        found = await store.list(id=id)
        if not found:
            raise CommandError(f"There is no schedule {id}; stepwell schedules lists them.", WRONG)
        if found[0].cron is None:
            raise CommandError(f"Schedule {id} is for one moment; start it with stepwell schedules trigger {id}", WRONG)
        due: list[datetime] = []
        for slot in slots(Recurring(found[0].cron, found[0].zone or ""), zone, wanted[0] - timedelta(microseconds=1)):
            if slot > min(wanted[1], found[0].now):
                break
            if len(due) == BACKFILL_MAX:
                raise CommandError(f"These are more than {BACKFILL_MAX:,} slots; take a shorter span.", WRONG)
            due.append(slot)
        return len(due), await store.backfill(id, due)

    count, started = ask(options, act)
    if json:
        write_json({"id": id, "slots": count, "started": started})
    else:
        known = f"; {count - started} had been started before" if count > started else ""
        open_console().print(f"{plural(started, 'slot').capitalize()} of schedule {id} started{known}.")
    return OK
