"""What goes out of a turn, as values.

Every effect is rows of the turn's own commit: exactly once. A Request is one too; what it asks of the world
outside is done after the commit, at least once, under its key.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias

from msgspec import Struct

from engine.values import Value


class Suggestion(Struct, frozen=True, gc=False):
    """A button under a reply: what the user sees and what pressing it sends."""

    label: str
    value: str
    tool: bool = False


class Reply(Struct, frozen=True, gc=False):
    """What the bot says: one row of `workflow_replies`. `recipient` is None for the session's user."""

    content: str
    suggestions: tuple[Suggestion, ...] = ()
    recipient: str | None = None


class Suggest(Struct, frozen=True, gc=False):
    """A button kept for the next reply. None clears those collected so far."""

    suggestion: Suggestion | None


class Log(Struct, frozen=True, gc=False):
    """PRINT, DEBUG and LOG: a line of the structured log and of the history, never shown to the user."""

    level: str
    text: str


class SetErrorMode(Struct, frozen=True, gc=False):
    """ON ERROR: whether this frame goes on behind a failing step (`resume`), jumps nowhere otherwise."""

    resume: bool


class Shown(Struct, frozen=True, gc=False):
    """What the transcript, the history and the logs may show of a secret answer, in place of its text."""

    text: str


class Request(Struct, frozen=True, gc=False):
    """Something the world outside is asked to do: a row, performed after the commit, answered by an event.

    `kind` is http, llm, mail, mcp, approval, or a keyword's upper-case words; `payload` is a JSON object that its
    performer understands. `number` is given by the stepper, from 1 in each execution, and names the request's key.
    `policy` says what follows a crash inside an attempt: repeat (with the same key), park (for the operator), or
    None: as the configuration says for the kind.
    """

    kind: str
    payload: Value
    number: int = 0
    deadline: datetime | None = None
    policy: str | None = None


class Keep(Struct, frozen=True, gc=False):
    """Something the execution keeps beside its variables, which no script can name: HTTP headers, a system prompt.
    `value` None forgets it. A step reads it by `here.kept`."""

    key: str
    value: Value


class Handle(Struct, frozen=True, gc=False):
    """ON EVENT: from now on the event of that name (lower case) runs a procedure of the plan whenever it comes
    while the script waits; None: no longer. It holds as long as the script that says it runs."""

    event: str
    procedure: str | None


Effect: TypeAlias = Reply | Suggest | Log | SetErrorMode | Shown | Request | Keep | Handle


class Query(Struct, frozen=True, gc=False):
    """A statement the database runs inside the turn's transaction; its result is a value.

    `name` is either `tool:NAME` (a PostgreSQL function declared in the configuration) or the name of one
    of our own statements (`get_session_variable`, `set_session_variable`, `get_bot_memory`, …).
    """

    name: str
    arguments: tuple[Value, ...] = ()
