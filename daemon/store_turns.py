"""Turns as the arguments of the statements that commit them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from daemon.rows import Extras, Turn
from engine.effects import Reply

JSON = msgspec.json.Encoder()


def arguments_of_turn(turn: Turn, owner: str) -> tuple[Any, ...]:
    """Return the arguments of commit_turn.sql."""
    return (
        turn.execution_id,
        turn.revision,
        owner,
        turn.state_json,
        turn.current_step,
        turn.status,
        turn.wait_kind,
        turn.wake_at,
        turn.problem,
        turn.number,
        turn.from_step,
        turn.consumed,
        [reply.content for reply in turn.replies],
        [_suggestions(reply) for reply in turn.replies],
        [reply.recipient for reply in turn.replies],
        turn.came_in,
        turn.went_out,
        turn.steps,
        turn.duration_us,
    )


def arrays_of_turns(turns: Sequence[Turn], owner: str) -> tuple[Any, ...]:
    """Return the arguments of commit_turns.sql. Raises ValueError if two turns are of one execution."""
    ordered = sorted(turns, key=lambda turn: turn.execution_id)
    if len({turn.execution_id for turn in ordered}) < len(ordered):
        raise ValueError("two turns of one execution in one batch")
    heard = [(turn.execution_id, message) for turn in ordered for message in turn.consumed]
    replies = [(turn.execution_id, place, reply) for turn in ordered for place, reply in enumerate(turn.replies, 1)]
    return (
        [turn.execution_id for turn in ordered],
        [turn.revision for turn in ordered],
        owner,
        [turn.state_json for turn in ordered],
        [turn.current_step for turn in ordered],
        [turn.status for turn in ordered],
        [turn.wait_kind for turn in ordered],
        [turn.wake_at for turn in ordered],
        [turn.problem for turn in ordered],
        [turn.number for turn in ordered],
        [turn.from_step for turn in ordered],
        [len(turn.consumed) for turn in ordered],
        [turn.came_in for turn in ordered],
        [turn.went_out for turn in ordered],
        [turn.steps for turn in ordered],
        [turn.duration_us for turn in ordered],
        [execution for execution, _ in heard],
        [message for _, message in heard],
        [execution for execution, _, _ in replies],
        [place for _, place, _ in replies],
        [reply.content for _, _, reply in replies],
        [_suggestions(reply) for _, _, reply in replies],
        [reply.recipient for _, _, reply in replies],
    )


def extras_json(turns: Sequence[Turn]) -> str | None:
    """Return the argument of write_extras.sql for those turns, or None where there is nothing to write."""
    found = [_extras(turn.execution_id, turn.extras) for turn in turns if turn.extras is not None]
    return JSON.encode(found).decode() if found else None


def _extras(execution: UUID, extras: Extras) -> dict[str, Any]:
    data: dict[str, Any] = {
        "execution": execution,
        "requests": extras.requests,
        "signals": extras.signals,
        "unheard": extras.unheard,
        "consumed": extras.consumed,
        "answered": extras.answered,
        "given_up": extras.given_up,
        "waits": extras.waits,
        "events": extras.events,
    }
    if extras.result_json is not None:
        data["result"] = msgspec.Raw(extras.result_json.encode())
    return data


def _suggestions(reply: Reply) -> str | None:
    return JSON.encode(reply.suggestions).decode() if reply.suggestions else None
