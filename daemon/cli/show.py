"""`stepwell show`: one conversation, from every side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter
from rich.console import Console
from rich.text import Text

from daemon.chat_entries import BotSays, UserSays, entry_lines
from daemon.cli.database import Stores, ask, find_one
from daemon.cli.exits import OK
from daemon.cli.options import NO_OPTIONS, Options
from daemon.cli.output import ago, clock, cut, harmless, open_console, span, write_json
from daemon.cli.waiting import wait_words
from daemon.rows import PastTurn, ShownExecution
from daemon.store import EVERY_BOT
from daemon.store_glance import Glance, Said
from engine.answers import SECRET_TYPES
from engine.codec import decode_plan
from engine.keywords.hear import Hear
from engine.plan import Plan
from engine.values import Value

TURNS_SHOWN = 10
LINES_SHOWN = 20
SOURCE_LINES_AROUND = 3
HASH_CHARACTERS = 12
VALUE_CHARACTERS_MAX = 100
HIDDEN = "[hidden]"
CAME_IN = {"completed": "a request answered", "failed": "a request failed", "child": "what it started ended"}
COLORS = {"waiting": "green", "running": "cyan", "paused": "yellow", "failed": "bold red", "lost": "bold red"}


@dataclass(frozen=True, slots=True)
class Position:
    """One procedure being run: where in which source."""

    procedure: str
    script: str
    step: int
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Shown:
    """All that is known of one execution. `unreadable` says why its plan or checkpoint cannot be read."""

    row: ShownExecution
    glance: Glance
    turns: list[PastTurn]
    said: list[Said]
    plan: Plan | None
    stack: list[Position] = field(default_factory=list)
    variables: dict[str, Value] = field(default_factory=dict)
    unreadable: str = ""


def show(
    id: str,
    *,
    turns: Annotated[int, Parameter(help="How many turns, the newest.")] = TURNS_SHOWN,
    json: Annotated[bool, Parameter(negative=(), help="Print JSON.")] = False,
    options: Options = NO_OPTIONS,
) -> int:
    """Show one conversation: where it is in its source, what it waits for and since when, its variables, what was said.

    Parameters
    ----------
    id
        Its id, or as much of the beginning as only it has.
    """

    async def look(stores: Stores) -> Shown:
        found = await find_one(stores, id)
        row = await stores.operators.show_execution(found)
        assert row is not None, "executions are never deleted"
        listed = row.listed
        page = await stores.glance.glance(below=listed.start_order + 1, limit=1)
        past = await stores.operators.list_turns(found, limit=max(1, turns))
        said = await stores.glance.transcript(found, LINES_SHOWN)
        stored = await stores.store.load_plan(row.plan_hash)
        return _read(row, page[0], past[::-1], said, stored.plan_json if stored else None)

    shown = ask(options, look)
    if json:
        write_json(_document(shown))
    else:
        _print(open_console(), shown)
    return OK


# ── reading the checkpoint ─────────────────────────────────────────────────────────────────────────


def _read(row: ShownExecution, glance: Glance, turns: list[PastTurn], said: list[Said], plan_json: str | None) -> Shown:
    plan: Plan | None = None
    try:
        if plan_json is None:
            return Shown(row, glance, turns, said, None, unreadable="its plan is not in workflow_plans")
        plan = decode_plan(plan_json)
        state = msgspec.json.decode(row.state_json)
        stack = list(_stack(plan, state))
        variables = _variables(plan, state)
    except Exception as error:  # whatever a damaged row provokes, the rest of it can be shown
        return Shown(row, glance, turns, said, plan, unreadable=f"its checkpoint cannot be read: {error}")
    return Shown(row, glance, turns, said, plan, stack, variables)


def _stack(plan: Plan, state: dict[str, Any]) -> Iterator[Position]:
    """Yield the procedures being run, the script itself first."""
    outer = (state.get("procedure") or plan.script, state.get("position", state["step_index"]))
    frames = [outer, *((frame["procedure"], frame["position"]) for frame in state.get("frames", ()))]
    for procedure, number in frames:
        step = plan.steps.get(number)
        if step is not None:
            yield Position(procedure, step.place.script, number, step.place.line, plan.source_line(step))


def _variables(plan: Plan, state: dict[str, Any]) -> dict[str, Value]:
    """Return the variables in sight, those of procedures being run too; what a secret HEAR heard is hidden."""
    secret = {
        step.target.name
        for step in plan.steps.values()
        if isinstance(step, Hear) and step.target is not None and step.type in SECRET_TYPES
    }
    found: dict[str, Value] = dict(state["variables"])
    for frame in state.get("frames", ()):
        name = str(frame["procedure"]).rpartition("#")[2]
        found |= {f"{name}.{key}": value for key, value in frame["variables"].items()}
    return {key: HIDDEN if key.rpartition(".")[2] in secret else value for key, value in found.items()}


# ── printing ───────────────────────────────────────────────────────────────────────────────────────


def _print(console: Console, shown: Shown) -> None:
    listed, now = shown.row.listed, shown.row.now
    head = Text(listed.script, "bold")
    head.append(f"  {listed.status}", COLORS.get(listed.status, ""))
    head.append(f"  {listed.id}")
    console.print(head)
    for label, value in _facts(shown):
        console.print(Text.assemble((f"  {label:<9}", "dim"), value))
    if listed.problem:
        console.print(Text.assemble(("  problem  ", "dim"), (harmless(listed.problem), "red")))
    if shown.unreadable:
        console.print(Text.assemble(("  problem  ", "dim"), (shown.unreadable, "red")))
    if shown.stack and shown.plan is not None:
        _print_source(console, shown.plan, shown.stack)
    if shown.variables:
        console.print(Text("\nvariables", "bold"))
        for name, content in sorted(shown.variables.items()):
            if not name.startswith("$"):
                console.print(Text(f"  {name} = {harmless(_value(content))}"))
    if shown.turns:
        console.print(Text("\nturns", "bold"))
        for turn in shown.turns:
            console.print(Text(f"  {_turn(turn)}   {ago(turn.at, now)}"))
    if shown.said:
        console.print(Text("\nsaid", "bold"))
        for line in _said(shown.said):
            console.print(Text(f"  {harmless(line)}"))


def _facts(shown: Shown) -> Iterator[tuple[str, str]]:
    row, listed, now = shown.row, shown.row.listed, shown.row.now
    if listed.session_id is not None:
        yield "session", str(listed.session_id)
    if listed.bot_id not in (None, EVERY_BOT):
        yield "bot", str(listed.bot_id)
    yield "started", f"{clock(listed.created_at)}, {ago(listed.created_at, now)}"
    if listed.ended_at is not None:
        yield "ended", f"{clock(listed.ended_at)}, {ago(listed.ended_at, now)}"
    elif listed.status == "waiting":
        yield "waits", f"{_wait(shown.glance)}, since {clock(row.since)}, {ago(row.since, now)}"
    if listed.ended_at is None and listed.wake_at is not None:
        left = f"{span(listed.wake_at - now)} left" if listed.wake_at > now else "it has passed"
        yield "deadline", f"{clock(listed.wake_at)}, {left}"
    if row.messages_pending:
        yield "pending", f"{row.messages_pending} that nobody has heard yet"
    if listed.ended_at is None and not shown.glance.owned:
        yield "daemon", "none runs; start one with stepwell up"
    yield "plan", f"{row.plan_hash[:HASH_CHARACTERS]}, {listed.mode}; turn {listed.turn}, revision {row.revision}"


def _wait(glance: Glance) -> str:
    return f"for {wait_words(glance) or 'nothing that is known'}"


def _print_source(console: Console, plan: Plan, stack: list[Position]) -> None:
    if len(stack) > 1:
        console.print(Text("\ncalls", "bold"))
        for position in stack:
            console.print(Text(f"  {position.script}:{position.line}  step {position.step}  {position.text}"))
    here = stack[-1]
    console.print(Text(f"\n{here.script}", "bold"))
    lines = plan.sources[here.script].splitlines()
    first = max(1, here.line - SOURCE_LINES_AROUND)
    for number in range(first, min(len(lines), here.line + SOURCE_LINES_AROUND) + 1):
        marked = number == here.line
        text = Text(f"{'>' if marked else ' ':>3} {number:>4}  ", "bold green" if marked else "dim")
        text.append(lines[number - 1], "bold" if marked else "")
        if marked:
            text.append(f"   ← step {here.step}", "green")
        console.print(text)


def _value(value: Value) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= VALUE_CHARACTERS_MAX else f"{text[:VALUE_CHARACTERS_MAX]}… ({len(text):,} characters)"


def _turn(turn: PastTurn) -> str:
    came = turn.came_in
    what = CAME_IN.get(str(came.get("kind", "")), str(came.get("kind", "")))
    if came.get("kind") == "message":
        what = f"heard “{cut(str(came.get('content', '')), 40)}”"
    elif came.get("kind") == "event":
        what = f"the event {cut(str(came.get('name', '')), 40)}"
    if came.get("stale"):
        what += ", too late"
    took = f"{turn.duration_us / 1000:.1f} ms"
    steps = f"step {turn.from_step} → {turn.to_step}"
    return f"{turn.turn:>3}  {steps:<14}  {took:>9}  {what}"


def _said(lines: list[Said]) -> Iterator[str]:
    for line in lines:
        to = f"@{line.recipient} " if line.recipient else ""
        yield from entry_lines(UserSays(line.content) if line.who == "user" else BotSays(to + line.content))


def _document(shown: Shown) -> dict[str, object]:
    row = shown.row
    return {
        **msgspec.to_builtins(row.listed),
        "plan": row.plan_hash,
        "revision": row.revision,
        "messages_pending": row.messages_pending,
        "since": row.since,
        "hears": row.hears,
        "daemon": shown.glance.owned,
        "prompt": shown.glance.prompt or None,
        "type": shown.glance.type or None,
        "request": shown.glance.request,
        "request_status": shown.glance.request_status,
        "unreadable": shown.unreadable or None,
        "stack": [msgspec.to_builtins(position) for position in shown.stack],
        "variables": {k: v for k, v in shown.variables.items() if not k.startswith("$")},
        "turns": [msgspec.to_builtins(turn) for turn in shown.turns],
        "said": [msgspec.to_builtins(line) for line in shown.said],
    }
