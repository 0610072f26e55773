"""What a suspended execution waits for: a closed set, stored in the checkpoint under `wait`."""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias

from msgspec import Struct


class ForMessage(Struct, frozen=True, gc=False):
    """A HEAR: the open question, complete enough that any client can show it again.

    `deadline` is an aware UTC time or None. `prompt_id` names this asking of the question.
    """

    prompt_id: str
    type: str = "text"
    prompt: str = ""
    choices: tuple[str, ...] = ()
    tries_left: int = 0
    deadline: datetime | None = None
    secret: bool = False

    def named(self, prompt_id: str, prompt: str) -> ForMessage:
        """Return the same question under a name, with the text that asked it."""
        return ForMessage(prompt_id, self.type, prompt, self.choices, self.tries_left, self.deadline, self.secret)


class ForTime(Struct, frozen=True, gc=False):
    """WAIT: a stored moment (aware, UTC), never a relative sleep."""

    until: datetime


class ForQuery(Struct, frozen=True, gc=False):
    """Inside a turn only: the database is being asked. Never stored."""


class ForRequest(Struct, frozen=True, gc=False):
    """The answer of the world outside. `number` is the request's number in this execution; 0, as a step gives
    it, means the request that the same move makes. `kind` names it for people: http, SEND FILE, …"""

    kind: str
    number: int = 0
    deadline: datetime | None = None


class ForEvent(Struct, frozen=True, gc=False):
    """A published event of that name, case-insensitive and stored in lower case.

    `number` is given by the stepper and names this wait, so that an event which was on its way to an earlier one
    is not taken for this one's. `handler` is the procedure of an ON EVENT that the event runs; "" where the
    waiting step itself takes it.
    """

    name: str
    deadline: datetime | None = None
    number: int = 0
    handler: str = ""


class ForChildren(Struct, frozen=True, gc=False):
    """The ends of child executions, by the numbers that their starts gave them: all of `children` must end.

    Each end runs the step with Resumed(ChildEnded); it waits again for those that are left.
    """

    children: tuple[int, ...]
    deadline: datetime | None = None


class FirstOf(Struct, frozen=True, gc=False):
    """Whichever of several waits ends first; the others are given up in the same commit. Never nested."""

    waits: tuple[Wait, ...]


Wait: TypeAlias = ForMessage | ForTime | ForQuery | ForRequest | ForEvent | ForChildren | FirstOf


def parts_of(wait: Wait | None) -> tuple[Wait, ...]:
    """Return the single waits that a wait is made of."""
    match wait:
        case None:
            return ()
        case FirstOf(waits=waits):
            return waits
        case _:
            return (wait,)


def own_wait(wait: Wait) -> Wait:
    """Return what the waiting step asked for: the wait without the events that run a handler."""
    if not isinstance(wait, FirstOf):
        return wait
    own = tuple([part for part in wait.waits if not (isinstance(part, ForEvent) and part.handler)])
    return own[0] if len(own) == 1 else FirstOf(own)


def question_of(wait: Wait | None) -> ForMessage | None:
    """Return the open question among what is waited for, or None."""
    if type(wait) is ForMessage:
        return wait
    return next((w for w in parts_of(wait) if isinstance(w, ForMessage)), None)


def deadline_of(wait: Wait | None) -> datetime | None:
    """Return when the wait ends by itself, or None: this is the column `wake_at`."""
    if type(wait) is ForMessage:  # the commonest
        return wait.deadline
    match wait:
        case ForTime(until=until):
            return until
        case ForRequest(deadline=deadline) | ForEvent(deadline=deadline) | ForChildren(deadline=deadline):
            return deadline
        case FirstOf(waits=waits):
            return min((d for w in waits if (d := deadline_of(w)) is not None), default=None)
        case _:
            return None


def kind_of(wait: Wait | None) -> str | None:
    """Return the wait's kind as stored in the column `wait_kind`: message, time, request, event, children.

    Of several it is message where one is a question, because messages are fetched by it; else the first one's.
    """
    if type(wait) is ForMessage:
        return "message"
    match wait:
        case ForTime():
            return "time"
        case ForRequest():
            return "request"
        case ForEvent():
            return "event"
        case ForChildren():
            return "children"
        case FirstOf(waits=waits):
            return "message" if question_of(wait) else kind_of(waits[0])
        case _:
            return None
