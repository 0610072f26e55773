"""Turns as the arguments of the statements that commit them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, TypeVar, cast
from uuid import UUID

import msgspec

from daemon.rows import Extras, Turn
from engine.effects import Reply

JSON = msgspec.json.Encoder()
BORDER = "\x1f"  # between two documents: JSON has no control character in it

# An escape of NUL in JSON text: an odd number of backslashes before it, else it is a backslash and letters.
NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")

_T = TypeVar("_T")


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
        _rare([_suggestions(reply) for reply in turn.replies]),
        _rare([reply.recipient for reply in turn.replies]),
        _storable(turn.came_in),
        _storable(turn.went_out),
        turn.steps,
        turn.duration_us,
    )


def columns_of_turns(turns: Sequence[Turn], owner: str) -> tuple[Any, ...]:
    """Return the arguments of commit_turns.sql for turns of different executions, sorted by their ids.

    Raises ValueError if a text holds what the database cannot take, or would take for the border of two.
    """
    heard = [(place, message) for place, turn in enumerate(turns, 1) for message in turn.consumed]
    said = [(p, position, r) for p, turn in enumerate(turns, 1) for position, r in enumerate(turn.replies, 1)]
    return (
        owner,
        [turn.execution_id for turn in turns],
        _numbers([turn.revision for turn in turns]),
        _texts([turn.state_json for turn in turns]),
        _numbers([turn.current_step for turn in turns]),
        _words([turn.status for turn in turns]),
        _words([turn.wait_kind or "NULL" for turn in turns]),
        _rare([turn.wake_at for turn in turns]),
        _rare([turn.problem for turn in turns]),
        _numbers([turn.number for turn in turns]),
        _numbers([turn.from_step for turn in turns]),
        _texts([_storable(turn.came_in) for turn in turns]),
        _texts([_storable(turn.went_out) for turn in turns]),
        _numbers([turn.steps for turn in turns]),
        _numbers([turn.duration_us for turn in turns]),
        _numbers([place for place, _ in heard]),
        _numbers([message for _, message in heard]),
        _numbers([place for place, _, _ in said]),
        _numbers([position for _, position, _ in said]),
        JSON.encode([reply.content for _, _, reply in said]).decode(),
        _rare([_suggestions(reply) for _, _, reply in said]),
        _rare([reply.recipient for _, _, reply in said]),
    )


def _numbers(numbers: list[int]) -> str:
    """Return the text of an array."""
    return f"{{{str(numbers)[1:-1]}}}"


def _words(words: list[str]) -> str:
    """Return the text of an array of plain words; the word NULL is none."""
    return f"{{{','.join(words)}}}"


def _texts(documents: list[str]) -> str:
    """Return JSON documents as one text."""
    text = BORDER.join(documents)
    if text.count(BORDER) >= len(documents):
        raise ValueError("a document holds a control character, which JSON does not allow")
    return text


def _storable(document: str) -> str:
    """Return a document of the history. Raises ValueError if readers could not take it apart."""
    if "\\u0000" in document and NUL.search(document):
        raise ValueError("the history cannot hold the character NUL")
    return document


def _rare(values: list[_T]) -> list[_T] | None:
    """Return the values, or None, which stands for as many as there are, where all are None."""
    return values if values.count(cast(_T, None)) < len(values) else None


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
