"""What comes into an execution, as values: a closed set."""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from engine.values import Value


class Attachment(Struct, frozen=True, gc=False):
    """A file that came with a message. `kind` is file, image, audio, video or document."""

    url: str
    kind: str = "file"
    name: str = ""
    mime_type: str = ""


class MessageReceived(Struct, frozen=True, gc=False):
    """The user said something while a HEAR waited for it."""

    content: str
    attachments: tuple[Attachment, ...] = ()


class TimedOut(Struct, frozen=True, gc=False):
    """The deadline of the wait has passed."""


class QueryAnswered(Struct, frozen=True, gc=False):
    """The statement a step asked for ran inside the turn's transaction; this is its result."""

    value: Value


class QueryFailed(Struct, frozen=True, gc=False):
    """The statement a step asked for was refused by the database; its transaction goes on."""

    message: str
    kind: str = "database"


class RequestCompleted(Struct, frozen=True, gc=False):
    """The world answered request `number`."""

    number: int
    value: Value


class RequestFailed(Struct, frozen=True, gc=False):
    """Request `number` failed for good: a script error at the step, unless it is caught."""

    number: int
    message: str
    kind: str = "request"


class EventPublished(Struct, frozen=True, gc=False):
    """Somebody published an event that was waited for. `name` is in lower case."""

    name: str
    data: Value = None


class ChildEnded(Struct, frozen=True, gc=False):
    """Child execution `number` has ended with that status; `value` is what it returned, `message` its error."""

    number: int
    status: str
    value: Value = None
    message: str = ""


Event: TypeAlias = (
    MessageReceived
    | TimedOut
    | QueryAnswered
    | QueryFailed
    | RequestCompleted
    | RequestFailed
    | EventPublished
    | ChildEnded
)
