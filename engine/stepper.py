"""THE state machine: step, advance, deliver. Nothing else changes an execution's state.

States of an execution here: *ready* (`wait` is None: its step runs for the reason `why`), *suspended*
(`wait` is set: only an event moves it), *done* (Done was returned; the state is kept for the operator).
"""

from __future__ import annotations

from typing import assert_never, cast

from msgspec.structs import replace

from engine.catching import catcher_of, failure_at
from engine.effects import Effect, Handle, Keep, Log, Query, Reply, Request, SetErrorMode, Shown, Suggest
from engine.errors import ScriptError
from engine.events import Event
from engine.expressions import Moment
from engine.hurrying import Hurrying
from engine.interrupts import Interrupted, check_answer, handled, numbered, own_why
from engine.plan import Plan, Procedure
from engine.policy import Policy
from engine.results import Continue, Done, Failure, StepResult, Suspend
from engine.state import ExecutionState, Frame
from engine.steps import (
    BLOCK_ENDED,
    ENTERED,
    Ask,
    Assignment,
    Await,
    Call,
    Caught,
    Enter,
    Fail,
    Here,
    Move,
    Next,
    Resumed,
    Return,
    Returned,
    Why,
)
from engine.values import Value, assign_path
from engine.waits import FirstOf, ForEvent, ForMessage, ForQuery, ForRequest, Wait, parts_of

__all__ = ["Continue", "Done", "Failure", "StepResult", "Suspend", "advance", "check_answer", "deliver"]


def deliver(state: ExecutionState, event: Event) -> ExecutionState:
    """Return the state in which the step that waited goes on with `event`."""
    assert state.wait is not None, "an event comes only to an execution that waits"
    new = state.shared()
    new.why = Resumed(event, state.wait)
    new.wait = None
    return new


def advance(
    plan: Plan, state: ExecutionState, moment: Moment, policy: Policy, used: int = 0, event: Event | None = None
) -> StepResult:
    """Run steps until a wait, a query of the database, the end, or the end of the slice.

    With an `event` it is delivered first, as `deliver` does it, which spares the commonest turn a state.

    `used` is how many steps this turn has run already; more than `steps_per_turn_max` of them end the
    execution with a script error that names the line. Pure: the given state is not changed.
    """
    own = state.copy()
    if event is not None:
        assert own.wait is not None, "an event comes only to an execution that waits"
        own.why, own.wait = Resumed(event, own.wait), None
    run = _Run(plan, own, moment, policy)
    result = run.steps(min(policy.steps_per_slice_max, policy.steps_per_turn_max - used))
    if result is not None:
        return result
    if used + run.count >= policy.steps_per_turn_max:
        message = f"{policy.steps_per_turn_max:,} steps ran without waiting: is this an endless loop?"
        return Done(run.state, tuple(run.effects), run.count, failure=run.failure(message, "endless"))
    return run.unfinished(None)


class _Run(Hurrying):
    """One slice of a turn over a state of its own."""

    __slots__ = ("frame", "here")

    frame: Frame  # whose names `here` reads
    here: Here

    # ── steps ──

    def steps(self, most: int) -> StepResult | None:
        """Run up to so many steps; return a result where the slice ends with one of them."""
        state, plan = self.state, self.plan
        here: Here | None = None
        while self.count < most:
            try:
                if self.hurry(most):
                    if state.wait is not None:
                        return Suspend(state, tuple(self.effects), self.count, state.wait)
                    continue
                here = here or self.surroundings()
                frame = state.frames[-1]
                if frame is not self.frame:
                    self.frame, here.lookup = frame, state.reader()
                self.count += 1
                why, state.why = state.why, ENTERED
                here.why = own_why(state, plan, why) if type(why) is Resumed else why
                number, memos = frame.position, frame.memos
                here.memo = memos.get(number) if memos else None
                move = plan.runs[number](here)
                if type(move) is Next and move.leaving is None and move.again is None:
                    if move.effects:
                        self.take(move.effects)
                    if move.sets:
                        self.assign(move.sets)
                    if memos or number in plan.temporaries:
                        self.forget_behind(frame, number)
                    frame.position, state.why = plan.following[number]
                elif type(move) is Enter:
                    frame.position, state.why = self.entry(frame, move)
                else:
                    result = self.apply(move)
                    if result is not None:
                        return result
            except Interrupted:
                continue
            except ScriptError as error:
                result = self.fail(error.message, error.kind)
                if result is not None:
                    return result
        return None

    def surroundings(self) -> Here:
        """Return what the steps of the slice may know: one for all, for no step keeps it beyond its run."""
        state, plan = self.state, self.plan
        self.frame = state.frames[-1]
        self.here = Here(
            ENTERED,
            None,
            state.reader(),
            self.moment,
            self.policy,
            state.kept,
            state.requested,
            state.everything,
            plan.parameters_of,
        )
        return self.here

    def apply(self, move: Move) -> StepResult | None:
        """Do what a step decided."""
        frame = self.state.frames[-1]
        if isinstance(move, (Await, Ask, Call)) and move.memo is not None:
            frame.memos[frame.position] = move.memo
        match move:
            case Enter():
                raise AssertionError("steps() has done it")
            case Next():  # one that leaves a step, or runs it again
                self.take(move.effects)
                self.assign(move.sets)
                self.go_on(move)
            case Await(wait=wait, effects=effects):
                self.take(effects)
                return self.suspend(wait)
            case Ask(query=query):
                self.state.wait = ForQuery()
                return self.unfinished(query)
            case Call(procedure=name, arguments=arguments):
                self.call(self.plan.procedures[name], arguments)
            case Return(value=value, ends="procedure"):
                return self.leave_procedure(value)
            case Return(ends="restart"):
                self.restart()
            case Return(value=value, ends=ends):
                return Done(self.state, tuple(self.effects), self.count, value, cancelled=ends == "cancelled")
            case Fail(message=message, kind=kind):
                return self.fail(message, kind)
            case _:
                assert_never(move)
        return None

    # ── where to ──

    def go_on(self, move: Next) -> None:
        frame = self.state.frames[-1]
        number = frame.position
        if move.again is not None:
            self.forget(frame, move.again + 1, self.plan.last_inside[move.again])
            frame.position, self.state.why = move.again, BLOCK_ENDED
            return
        if move.leaving is not None:
            number = move.leaving
            self.forget(frame, number, self.plan.last_inside[number])
        self.forget_behind(frame, number)
        frame.position, self.state.why = self.plan.following[number]

    def entry(self, frame: Frame, move: Enter) -> tuple[int, Why]:
        """Return where a block of the frame's step begins, and why the step there runs: itself, where it is empty."""
        number = frame.position
        if move.memo is not None:
            frame.memos[number] = move.memo
        if move.sets:
            self.assign(move.sets)
        first = self.plan.entries[number][move.block]
        return (first, ENTERED) if first else (number, BLOCK_ENDED)

    def forget(self, frame: Frame, first: int, last: int) -> None:
        for number in [n for n in frame.memos if first <= n <= last]:
            del frame.memos[number]

    def forget_behind(self, frame: Frame, number: int) -> None:
        """Forget what nobody asks for once the execution has gone on from a step."""
        frame.memos.pop(number, None)
        for name in self.plan.temporaries.get(number, ()):
            frame.variables.pop(name, None)

    # ── procedures ──

    @property
    def outermost(self) -> Procedure:
        """The procedure that the execution began with."""
        return self.plan.procedures.get(self.state.frames[0].procedure, self.plan.main)

    def call(self, procedure: Procedure, arguments: tuple[Value, ...]) -> None:
        frames = self.state.frames
        if len(frames) > self.policy.call_depth_max:
            raise ScriptError(f"procedures call each other more than {self.policy.call_depth_max} deep", "depth")
        given = dict(zip(procedure.parameters, arguments, strict=False))
        if len(given) < len(procedure.parameters):
            given.update((name, None) for name in procedure.parameters if name not in given)
        base = len(frames) if procedure.whole_script else frames[-1].base
        frames.append(Frame(procedure.name, procedure.first, given, base))

    def restart(self) -> None:
        """Begin anew with what the script was given: the variables that its PARAMs name."""
        main = self.outermost
        given = {n: v for n, v in self.state.variables.items() if n in main.parameters}
        self.state.frames = [Frame(main.name, main.first, given)]
        self.state.suggestions = ()

    def leave_procedure(self, value: Value) -> StepResult | None:
        """End the innermost procedure; its caller's step runs next, or the wait that it interrupted goes on. The
        outermost ends the execution."""
        if len(self.state.frames) == 1:
            if value is None and not self.outermost.whole_script:  # a branch: its parent takes its variables
                value = self.state.everything()
            return Done(self.state, tuple(self.effects), self.count, value)
        ended = self.state.frames.pop()
        if ended.interrupted is not None:
            return self.suspend(ended.interrupted)
        self.state.why = Returned(value)
        return None

    # ── variables and effects ──

    def assign(self, sets: tuple[Assignment, ...]) -> None:
        frame = self.state.frames[-1]
        base = self.state.frames[frame.base]
        if base is frame:
            own = frame.variables
            for item in sets:
                own[item.name] = assign_path(own.get(item.name), item.path, item.value) if item.path else item.value
            return
        for item in sets:
            home = frame.variables if item.name in frame.variables else base.variables
            if item.name not in home and frame.interrupted is None:  # a handler's names are its script's
                home = frame.variables
            if item.path:
                home[item.name] = assign_path(home.get(item.name), item.path, item.value)
            else:
                home[item.name] = item.value

    def take(self, effects: tuple[Effect, ...]) -> None:
        state = self.state
        for effect in effects:
            match effect:
                case Reply(recipient=None) if not state.suggestions:  # the commonest by far
                    state.said = effect.content
                    self.effects.append(effect)
                case Reply():
                    if state.suggestions:
                        effect = replace(effect, suggestions=state.suggestions + effect.suggestions)
                        state.suggestions = ()
                    if effect.recipient is None:
                        state.said = effect.content
                    self.effects.append(effect)
                case Suggest(suggestion=button):
                    state.suggestions = (*state.suggestions, button) if button is not None else ()
                case SetErrorMode(resume=resume):
                    state.frames[-1].resume_errors = resume
                case Request():
                    state.requested += 1
                    self.here.requested = state.requested
                    self.effects.append(replace(effect, number=state.requested))
                case Keep(key=key, value=value):
                    state.kept = {k: v for k, v in {**state.kept, key: value}.items() if v is not None}
                    self.here.kept = state.kept
                case Handle(event=name, procedure=handler):
                    base = state.frames[state.frames[-1].base]
                    kept = {n: h for n, h in base.handlers.items() if n != name}
                    base.handlers = {**kept, name: (handler, 0)} if handler is not None else kept
                case Log() | Shown():
                    self.effects.append(effect)
                case _:
                    assert_never(effect)

    def suspend(self, wait: Wait) -> Suspend:
        state = self.state
        frames = state.frames
        if type(wait) is FirstOf or frames[0].handlers or (len(frames) > 1 and any(frame.handlers for frame in frames)):
            own = parts_of(wait)
            # The question first: its place in the checkpoint is the same for all clients. Waits for events last:
            # naming one takes the number that a request without one goes by.
            ordered = sorted(own, key=lambda p: 0 if isinstance(p, ForMessage) else 2 if isinstance(p, ForEvent) else 1)
            parts = [*(self.named(part) for part in ordered), *handled(state, own)]
            wait = parts[0] if len(parts) == 1 else FirstOf(tuple(parts))
        else:
            wait = self.named(wait)
        state.said = ""
        state.wait = wait
        return Suspend(state, tuple(self.effects), self.count, wait)

    def named(self, wait: Wait) -> Wait:
        """Return a wait with the name of its question, or the number of the request that was just made."""
        state = self.state
        if isinstance(wait, ForMessage):
            if not wait.prompt_id:
                state.asked += 1
                wait = wait.named(f"{state.frames[-1].position}.{state.asked}", wait.prompt or state.said)
            if state.suggestions:
                self.hang_suggestions()
        elif isinstance(wait, ForRequest) and not wait.number:
            wait = replace(wait, number=state.requested)
        elif isinstance(wait, ForEvent):
            wait = numbered(state, wait)
        return wait

    def hang_suggestions(self) -> None:
        """Give the buttons nobody has shown yet to the last reply of this turn, under the question."""
        index = self.last_said()
        if index is not None:
            reply = cast(Reply, self.effects[index])
            self.effects[index] = replace(reply, suggestions=reply.suggestions + self.state.suggestions)
            self.state.suggestions = ()

    def last_said(self) -> int | None:
        """Return which effect is the last reply to the session's own user: buttons hang under no other."""
        for index in range(len(self.effects) - 1, -1, -1):
            reply = self.effects[index]
            if isinstance(reply, Reply) and reply.recipient is None:
                return index
        return None

    # ── a turn of several slices ──

    def unfinished(self, query: Query | None) -> Continue:
        """End the slice, not the turn: its last reply is held back, with those behind it, for buttons may come."""
        last = self.last_said()
        if last is not None:
            behind = self.effects[last:]
            self.state.held = tuple(e for e in behind if isinstance(e, Reply))
            self.effects[last:] = [e for e in behind if not isinstance(e, Reply)]
        return Continue(self.state, tuple(self.effects), self.count, query)

    # ── errors ──

    def fail(self, message: str, kind: str) -> StepResult | None:
        """Take a script error to whoever catches it; where nobody does, the execution has failed."""
        failure = self.failure(message, kind)
        frames = self.state.frames
        for depth in range(len(frames) - 1, -1, -1):
            if frames[depth + 1 :] and self.plan.steps[frames[depth].position].TOLD:
                del frames[depth + 1 :]
                self.state.why = Caught(message, kind)
                return None
            catcher = catcher_of(self.plan, frames[depth].position)
            if catcher is None and not frames[depth].resume_errors:
                continue
            del frames[depth + 1 :]
            frame = frames[-1]
            self.assign((Assignment("error", message), Assignment("err", kind)))
            if catcher is not None:
                self.forget(frame, catcher + 1, self.plan.last_inside[catcher])
                frame.position, self.state.why = catcher, Caught(message, kind)
            else:
                self.go_on(Next())
            return None
        return Done(self.state, tuple(self.effects), self.count, failure=failure)

    def failure(self, message: str, kind: str) -> Failure:
        """Return the error with the place of the step that made it."""
        return failure_at(self.plan, self.state.current_step, message, kind)
