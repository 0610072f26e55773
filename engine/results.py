"""What a slice of a turn came to: a closed set."""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from engine.effects import Effect, Query
from engine.state import ExecutionState
from engine.values import Value
from engine.waits import Wait


class Failure(Struct, frozen=True, gc=False):
    """Why an execution failed: the sentence, its kind, and where in which script."""

    message: str
    kind: str
    script: str
    line: int
    step: int
    statement: str

    def __str__(self) -> str:
        return f"{self.script}:{self.line}: {self.message} (step {self.step}: {self.statement})"


class Continue(Struct, frozen=True, gc=False):
    """The turn is not over: the slice's steps are used up, or with `query` the database is asked."""

    state: ExecutionState
    effects: tuple[Effect, ...]
    steps: int
    query: Query | None = None


class Suspend(Struct, frozen=True, gc=False):
    """The turn is over: the execution waits."""

    state: ExecutionState
    effects: tuple[Effect, ...]
    steps: int
    wait: Wait


class Done(Struct, frozen=True, gc=False):
    """The turn is over and so is the execution: completed, or failed, or cancelled by its user's answer."""

    state: ExecutionState
    effects: tuple[Effect, ...]
    steps: int
    value: Value = None
    failure: Failure | None = None
    cancelled: bool = False


StepResult: TypeAlias = Continue | Suspend | Done
