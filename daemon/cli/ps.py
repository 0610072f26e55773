"""`stepwell ps`: what runs, what waits for what since when, and what is stuck and why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Literal
from uuid import UUID

from cyclopts import Parameter
from rich.table import Table
from rich.text import Text

from daemon.cli.daemons import show_daemons
from daemon.cli.database import Stores, ask
from daemon.cli.exits import OK
from daemon.cli.options import NO_OPTIONS, Options
from daemon.cli.output import ago, cut, open_console, plural, span, write_json
from daemon.cli.waiting import PROMPT_CHARACTERS, wait_words
from daemon.rows import Counted, Status
from daemon.store import EVERY_BOT
from daemon.store_glance import Glance

StatusName = Literal["running", "waiting", "paused", "completed", "failed", "cancelled", "lost"]
UNFINISHED: tuple[Status, ...] = ("running", "waiting", "paused", "failed")
COLORS = {"running": "cyan", "waiting": "", "paused": "yellow", "failed": "bold red", "lost": "bold red"}
ID_CHARACTERS = 8
LATE = timedelta(seconds=5)  # what is due for longer than this, somebody should have moved


def ps(
    *,
    status: Annotated[list[StatusName] | None, Parameter(negative=(), help="Only these (may be repeated).")] = None,
    script: Annotated[str | None, Parameter(help="Only conversations of this script.")] = None,
    session: Annotated[UUID | None, Parameter(help="Only conversations of this session.")] = None,
    all: Annotated[bool, Parameter(negative=(), help="The ended ones too.")] = False,
    limit: Annotated[int, Parameter(help="How many, the newest first.")] = 50,
    daemons: Annotated[bool, Parameter(negative=(), help="The daemons instead, and who owns what.")] = False,
    json: Annotated[bool, Parameter(negative=(), help="Print JSON.")] = False,
    options: Options = NO_OPTIONS,
) -> int:
    """List conversations: those that run, wait, are paused or have failed, the newest first."""
    if daemons:
        return show_daemons(options, json)
    wanted: Sequence[Status] | None = status or (None if all else UNFINISHED)

    async def look(stores: Stores) -> tuple[list[Glance], dict[Status, Counted]]:
        found = await stores.glance.glance(statuses=wanted, session_id=session, script=script, limit=max(1, limit))
        return found, await stores.operators.count_executions()

    found, counts = ask(options, look)
    if json:
        write_json([_document(glance) for glance in found])
        return OK
    console = open_console()
    if found:
        table = Table(box=None, pad_edge=False, header_style="dim")
        several = len({glance.bot_id for glance in found}) > 1
        for heading in ("id", *(["bot"] if several else []), "script", "step", "status"):
            table.add_column(heading, no_wrap=True)
        table.add_column("what", overflow="fold", ratio=1)
        table.add_column("since", no_wrap=True)
        for glance in found:
            state = Text(glance.status, COLORS.get(glance.status, "dim"))
            stuck = stuck_because(glance)
            what = Text(stuck, "red") if stuck else Text(waits_for(glance))
            bot = [short(glance.bot_id) if glance.bot_id != EVERY_BOT else "every"] if several else []
            named = (short(glance.id), *bot, glance.script, str(glance.current_step))
            table.add_row(*named, state, what, ago(glance.since, glance.now))
        console.print(table)
        console.print()
    if any(glance.status in ("running", "waiting") and not glance.owned for glance in found):
        console.print(Text("No daemon runs: nothing moves until one does. Start it with stepwell up", "red"))
    console.print(_summary(counts, len(found), limit))
    return OK


def short(identity: UUID) -> str:
    """Return as much of an id as people type."""
    return str(identity)[:ID_CHARACTERS]


def waits_for(glance: Glance) -> str:
    """Return what an execution does or waits for, in words."""
    if glance.status in ("cancelled", "completed"):
        return cut(glance.problem or "", PROMPT_CHARACTERS * 2)
    parts = [words] if (words := wait_words(glance)) else []
    if glance.wake_at is not None and glance.wake_at > glance.now:
        parts.append(f"{span(glance.wake_at - glance.now)} left")
    return "; ".join(parts)


def stuck_because(glance: Glance) -> str:
    """Return why an execution does not move though it should, "" where all is well."""
    if glance.status in ("failed", "lost", "paused"):
        return cut(glance.problem or ("paused by an operator" if glance.status == "paused" else "no reason is known"))
    if glance.status == "waiting" and glance.request_status == "in_doubt":
        return f"{glance.request} is in doubt: stepwell requests --execution {glance.id}"
    if glance.status not in ("running", "waiting") or glance.owned:
        return ""
    due = glance.wake_at is not None and glance.wake_at + LATE < glance.now
    heard = glance.wait_kind == "message" and glance.messages_pending > 0
    return "no daemon runs; start one with stepwell up" if due or heard else ""


def _summary(counts: dict[Status, Counted], shown: int, limit: int) -> str:
    if not counts:
        return "No conversations yet. Start one: stepwell chat FILE, or stepwell start SCRIPT"
    words = ", ".join(
        f"{'' if count.exact else 'about '}{count.executions:,} {status}" for status, count in sorted(counts.items())
    )
    more = f" (the newest {shown} are shown; --limit shows more)" if shown >= limit else ""
    about = "" if all(count.exact for count in counts.values()) else "About "
    total = sum(count.executions for count in counts.values())
    return f"{about}{plural(total, 'conversation')}: {words}{more}"


def _document(glance: Glance) -> dict[str, object]:
    return {
        "id": glance.id,
        "script": glance.script,
        "mode": glance.mode,
        "status": glance.status,
        "session": glance.session_id,
        "bot": glance.bot_id,
        "step": glance.current_step,
        "turn": glance.turn,
        "waits_for": glance.wait_kind,
        "type": glance.type or None,
        "prompt": glance.prompt or None,
        "since": glance.since,
        "request": glance.request,
        "request_status": glance.request_status,
        "deadline": glance.wake_at,
        "problem": glance.problem,
        "stuck": stuck_because(glance) or None,
        "started": glance.created_at,
        "ended": glance.ended_at,
    }
