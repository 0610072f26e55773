"""One turn: what comes in goes through the engine and becomes one row-to-be, `daemon.rows.Turn`.

Nothing here waits for anything but its own next slice, and nothing here writes: what a turn does becomes
true when it is committed, all of it or none.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from random import Random
from time import perf_counter_ns
from typing import TypeAlias
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from daemon import history
from daemon.cues import Begun, Cue, Elapsed, Heard, Misdirected, Overtaken, Signalled, Standing, now_of
from daemon.fairness import Slices, lane_of
from daemon.history import attachments_of, went_out
from daemon.rows import Extras, LoadedExecution, Signal, Status, Turn
from daemon.signals import extras_of
from engine.beginning import begin
from engine.effects import Effect, Log, Query, Reply, Request, Shown
from engine.errors import ScriptError
from engine.events import Event, MessageReceived, TimedOut
from engine.expressions import Moment
from engine.plan import Plan
from engine.policy import Policy
from engine.state import ExecutionState, StateTooLarge, decode_state, encode_state
from engine.stepper import Continue, Done, Failure, StepResult, advance, deliver
from engine.values import Value
from engine.waits import ForMessage, Wait, deadline_of, kind_of

SESSIONS_KEPT_MAX = 4_096  # whose ids are at hand as text


def standing_of(loaded: LoadedExecution, plan: Plan, given: Mapping[str, Value] | None = None) -> Standing:
    """Return where a stored execution stands; one that begins has the bot's variables `given`, under those of
    its start. Raises UnreadableCheckpoint, and ScriptError for parameters that no variable can hold."""
    state = decode_state(loaded.state_json)
    if loaded.turn == 0:
        # What starts an execution elsewhere than at the script's beginning says so by its first frame.
        first = state.frames[0]
        variables = {**(given or {}), **state.variables}
        state = begin(plan, variables, procedure=first.procedure, block=next(iter(first.memos), 0))
    row = replace(loaded, state_json="")
    return Standing(row, plan, state, loaded.revision, loaded.turn, loaded.status)


# ── running it ─────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class World:
    """What every turn of this daemon is given: the limits and manners of scripts, the zone of their dates, and where
    the long ones wait for their next slice."""

    policy: Policy
    zone: ZoneInfo
    slices: Slices = field(default_factory=Slices)


class Ran(msgspec.Struct, frozen=True):
    """A turn that is over: the row to commit, where the execution stands once it is, the lines to log."""

    turn: Turn
    after: Standing
    logs: tuple[Log, ...]
    failure: Failure | None
    started_ns: int


@dataclass(frozen=True, slots=True)
class Asks:
    """A turn that cannot go on without the database: `go_on` runs the rest inside a transaction."""

    running: Running


Ask: TypeAlias = Callable[[Query, LoadedExecution], Awaitable[Event]]


def moment_of(cue: Cue, standing: Standing, world: World, random: Random) -> Moment:
    """Return the clock, zone and randomness of a turn: the database's time, read with the rows."""
    now = now_of(cue)
    session = standing.row.session_id
    return Moment(now, random, world.zone, _session_text(session) if session else "")


@lru_cache(maxsize=SESSIONS_KEPT_MAX)
def _session_text(session: UUID) -> str:
    return str(session)


class Running:
    """One turn while it runs. Every attempt at a turn is a Running of its own."""

    __slots__ = ("cue", "effects", "moment", "result", "standing", "started", "steps", "world")

    def __init__(self, standing: Standing, cue: Cue, world: World, random: Random) -> None:
        self.standing = standing
        self.cue = cue
        self.world = world
        self.moment = moment_of(cue, standing, world, random)
        self.effects: list[Effect] = []
        self.steps = 0
        self.started = perf_counter_ns()
        self.result: StepResult | None = None

    def begin(self) -> Ran | None:
        """Run the turn's first slice, in which most turns end; None where it did not."""
        cue, state = self.cue, self.standing.state
        if type(cue) is Heard:
            message = cue.message
            result = self._slice(state, MessageReceived(message.content, attachments_of(message)))
        elif type(cue) is Elapsed:
            result = self._slice(state, TimedOut())
        elif type(cue) is Signalled:
            result = self._slice(state, cue.event)
        elif type(cue) is Begun and state.wait is None:
            result = self._slice(state)
        else:
            return self._unchanged()
        return None if type(result) is Continue else self._finish(result)

    async def go_through(self) -> Ran | Asks:
        """Run what the first slice left, up to the first question to the database."""
        result = self.result
        while isinstance(result, Continue):
            if result.query is not None:
                return Asks(self)
            await self.world.slices.wait(lane_of(self.standing.row))  # an endless loop must not starve the others
            result = self._slice(result.state)
        assert result is not None
        return self._finish(result)

    async def run(self) -> Ran | Asks:
        """Run the turn, or its part up to the first question to the database."""
        return self.begin() or await self.go_through()

    async def go_on(self, ask: Ask) -> Ran:
        """Run the rest of a turn that asks, each question answered by `ask`."""
        result = self.result
        while isinstance(result, Continue):
            if result.query is None:
                await self.world.slices.wait(lane_of(self.standing.row))
                result = self._slice(result.state)
            else:
                result = self._slice(deliver(result.state, await ask(result.query, self.standing.row)))
        assert result is not None
        return self._finish(result)

    def _slice(self, state: ExecutionState, event: Event | None = None) -> StepResult:
        result = advance(self.standing.plan, state, self.moment, self.world.policy, self.steps, event)
        self.steps += result.steps
        self.effects += result.effects
        self.result = result
        return result

    def _finish(self, result: StepResult) -> Ran:
        failure: Failure | None = None
        status: Status = "waiting"
        if type(result) is Done:
            failure = result.failure
            status = "failed" if failure else "cancelled" if result.cancelled else "completed"
        try:
            text = self._encode(result.state)
        except (StateTooLarge, ValueError) as error:
            return self._too_large(result, error)
        return self._ran(result.state, text, status, failure)

    def _too_large(self, result: StepResult, error: Exception) -> Ran:
        """End the execution with the state of before the turn, which was stored once and so can be again."""
        step = self.standing.plan.steps.get(result.state.current_step)
        failure = Failure(
            str(error),
            "limit",
            step.place.script if step else self.standing.plan.script,
            step.place.line if step else 0,
            step.place.number if step else 0,
            self.standing.plan.source_line(step) if step else "",
        )
        self.effects = [e for e in self.effects if isinstance(e, Shown)]
        before = self.standing.state
        try:
            text = self._encode(before)
        except (StateTooLarge, ValueError):  # the parameters of the start alone are too large
            before = begin(self.standing.plan)
            text = self._encode(before)
        return self._ran(before, text, "failed", failure)

    def _encode(self, state: ExecutionState) -> str:
        if self.standing.direct:
            step = state.current_step
            return f'{{"version":1,"variables":{{}},"step_index":{step}}}'
        return encode_state(state, self.world.policy.state_bytes_max)

    def _unchanged(self) -> Ran:
        """Return the turn that only records what came in, and puts back the status and the deadline."""
        state = self.standing.state
        return self._ran(state, self._encode(state), "waiting", None)

    def _ran(self, state: ExecutionState, text: str, status: Status, failure: Failure | None) -> Ran:
        before = self.standing
        wait = state.wait if status == "waiting" else None
        replies, logs, requests = _sorted_out(self.effects)
        number = before.turn + 1
        turn = Turn(  # by place: a structure of so many fields takes several times as long to make by name
            before.row.id,
            before.revision,
            number,
            before.row.session_id,
            text,
            state.frames[-1].position,
            before.state.frames[-1].position,
            status,
            kind_of(wait),
            deadline_of(wait),
            consumed_by(self.cue),
            replies,
            came_in(self.cue, before, self.effects),
            went_out(before.state, wait, len(replies), logs, failure),
            str(failure) if failure else None,
            self.steps,
            (perf_counter_ns() - self.started) // 1000,
            self._extras(state, wait, requests, failure),
        )
        after = Standing(before.row, before.plan, state, before.revision + 1, number, status)
        return Ran(turn, after, logs, failure, self.started)

    def _extras(
        self, state: ExecutionState, wait: Wait | None, requests: tuple[Request, ...], failure: Failure | None
    ) -> Extras | None:
        """Return what the turn writes besides; nothing, where an answer was heard and the next question is asked."""
        before = self.standing.state
        asked = type(before.wait) is ForMessage and len(before.frames) == 1
        if asked and type(self.cue) is Heard and type(wait) is ForMessage and not requests and len(state.frames) == 1:
            return None
        result = self.result.value if isinstance(self.result, Done) and failure is None else None
        waits = state.waits if wait is not None else ()
        return extras_of(before.waits, waits, signal_of(self.cue), requests, result)


_REPLIES_ONLY = {Reply}


def _sorted_out(effects: list[Effect]) -> tuple[tuple[Reply, ...], tuple[Log, ...], tuple[Request, ...]]:
    """Return the replies, the lines to log and the requests among the effects, each in order."""
    if set(map(type, effects)) <= _REPLIES_ONLY:
        return tuple(effects), (), ()  # type: ignore[arg-type]
    return (
        tuple([e for e in effects if isinstance(e, Reply)]),
        tuple([e for e in effects if isinstance(e, Log)]),
        tuple([e for e in effects if isinstance(e, Request)]),
    )


def start_failed(loaded: LoadedExecution, plan: Plan, error: ScriptError) -> Turn:
    """Return the first turn of an execution whose parameters no variable can hold: it fails at once."""
    failure = Failure(error.message, error.kind, plan.script, 0, plan.main.first, "")
    state = begin(plan)
    return Turn(
        execution_id=loaded.id,
        revision=loaded.revision,
        number=loaded.turn + 1,
        session_id=loaded.session_id,
        state_json=encode_state(state),
        current_step=state.current_step,
        from_step=state.current_step,
        status="failed",
        wait_kind=None,
        wake_at=None,
        consumed=(),
        replies=(),
        came_in=history.START,
        went_out=went_out(state, None, 0, (), failure),
        problem=str(failure),
        steps=0,
        duration_us=0,
    )


def consumed_by(cue: Cue) -> tuple[int, ...]:
    """Return the ids of the messages that a turn uses up."""
    return (cue.message.id,) if type(cue) is Heard or type(cue) is Misdirected else ()


def signal_of(cue: Cue) -> tuple[Signal, Event | None] | None:
    """Return the signal that a turn uses up and what it told the script, if anything."""
    match cue:
        case Signalled(signal=signal, event=event):
            return signal, event
        case Overtaken(signal=signal):
            return signal, None
        case _:
            return None


def came_in(cue: Cue, before: Standing, effects: list[Effect]) -> str:
    """Return what a turn began with, as the history's JSON."""
    if type(cue) is Heard:
        return history.heard(cue.message, before.state.wait, effects)
    match cue:
        case Heard():
            raise AssertionError("the commonest, which is done above")
        case Misdirected(message=message):
            return history.misdirected(message)
        case Signalled(signal=signal) | Overtaken(signal=signal):
            return history.signalled(signal, isinstance(cue, Overtaken))
        case Elapsed():
            return history.TIMEOUT
        case Begun():
            return history.START if before.turn == 0 else history.RESUME
