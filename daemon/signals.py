"""Signals: events on their way to one execution, as rows; and what a turn writes besides, as values."""

from __future__ import annotations

import msgspec

from daemon.rows import Extras, Signal
from engine.effects import Request
from engine.events import ChildEnded, Event, EventPublished, RequestCompleted, RequestFailed
from engine.values import Value
from engine.waits import ForChildren, ForEvent, ForRequest, Wait, parts_of


def event_of(signal: Signal, wait: Wait | None) -> Event | None:
    """Return what a signal tells an execution that waits so, or None where it waits for something else."""
    for part in parts_of(wait):
        match part:
            case ForRequest(number=number) if signal.kind == "completed" and number == signal.number:
                return RequestCompleted(number, signal.data)
            case ForRequest(number=number) if signal.kind == "failed" and number == signal.number:
                return RequestFailed(number, signal.message, signal.name or "request")
            case ForEvent(name=name) if signal.kind == "event" and name == signal.name:
                return EventPublished(name, signal.data)
            case ForChildren(children=children) if signal.kind == "child" and signal.number in children:
                return ChildEnded(signal.number, signal.name, signal.data, signal.message)
            case _:
                continue
    return None


def extras_of(
    before: Wait | None,
    after: Wait | None,
    taken: tuple[Signal, Event | None] | None,
    requests: tuple[Request, ...],
    result: Value,
) -> Extras | None:
    """Return what a turn writes besides, or None: what it took, what it asks for, what it waits for no more."""
    if before is None and not requests and taken is None and result is None:
        return None
    signals = (taken[0].id,) if taken else ()
    heard = taken[1] if taken else None
    answered = (heard.number,) if isinstance(heard, RequestCompleted | RequestFailed) else ()
    kept = {part.number for part in parts_of(after) if isinstance(part, ForRequest)}
    waited = [part.number for part in parts_of(before) if isinstance(part, ForRequest)]
    given_up = tuple([number for number in waited if number not in kept and number not in answered])
    names = {part.name for part in parts_of(after) if isinstance(part, ForEvent)}
    left = tuple([p.name for p in parts_of(before) if isinstance(p, ForEvent) and p.name not in names])
    if not (signals or requests or given_up or left) and result is None:
        return None
    text = None if result is None else msgspec.json.encode(result).decode()
    return Extras(requests, signals, answered, given_up, left, text)
