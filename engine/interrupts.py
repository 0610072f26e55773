"""ON EVENT: handlers that run while a script waits, and the wait that goes on when they have ended.

A part of the stepper: nothing else calls it, and it changes the stepper's own copy of a state.

States of a handler: *set* (its event is among what every wait of the execution waits for), *running* (a frame above
the one that waited holds the interrupted wait; no handler is waited for, so what comes meanwhile is kept for later),
*gone* (its script has ended, or another handler of that event took its place).
"""

from __future__ import annotations

from msgspec.structs import replace

from engine.errors import ScriptError
from engine.events import (
    ChildEnded,
    Event,
    EventPublished,
    MessageReceived,
    QueryAnswered,
    QueryFailed,
    RequestCompleted,
    RequestFailed,
)
from engine.plan import Plan, Procedure
from engine.state import ExecutionState, Frame
from engine.steps import Resumed
from engine.values import Value, check_value
from engine.waits import FirstOf, ForEvent, Wait, own_wait, parts_of


class Interrupted(Exception):
    """A handler runs in place of the step that waited."""


def own_why(state: ExecutionState, plan: Plan, why: Resumed) -> Resumed:
    """Return why a step goes on, without the waits that are not its own.

    Raises ScriptError for an answer that is one, unless the step is told of it; Interrupted where what has come is
    for a handler, which then is the innermost procedure.
    """
    event = why.event
    if type(event) is not MessageReceived:
        told = isinstance(event, (QueryFailed, RequestFailed)) and plan.steps[state.current_step].TOLD
        if not told:
            check_answer(event)
        handler = handler_of(why)
        if handler is not None:
            interrupt(state, plan.procedures[handler.handler], why)
            raise Interrupted
    return Resumed(event, own_wait(why.wait)) if type(why.wait) is FirstOf else why


def check_answer(event: Event) -> None:
    """Raise ScriptError for what was refused or has failed, and for an answer that no variable can hold."""
    if isinstance(event, (QueryFailed, RequestFailed)):
        raise ScriptError(event.message, event.kind)
    if isinstance(event, (QueryAnswered, RequestCompleted, ChildEnded)):
        check_value(event.value)
    elif isinstance(event, EventPublished):
        check_value(event.data)


def handler_of(why: Resumed) -> ForEvent | None:
    """Return the wait whose handler an event is for; None where the waiting step takes it itself."""
    event = why.event
    if not isinstance(event, EventPublished):
        return None
    found = next((p for p in parts_of(why.wait) if isinstance(p, ForEvent) and p.name == event.name), None)
    return found if found is not None and found.handler else None


def interrupt(state: ExecutionState, procedure: Procedure, why: Resumed) -> None:
    """Put the handler of an event above what waits; its script's variables hold the event."""
    assert isinstance(why.event, EventPublished)
    name, data = why.event.name, why.event.data
    base = max(i for i, frame in enumerate(state.frames) if name in frame.handlers)
    owner = state.frames[base]
    owner.handlers = {**owner.handlers, name: (procedure.name, 0)}
    given: dict[str, Value] = {"event": name, "event_data": data}
    owner.variables.update(given)
    frame = Frame(procedure.name, procedure.first, {}, base)
    frame.resume_errors = owner.resume_errors
    frame.interrupted = own_wait(why.wait)
    state.frames.append(frame)


def handled(state: ExecutionState, own: tuple[Wait, ...]) -> list[Wait]:
    """Return the waits for events that run a handler: none while one runs, nor for what the step waits for."""
    if state.interrupted is not None:
        return []
    taken = {part.name for part in own if isinstance(part, ForEvent)}
    waits: list[Wait] = []
    for frame in reversed(state.frames):
        for name, (procedure, number) in frame.handlers.items():
            if name not in taken:
                wait = numbered(state, ForEvent(name, None, number, procedure))
                frame.handlers = {**frame.handlers, name: (procedure, wait.number)}
                waits.append(wait)
                taken.add(name)
    return waits


def numbered(state: ExecutionState, wait: ForEvent) -> ForEvent:
    """Return a wait for an event with a number of its own."""
    if wait.number:
        return wait
    state.requested += 1
    return replace(wait, number=state.requested)
