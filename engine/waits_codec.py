"""A wait as the checkpoint's JSON and back.

A wait of several parts is the one that a client would look for (the question where there is one) with the others
under `or`, so the views read a question the same way whatever else ends it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, assert_never

from engine.waits import FirstOf, ForChildren, ForEvent, ForMessage, ForQuery, ForRequest, ForTime, Wait


class UnknownWait(Exception):
    """The checkpoint waits for something that this engine does not know."""


def wait_data(wait: Wait) -> dict[str, Any]:
    """Return a wait as JSON holds it."""
    match wait:
        case FirstOf(waits=waits):
            first, *others = map(wait_data, waits)
            return {**first, "or": others}
        case ForMessage():
            return {
                "kind": "message",
                "prompt_id": wait.prompt_id,
                "type": wait.type,
                "prompt": wait.prompt,
                "choices": list(wait.choices),
                "tries_left": wait.tries_left,
                "deadline": _text(wait.deadline),
                "secret": wait.secret,
            }
        case ForTime(until=until):
            return {"kind": "time", "until": until.isoformat()}
        case ForRequest(kind=kind, number=number, deadline=deadline):
            return {"kind": "request", "request": kind, "number": number, "deadline": _text(deadline)}
        case ForEvent(name=name, deadline=deadline, number=number, handler=handler):
            data: dict[str, Any] = {"kind": "event", "event": name, "number": number, "deadline": _text(deadline)}
            return {**data, "handler": handler} if handler else data
        case ForChildren(children=children, deadline=deadline):
            return {"kind": "children", "children": list(children), "deadline": _text(deadline)}
        case ForQuery():
            raise AssertionError("a query is answered inside its turn and never stored")
        case _:
            assert_never(wait)


def wait_from(data: dict[str, Any]) -> Wait:
    """Return the wait of its JSON. Raises UnknownWait, KeyError, TypeError, ValueError."""
    if "or" in data:
        return FirstOf((_single(data), *(_single(d) for d in data["or"])))
    return _single(data)


def _single(data: dict[str, Any]) -> Wait:
    match data["kind"]:
        case "message":
            return ForMessage(
                prompt_id=data["prompt_id"],
                type=data["type"],
                prompt=data["prompt"],
                choices=tuple(data["choices"]),
                tries_left=data["tries_left"],
                deadline=_moment(data["deadline"]),
                secret=data["secret"],
            )
        case "time":
            return ForTime(datetime.fromisoformat(data["until"]))
        case "request":
            return ForRequest(data["request"], data["number"], _moment(data["deadline"]))
        case "event":
            return ForEvent(data["event"], _moment(data["deadline"]), data["number"], data.get("handler", ""))
        case "children":
            return ForChildren(tuple(data["children"]), _moment(data["deadline"]))
        case kind:
            raise UnknownWait(f"the checkpoint waits for “{kind}”, which this engine does not know")


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
