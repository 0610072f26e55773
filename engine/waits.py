"""What a suspended execution waits for: a closed set, stored in the checkpoint under `wait`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class ForMessage:
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


@dataclass(frozen=True, slots=True)
class ForTime:
    """WAIT: a stored moment (aware, UTC), never a relative sleep."""

    until: datetime


@dataclass(frozen=True, slots=True)
class ForQuery:
    """Inside a turn only: the database is being asked. Never stored."""


Wait: TypeAlias = ForMessage | ForTime | ForQuery


def deadline_of(wait: Wait | None) -> datetime | None:
    """Return when the wait ends by itself, or None: this is the column `wake_at`."""
    match wait:
        case ForMessage(deadline=deadline):
            return deadline
        case ForTime(until=until):
            return until
        case _:
            return None


def kind_of(wait: Wait | None) -> str | None:
    """Return the wait's kind as stored in the column `wait_kind`: message, time, or None."""
    match wait:
        case ForMessage():
            return "message"
        case ForTime():
            return "time"
        case _:
            return None
