"""The checkpoint: position, frames, variables. Data only, so an execution may be dropped at any moment.

The JSON that is stored is public in part (`variables`, `step_index`, `wait`); the rest is ours:

    {"version": 2, "variables": {…}, "step_index": 7, "procedure": "a.bas", "wait": {"kind": "message", …},
     "said": "…", "asked": 2, "requested": 1, "position": 3, "frames": [{…}], "memos": {"3": …},
     "resume_errors": true, "handlers": {…}, "why": ["returned", …], "suggestions": […], "held": […], "kept": {…}}

`step_index` is the position of the innermost frame; `position` that of the outermost where they differ.
Values are immutable by convention, so copying a state copies only its dictionaries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, cast

import msgspec
from msgspec.structs import replace

from engine.effects import Reply, Suggestion
from engine.steps import BLOCK_ENDED, ENTERED, Caught, Returned, Why
from engine.values import Value
from engine.waits import Wait, parts_of
from engine.waits_codec import UnknownWait, wait_data, wait_from

CHECKPOINT_VERSION = 2  # 1 wrote a question's deadline and secret where there were none, too


class UnreadableCheckpoint(Exception):
    """A stored state cannot be read; `newer` says that a newer engine wrote it."""

    def __init__(self, message: str, newer: bool = False) -> None:
        self.newer = newer
        super().__init__(message)


class StateTooLarge(Exception):
    """The variables need more bytes than STATE_BYTES_MAX allows."""


class Frame(msgspec.Struct, eq=False):
    """One procedure being run. `base` is the index of the frame whose variables its script shares.

    `handlers` are the script's ON EVENTs: the event's name to its procedure and the number of the wait for it.
    `interrupted` is the wait that goes on when this procedure, which handles an event, has ended.
    """

    procedure: str
    position: int
    variables: dict[str, Value]
    base: int = 0
    memos: dict[int, Value] = {}
    resume_errors: bool = False
    handlers: dict[str, tuple[str, int]] = {}  # replaced, never changed
    interrupted: Wait | None = None

    def copy(self) -> Frame:
        """Return a frame that can change without changing this one."""
        return replace(self, variables=self.variables.copy(), memos=self.memos.copy())


class ExecutionState(msgspec.Struct, eq=False):
    """Where an execution is and what it knows. Only the stepper changes one, and only its own copy."""

    frames: list[Frame]
    why: Why = ENTERED
    wait: Wait | None = None
    suggestions: tuple[Suggestion, ...] = ()
    said: str = ""  # the last reply of this turn: what the next HEAR asks
    held: tuple[Reply, ...] = ()  # replies of this turn that buttons may yet come under; its last slice tells
    asked: int = 0  # how many questions were asked: names the prompts
    requested: int = 0  # how many requests, and waits for events, were made: names their keys
    kept: dict[str, Value] = {}  # what Keep effects put aside; replaced, never changed

    def copy(self) -> ExecutionState:
        """Return a state that can change without changing this one."""
        frames = self.frames
        return replace(self, frames=[frames[0].copy()] if len(frames) == 1 else [f.copy() for f in frames])

    def shared(self) -> ExecutionState:
        """Return a state of its own with the same frames: they must not change before they are copied."""
        return replace(self)

    @property
    def current_step(self) -> int:
        """The number of the step the execution is at, inside procedures too."""
        return self.frames[-1].position

    @property
    def waits(self) -> tuple[Wait, ...]:
        """The single waits of an execution that waits: what it waits for, and what goes on behind a handler."""
        if self.wait is None:
            return ()
        interrupted = self.interrupted if len(self.frames) > 1 else None
        return (*parts_of(self.wait), *parts_of(interrupted)) if interrupted else parts_of(self.wait)

    @property
    def interrupted(self) -> Wait | None:
        """The wait that goes on when the handler of an event has ended; None where no handler runs."""
        return next((frame.interrupted for frame in self.frames if frame.interrupted is not None), None)

    @property
    def variables(self) -> dict[str, Value]:
        """The script's own variables."""
        return self.frames[0].variables

    def reader(self) -> Callable[[str], Value]:
        """Return how the innermost procedure reads a name: its own variables, then its script's; NULL if neither."""
        frame = self.frames[-1]
        base = self.frames[frame.base]
        if base is frame:
            return frame.variables.get
        own, outer = frame.variables, base.variables
        return lambda name: own[name] if name in own else outer.get(name)

    def everything(self) -> dict[str, Value]:
        """Return all variables that the innermost procedure can read, without the results of lifted calls."""
        frame = self.frames[-1]
        both = {**self.frames[frame.base].variables, **frame.variables}
        return {name: value for name, value in both.items() if not name.startswith("$")}


class _Stored(msgspec.Struct, omit_defaults=True, gc=False):
    """The checkpoint as it is written: what is as it usually is, is left out."""

    version: int
    variables: dict[str, Value]
    step_index: int
    procedure: str
    wait: object = None
    said: str = ""
    asked: int = 0
    requested: int = 0
    # What is rare: by place the others are given faster than by name.
    position: int | None = None
    frames: list[dict[str, Any]] | None = None
    memos: dict[int, Value] | None = None
    resume_errors: bool = False
    handlers: dict[str, tuple[str, int]] | None = None
    why: list[Value] | None = None
    suggestions: list[list[Value]] | None = None
    held: list[list[object]] | None = None
    kept: dict[str, Value] | None = None


_ENCODER = msgspec.json.Encoder()


def encode_state(state: ExecutionState, bytes_max: int | None = None) -> str:
    """Return the checkpoint's JSON. Raises StateTooLarge above `bytes_max` bytes, ValueError for text
    that UTF-8 cannot hold."""
    frames, wait = state.frames, state.wait
    outer = frames[0]
    stored = _Stored(
        CHECKPOINT_VERSION,
        outer.variables,
        frames[-1].position,
        outer.procedure,
        wait_data(wait) if wait is not None else None,
        state.said,
        state.asked,
        state.requested,
    )
    if len(frames) > 1:
        stored.position = outer.position
        stored.frames = [_frame_data(f) for f in frames[1:]]
    if outer.memos or outer.handlers or outer.resume_errors:
        stored.memos = outer.memos or None
        stored.handlers = outer.handlers or None
        stored.resume_errors = outer.resume_errors
    if state.why is not ENTERED:
        stored.why = _why_data(state.why)
    if state.suggestions:
        stored.suggestions = _suggestions_data(state.suggestions)
    if state.held:
        stored.held = [[r.content, _suggestions_data(r.suggestions), r.recipient] for r in state.held]
    if state.kept:
        stored.kept = state.kept
    raw = _ENCODER.encode(stored)
    if bytes_max is not None and len(raw) > bytes_max:
        raise StateTooLarge(f"the variables of this conversation need {len(raw):,} bytes and may have {bytes_max:,}")
    return raw.decode()


def _suggestions_data(suggestions: tuple[Suggestion, ...]) -> list[list[Value]]:
    return [[s.label, s.value, s.tool] for s in suggestions]


def _suggestions_from(data: Iterable[Any]) -> tuple[Suggestion, ...]:
    return tuple(Suggestion(*s) for s in data)


def _frame_data(frame: Frame) -> dict[str, Any]:
    data: dict[str, Any] = {
        "procedure": frame.procedure,
        "position": frame.position,
        "variables": frame.variables,
        "memos": frame.memos,
        "base": frame.base,
        "resume_errors": frame.resume_errors,
    }
    if frame.handlers:
        data["handlers"] = frame.handlers
    if frame.interrupted is not None:
        data["interrupted"] = wait_data(frame.interrupted)
    return data


def _why_data(why: Why) -> list[Value]:
    match why:
        case Returned(value=value):
            return ["returned", value]
        case Caught(message=message, kind=kind):
            return ["caught", message, kind]
        case _:
            return ["block"]


def decode_state(text: str) -> ExecutionState:
    """Return the state of a checkpoint. Raises UnreadableCheckpoint; never guesses."""
    try:
        data = msgspec.json.decode(text)
        version = data["version"]
        if not isinstance(version, int) or version > CHECKPOINT_VERSION:
            raise UnreadableCheckpoint(
                f"the checkpoint has version {version}; this engine reads up to {CHECKPOINT_VERSION}", True
            )
        return _state_from(data)
    except UnreadableCheckpoint:
        raise
    except UnknownWait as error:
        raise UnreadableCheckpoint(str(error)) from error
    except (msgspec.DecodeError, KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as error:
        raise UnreadableCheckpoint(f"the checkpoint cannot be read: {error!r}") from error


def _state_from(data: dict[str, Any]) -> ExecutionState:
    index = data["step_index"]
    variables = data["variables"]
    if not isinstance(index, int) or not isinstance(variables, dict):
        raise UnreadableCheckpoint("the checkpoint cannot be read: its position or variables are missing")
    outer = Frame(data.get("procedure", ""), data.get("position", index), variables)
    outer.memos = _memos(data)
    outer.resume_errors = data.get("resume_errors", False)
    outer.handlers = _handlers(data)
    state = ExecutionState([outer, *(_frame_from(f) for f in data.get("frames", ()))])
    if state.current_step != index:
        raise UnreadableCheckpoint("the checkpoint cannot be read: its frames do not agree with its position")
    state.wait = wait_from(data["wait"]) if data.get("wait") else None
    state.why = _why_from(data["why"]) if "why" in data else ENTERED
    state.suggestions = _suggestions_from(data.get("suggestions", ()))
    state.said = data.get("said", "")
    state.held = tuple(Reply(c, _suggestions_from(s), recipient) for c, s, recipient in data.get("held", ()))
    state.asked = data.get("asked", 0)
    state.requested = data.get("requested", 0)
    state.kept = data.get("kept", {})
    return state


def _memos(data: dict[str, Any]) -> dict[int, Value]:
    return {int(number): memo for number, memo in data.get("memos", {}).items()}


def _frame_from(data: dict[str, Any]) -> Frame:
    frame = Frame(data["procedure"], data["position"], data["variables"], data["base"])
    frame.memos = _memos(data)
    frame.resume_errors = data["resume_errors"]
    frame.handlers = _handlers(data)
    frame.interrupted = wait_from(data["interrupted"]) if "interrupted" in data else None
    return frame


def _handlers(data: dict[str, Any]) -> dict[str, tuple[str, int]]:
    return {name: (procedure, number) for name, (procedure, number) in data.get("handlers", {}).items()}


def _why_from(data: list[Any]) -> Why:
    match data:
        case ["returned", value]:
            return Returned(cast(Value, value))
        case ["caught", str(message), str(kind)]:
            return Caught(message, kind)
        case ["block"]:
            return BLOCK_ENDED
        case _:
            raise UnreadableCheckpoint("the checkpoint cannot be read: it does not say why its step runs")
