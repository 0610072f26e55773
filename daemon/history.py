"""What the history says of a turn: what came in and what went out, as JSON; never a secret answer in clear."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from daemon.rows import PendingMessage, Signal
from engine.effects import Effect, Log, Shown
from engine.events import Attachment
from engine.state import ExecutionState
from engine.stepper import Failure
from engine.waits import Wait, question_of

HIDDEN = "[hidden]"  # a secret answer for which the engine gave nothing to show

START, RESUME, TIMEOUT = '{"kind":"start"}', '{"kind":"resume"}', '{"kind":"timeout"}'

_encode_json = msgspec.json.Encoder().encode


def attachments_of(message: PendingMessage) -> tuple[Attachment, ...]:
    """Return the files that came with a message; unknown fields are left out."""
    return tuple(
        Attachment(
            url=str(item.get("url", "")),
            kind=str(item.get("kind") or "file"),
            name=str(item.get("name") or ""),
            mime_type=str(item.get("mime_type") or ""),
        )
        for item in message.attachments or ()
    )


def heard(message: PendingMessage, wait: Wait | None, effects: list[Effect]) -> str:
    """Return what is said of a message that was heard; `wait` is the question it answered."""
    data = {"kind": "message", "message": message.id, "content": message.content}
    question = question_of(wait)
    if question is not None:
        data["prompt_id"] = question.prompt_id
        if question.secret:
            shown = [e.text for e in effects if isinstance(e, Shown)]
            data["content"] = shown[-1] if shown else HIDDEN
    return _encode_json(data).decode()


def misdirected(message: PendingMessage) -> str:
    """Return what is said of an answer to a question that is no longer open."""
    data: dict[str, object] = {"kind": "message", "message": message.id, "stale": True}
    data["prompt_id"] = message.prompt_id
    data["content"] = HIDDEN  # what it answered is unknown here, so it may have been a secret
    return _encode_json(data).decode()


def signalled(signal: Signal, overtaken: bool) -> str:
    """Return what is said of a signal: which it was, not what it carried."""
    data: dict[str, object] = {"kind": signal.kind, "number": signal.number, "name": signal.name}
    if overtaken:
        data["stale"] = True
    if signal.message:
        data["message"] = signal.message
    return _encode_json(data).decode()


def went_out(
    before: ExecutionState,
    wait: Wait | None,
    replies: int,
    logs: Sequence[Log],
    failure: Failure | None,
) -> str:
    """Return what a turn ended with, as the history's JSON; what is empty is left out: every turn has a row."""
    data: dict[str, object] = {"replies": replies}
    question = question_of(wait)
    if question is not None:
        old = question_of(before.wait)
        if old is not None and old.prompt_id == question.prompt_id:
            data["asked_again"] = True
        prompt: dict[str, object] = {"prompt_id": question.prompt_id, "type": question.type}
        data["prompt"] = prompt
        if question.prompt:
            prompt["prompt"] = question.prompt
        if question.choices:
            prompt["choices"] = question.choices
        if question.deadline:
            prompt["deadline"] = question.deadline.isoformat()
        prompt["tries_left"] = question.tries_left
    if logs:
        data["log"] = [{"level": line.level, "text": line.text} for line in logs]
    if failure is not None:
        data["failure"] = {
            "message": failure.message,
            "kind": failure.kind,
            "script": failure.script,
            "line": failure.line,
            "step": failure.step,
            "statement": failure.statement,
        }
    return _encode_json(data).decode()
