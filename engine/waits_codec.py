"""A wait as the checkpoint's JSON and back.

A wait of several parts is the one that a client would look for (the question where there is one) with the others
under `or`, so the views read a question the same way whatever else ends it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, assert_never

from msgspec import Struct, field

from engine.waits import FirstOf, ForChildren, ForEvent, ForMessage, ForQuery, ForRequest, ForTime, Wait


class UnknownWait(Exception):
    """The checkpoint waits for something that this engine does not know."""


class _Question(Struct, tag_field="kind", tag="message", omit_defaults=True, gc=False):
    """A question as clients read it."""

    prompt_id: str
    type: str
    prompt: str
    choices: tuple[str, ...]
    tries_left: int
    deadline: str | None = None
    secret: bool = False
    others: list[object] | None = field(name="or", default=None)


def wait_data(wait: Wait) -> object:
    """Return a wait as the JSON's encoder takes it."""
    if isinstance(wait, ForMessage):
        return _question(wait, None)
    match wait:
        case FirstOf(waits=(first, *others)):
            data = [wait_data(part) for part in others]
            return _question(first, data) if isinstance(first, ForMessage) else {**_object(first), "or": data}
        case _:
            return _object(wait)


def _question(wait: ForMessage, others: list[object] | None) -> _Question:
    deadline = wait.deadline.isoformat() if wait.deadline else None
    return _Question(
        wait.prompt_id, wait.type, wait.prompt, wait.choices, wait.tries_left, deadline, wait.secret, others
    )


def _object(wait: Wait) -> dict[str, Any]:
    match wait:
        case ForTime(until=until):
            return {"kind": "time", "until": until.isoformat()}
        case ForRequest(kind=kind, number=number, deadline=deadline):
            return {"kind": "request", "request": kind, "number": number, "deadline": _text(deadline)}
        case ForEvent(name=name, deadline=deadline, number=number, handler=handler):
            data: dict[str, Any] = {"kind": "event", "event": name, "number": number, "deadline": _text(deadline)}
            return {**data, "handler": handler} if handler else data
        case ForChildren(children=children, deadline=deadline):
            return {"kind": "children", "children": list(children), "deadline": _text(deadline)}
        case ForMessage() | FirstOf():
            raise AssertionError("a question has a form of its own, and several waits are never nested")
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
                deadline=_moment(data.get("deadline")),
                secret=data.get("secret", False),
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
