"""What the history says of a turn: what came in and what went out, as JSON; never a secret answer in clear."""

from __future__ import annotations

import msgspec

from daemon.rows import PendingMessage
from engine.effects import Effect, Log, Reply, Shown
from engine.events import Attachment
from engine.state import ExecutionState
from engine.stepper import Failure
from engine.waits import ForMessage, Wait

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
    if isinstance(wait, ForMessage):
        data["prompt_id"] = wait.prompt_id
        if wait.secret:
            shown = [e.text for e in effects if isinstance(e, Shown)]
            data["content"] = shown[-1] if shown else HIDDEN
    return _encode_json(data).decode()


def misdirected(message: PendingMessage) -> str:
    """Return what is said of an answer to a question that is no longer open."""
    data: dict[str, object] = {"kind": "message", "message": message.id, "stale": True}
    data["prompt_id"] = message.prompt_id
    data["content"] = HIDDEN  # what it answered is unknown here, so it may have been a secret
    return _encode_json(data).decode()


def went_out(
    before: ExecutionState,
    wait: object,
    replies: tuple[Reply, ...],
    logs: tuple[Log, ...],
    failure: Failure | None,
) -> str:
    """Return what a turn ended with, as the history's JSON."""
    prompt: dict[str, object] | None = None
    again = False
    if isinstance(wait, ForMessage):
        old = before.wait
        again = isinstance(old, ForMessage) and old.prompt_id == wait.prompt_id
        prompt = {
            "prompt_id": wait.prompt_id,
            "type": wait.type,
            "prompt": wait.prompt,
            "choices": wait.choices,
            "tries_left": wait.tries_left,
            "deadline": wait.deadline.isoformat() if wait.deadline else None,
        }
    data: dict[str, object] = {
        "replies": len(replies),
        "prompt": prompt,
        "asked_again": again,
        "log": [{"level": line.level, "text": line.text} for line in logs],
        "failure": None,
    }
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
