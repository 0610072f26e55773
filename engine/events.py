"""What comes into an execution, as values: a closed set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from engine.values import Value


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that came with a message. `kind` is file, image, audio, video or document."""

    url: str
    kind: str = "file"
    name: str = ""
    mime_type: str = ""


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """The user said something while a HEAR waited for it."""

    content: str
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The deadline of the wait has passed."""


@dataclass(frozen=True, slots=True)
class QueryAnswered:
    """The statement a step asked for ran inside the turn's transaction; this is its result."""

    value: Value


@dataclass(frozen=True, slots=True)
class QueryFailed:
    """The statement a step asked for was refused by the database; its transaction goes on."""

    message: str
    kind: str = "database"


@dataclass(frozen=True, slots=True)
class RequestCompleted:
    """The world answered request `number`."""

    number: int
    value: Value


@dataclass(frozen=True, slots=True)
class RequestFailed:
    """Request `number` failed for good: a script error at the step, unless it is caught."""

    number: int
    message: str
    kind: str = "request"


@dataclass(frozen=True, slots=True)
class EventPublished:
    """Somebody published an event that was waited for. `name` is in lower case."""

    name: str
    data: Value = None


@dataclass(frozen=True, slots=True)
class ChildEnded:
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
