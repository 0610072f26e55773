"""What the daemon reads from and writes to the database, as values: the border between store and actors."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from engine.effects import Reply
from engine.values import Value

Status = Literal["running", "waiting", "paused", "completed", "failed", "cancelled", "lost"]


@dataclass(frozen=True, slots=True)
class PendingMessage:
    """A message row that an execution hears next; `now` is the database's clock when it was read."""

    id: int
    session_id: UUID
    execution_id: UUID
    content: str
    attachments: list[dict[str, Value]] | None
    prompt_id: str | None
    created_at: datetime
    now: datetime


@dataclass(frozen=True, slots=True)
class DueExecution:
    """An execution whose `wake_at` has come: a start, a timer, a resume or a retry."""

    id: UUID
    revision: int
    now: datetime


@dataclass(frozen=True, slots=True)
class LoadedExecution:
    """The row of an execution as an actor starts from it. `mode` is workflow or direct."""

    id: UUID
    revision: int
    session_id: UUID | None
    bot_id: UUID | None
    script: str
    plan_hash: str
    mode: str
    status: Status
    state_json: str
    turn: int
    now: datetime


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn, ready to commit: everything that becomes true together, fenced by `revision`."""

    execution_id: UUID
    revision: int
    number: int
    session_id: UUID | None
    state_json: str
    current_step: int
    from_step: int
    status: Status
    wait_kind: str | None
    wake_at: datetime | None
    consumed: tuple[int, ...]
    replies: tuple[Reply, ...]
    came_in: str
    went_out: str
    problem: str | None
    steps: int
    duration_us: int
