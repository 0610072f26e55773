"""What the daemon reads from and writes to the database, as values: the border between store and actors.

Those of the busy path are msgspec's structures, which are made in a tenth of the time that a frozen dataclass takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from engine.effects import Reply, Request
from engine.steps import Declaration
from engine.values import Value

Status = Literal["running", "waiting", "paused", "completed", "failed", "cancelled", "lost"]


def bot_of_lane(lane: int) -> int:
    """Return the number that stands for a bot: the upper half of its lanes (see workflow_lane in the schema)."""
    return lane >> 32


class PendingMessage(msgspec.Struct, frozen=True, gc=False):
    """A message row that an execution hears next; `now` is the database's clock when it was read, `lane` stands for
    the script of a bot that it came for."""

    id: int
    session_id: UUID
    execution_id: UUID
    content: str
    attachments: list[dict[str, Value]] | None
    prompt_id: str | None
    created_at: datetime
    now: datetime
    lane: int = 0


class Signal(msgspec.Struct, frozen=True, gc=False):
    """An event on its way to one execution, as a row. `kind` is completed, failed, event or child.

    `number` is that of the request, the child or the wait for an event; `name` the event's name, the child's status
    or the kind of error; `message` the error's sentence, or the event's id.
    """

    id: int
    session_id: UUID | None
    execution_id: UUID
    kind: str
    number: int
    name: str
    data: Value
    message: str
    created_at: datetime
    now: datetime


@dataclass(frozen=True, slots=True)
class Extras:
    """What a turn writes beside its replies; see workflow_write_extras. `signals` are those it has heard, `unheard`
    those it has taken for nobody, `consumed` the ids of events it has heard, `answered` and `given_up` numbers of
    requests, `waits` the numbers and names of events it begins to wait for, `events` the numbers of those it waits
    for no more, `result_json` what the execution returned."""

    requests: tuple[Request, ...] = ()
    signals: tuple[int, ...] = ()
    unheard: tuple[int, ...] = ()
    consumed: tuple[str, ...] = ()
    answered: tuple[int, ...] = ()
    given_up: tuple[int, ...] = ()
    waits: tuple[tuple[int, str], ...] = ()
    events: tuple[int, ...] = ()
    result_json: str | None = None


class DueExecution(msgspec.Struct, frozen=True, gc=False):
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


class Turn(msgspec.Struct, frozen=True, gc=False):
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
    extras: Extras | None = None


@dataclass(frozen=True, slots=True)
class StoredPlan:
    """A plan as it is stored: immutable, named by the hash of its sources (path to text). `declared` is what
    deploying its script registers; it is stored beside the plan."""

    hash: str
    script: str
    mode: str
    plan_json: str
    sources: dict[str, str]
    engine_version: str
    tool_json: str | None = None
    declared: tuple[Declaration, ...] = ()


@dataclass(frozen=True, slots=True)
class DeployedScript:
    """The plan that a start of this script takes. A bot_id of zeros stands for every bot."""

    bot_id: UUID
    script: str
    plan_hash: str
    mode: str
    deployed_at: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an operator's action did: whether anything changed, the status now, and a sentence about it."""

    changed: bool
    status: Status
    sentence: str


@dataclass(frozen=True, slots=True)
class RequestOutcome:
    """What an operator's action did to a request: as Outcome does for executions."""

    changed: bool
    status: str
    sentence: str


@dataclass(frozen=True, slots=True)
class ListedExecution:
    """An execution in a list. `start_order` is the key of the next page."""

    id: UUID
    start_order: int
    session_id: UUID | None
    bot_id: UUID | None
    script: str
    mode: str
    status: Status
    current_step: int
    turn: int
    wait_kind: str | None
    wake_at: datetime | None
    problem: str | None
    created_at: datetime
    updated_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class PastTurn:
    """A turn of the history. `came_in` and `went_out` are what the actor wrote of it."""

    turn: int
    from_step: int
    to_step: int
    came_in: dict[str, Value]
    went_out: dict[str, Value]
    steps: int
    duration_us: int
    at: datetime


@dataclass(frozen=True, slots=True)
class ShownExecution:
    """All about one execution. `since`: when it came there; `hears`: its session's messages go to it."""

    listed: ListedExecution
    plan_hash: str
    revision: int
    state_json: str
    messages_pending: int
    since: datetime
    hears: bool
    now: datetime


@dataclass(frozen=True, slots=True)
class TakenReply:
    """A reply, taken by a client. `suggestions` are objects with label, value and tool."""

    id: int
    session_id: UUID | None
    execution_id: UUID
    turn: int
    position: int
    content: str
    suggestions: list[dict[str, Value]] | None
    recipient: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Approval:
    """An open approval: who is asked for what until when, the token that decides and the link with it."""

    id: UUID
    execution_id: UUID
    session_id: UUID | None
    workflow: str | None
    text: str | None
    people: list[str]
    token: str
    link: str | None
    created_at: datetime
    deadline: datetime | None


@dataclass(frozen=True, slots=True)
class Standstill:
    """Signals on their way and the age of the oldest; published events that nobody has heard; how long the most
    overdue schedule has been due. Ages are None where there is none."""

    signals: int
    oldest_seconds: float | None
    events: int
    late_seconds: float | None


@dataclass(frozen=True, slots=True)
class Counted:
    """How many executions a status has; not exact: by the statistics of PostgreSQL."""

    executions: int
    exact: bool


@dataclass(frozen=True, slots=True)
class Backlog:
    """Messages that nobody has heard yet, and how long the oldest has waited; None where there is none."""

    pending: int
    oldest_seconds: float | None
