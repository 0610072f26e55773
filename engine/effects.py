"""What goes out of a turn, as values. Every effect here is rows of the turn's own commit: exactly once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from engine.values import Value


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A button under a reply: what the user sees and what pressing it sends."""

    label: str
    value: str
    tool: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """What the bot says: one row of `workflow_replies`. `recipient` is None for the session's user."""

    content: str
    suggestions: tuple[Suggestion, ...] = ()
    recipient: str | None = None


@dataclass(frozen=True, slots=True)
class Suggest:
    """A button kept for the next reply. None clears those collected so far."""

    suggestion: Suggestion | None


@dataclass(frozen=True, slots=True)
class Log:
    """PRINT, DEBUG and LOG: a line of the structured log and of the history, never shown to the user."""

    level: str
    text: str


@dataclass(frozen=True, slots=True)
class SetErrorMode:
    """ON ERROR: whether this frame goes on behind a failing step (`resume`), jumps nowhere otherwise."""

    resume: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """What the transcript, the history and the logs may show of a secret answer, in place of its text."""

    text: str


Effect: TypeAlias = Reply | Suggest | Log | SetErrorMode | Shown


@dataclass(frozen=True, slots=True)
class Query:
    """A statement the database runs inside the turn's transaction; its result is a value.

    `name` is either `tool:NAME` (a PostgreSQL function declared in the configuration) or the name of one
    of our own statements (`get_session_variable`, `set_session_variable`, `get_bot_memory`, …).
    """

    name: str
    arguments: tuple[Value, ...] = ()
