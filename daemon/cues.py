"""Where an execution stands between two turns, and what makes the next one begin."""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias
from uuid import UUID

import msgspec

from daemon.rows import DueExecution, LoadedExecution, PendingMessage, Signal, Status
from daemon.signals import event_of
from engine.events import Event
from engine.plan import Plan
from engine.state import ExecutionState
from engine.waits import ForMessage, deadline_of, parts_of, question_of

ENDED: frozenset[Status] = frozenset({"completed", "failed", "cancelled", "lost"})


class Standing(msgspec.Struct, frozen=True):
    """Where an execution stands between two turns: what its actor holds in memory. `row` is the row it was
    loaded from, for what never changes of it; its `state_json` is dropped, `state` is that."""

    row: LoadedExecution
    plan: Plan
    state: ExecutionState
    revision: int
    turn: int
    status: Status

    @property
    def id(self) -> UUID:
        """The execution's id."""
        return self.row.id

    @property
    def direct(self) -> bool:
        """Whether nothing but the memory of this process holds the state."""
        return self.plan.mode == "direct"

    @property
    def hears(self) -> bool:
        """Whether a message of the session would be heard now."""
        return self.status == "waiting" and question_of(self.state.wait) is not None

    @property
    def ended(self) -> bool:
        """Whether no turn can follow."""
        return self.status in ENDED


# ── what makes a turn begin ────────────────────────────────────────────────────────────────────────


class Heard(msgspec.Struct, frozen=True):
    """A message for the open question."""

    message: PendingMessage


class Misdirected(msgspec.Struct, frozen=True):
    """A message that answers a question which is no longer open: consumed without being heard."""

    message: PendingMessage


class Signalled(msgspec.Struct, frozen=True):
    """A signal that the execution waits for: `event` is what it tells the script."""

    signal: Signal
    event: Event

    @property
    def now(self) -> datetime:
        """The database's clock when the signal was read."""
        return self.signal.now


class Overtaken(msgspec.Struct, frozen=True):
    """A signal that nothing waits for any more: consumed without being heard."""

    signal: Signal

    @property
    def now(self) -> datetime:
        """The database's clock when the signal was read."""
        return self.signal.now


class Elapsed(msgspec.Struct, frozen=True):
    """The deadline of the wait has passed on the database's clock."""

    now: datetime


class Begun(msgspec.Struct, frozen=True):
    """The execution is to run, or to look again at what it waits for: a start, a resume, a retry."""

    now: datetime


Cue: TypeAlias = Heard | Misdirected | Signalled | Overtaken | Elapsed | Begun


def cue_of_message(standing: Standing, message: PendingMessage) -> Cue | None:
    """Return what a message does to an execution, or None where it cannot be heard now.

    A message that was written after the deadline of the question came too late, whichever of the two was
    read first: the time-out is then what happens, and the message is left for the next HEAR.
    """
    whole = standing.state.wait
    wait = whole if type(whole) is ForMessage else question_of(whole)
    if standing.status != "waiting" or wait is None:
        return None
    if message.prompt_id is not None and message.prompt_id != wait.prompt_id:
        return Misdirected(message)
    deadline = wait.deadline if wait is whole else deadline_of(whole)
    if deadline is not None and deadline <= message.created_at:
        return Elapsed(message.now)
    return Heard(message)


def cue_of_signal(standing: Standing, signal: Signal) -> Cue | None:
    """Return what a signal does to an execution, or None where it is for a wait that goes on later: behind the
    handler of an event."""
    state = standing.state
    if standing.status != "waiting":
        return Overtaken(signal)
    event = event_of(signal, parts_of(state.wait))
    if event is not None:
        return Signalled(signal, event)
    return None if event_of(signal, state.waits) is not None else Overtaken(signal)


def cue_of_due(standing: Standing, due: DueExecution) -> Cue | None:
    """Return what a due time does to an execution, or None where it belongs to an older revision."""
    if due.revision != standing.revision:
        return None
    deadline = deadline_of(standing.state.wait)
    if deadline is not None and deadline <= due.now:
        return Elapsed(due.now)
    return Begun(due.now)


def now_of(cue: Cue) -> datetime:
    """Return the database's time when the cue was read."""
    return cue.message.now if isinstance(cue, (Heard, Misdirected)) else cue.now
