"""Signals: events on their way to one execution, as rows; and what a turn writes besides, as values."""

from __future__ import annotations

import msgspec

from daemon.rows import Extras, Signal
from engine.effects import Request
from engine.events import ChildEnded, Event, EventPublished, RequestCompleted, RequestFailed
from engine.values import Value
from engine.waits import ForChildren, ForEvent, ForRequest, Wait


def event_of(signal: Signal, waits: tuple[Wait, ...]) -> Event | None:
    """Return what a signal tells an execution that waits so, or None where it waits for something else."""
    for part in waits:
        match part:
            case ForRequest(number=number) if signal.kind == "completed" and number == signal.number:
                return RequestCompleted(number, signal.data)
            case ForRequest(number=number) if signal.kind == "failed" and number == signal.number:
                return RequestFailed(number, signal.message, signal.name or "request")
            case ForEvent(name=name, number=number) if signal.kind == "event" and number == signal.number:
                return EventPublished(name, signal.data)
            case ForChildren(children=children) if signal.kind == "child" and signal.number in children:
                return ChildEnded(signal.number, signal.name, signal.data, signal.message)
            case _:
                continue
    return None


def extras_of(
    before: tuple[Wait, ...],
    after: tuple[Wait, ...],
    taken: tuple[Signal, Event | None] | None,
    requests: tuple[Request, ...],
    result: Value,
) -> Extras | None:
    """Return what a turn writes besides, or None: what it took, what it asks for, what it waits for no more."""
    if taken is None and not requests and result is None and _only_message(before) and _only_message(after):
        return None
    heard = taken[1] if taken else None
    ids = (taken[0].id,) if taken else ()
    signals, unheard = (ids, ()) if heard is not None else ((), ids)
    consumed = (taken[0].message,) if taken and isinstance(heard, EventPublished) else ()
    answered = (heard.number,) if isinstance(heard, RequestCompleted | RequestFailed) else ()
    kept = {part.number for part in after if isinstance(part, ForRequest)}
    waited = [part.number for part in before if isinstance(part, ForRequest)]
    given_up = tuple([number for number in waited if number not in kept and number not in answered])
    old = {part.number for part in before if isinstance(part, ForEvent)}
    new = {part.number: part.name for part in after if isinstance(part, ForEvent)}
    begun = tuple([(number, name) for number, name in new.items() if number not in old])
    left = tuple(sorted(old - new.keys()))
    if not (ids or requests or given_up or begun or left) and result is None:
        return None
    text = None if result is None else msgspec.json.encode(result).decode()
    return Extras(requests, signals, unheard, consumed, answered, given_up, begun, left, text)


def _only_message(waits: tuple[Wait, ...]) -> bool:
    """Tell the commonest case: nothing is waited for that has a row of its own."""
    return not any(isinstance(part, ForRequest | ForEvent) for part in waits)
