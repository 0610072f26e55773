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


class _Heard(msgspec.Struct, tag_field="kind", tag="message", omit_defaults=True, gc=False):
    """A message that was heard, and which question it answered."""

    message: int
    content: str
    prompt_id: str | None = None


class _Prompt(msgspec.Struct, omit_defaults=True, gc=False):
    """The question that is open at the end of a turn."""

    prompt_id: str
    type: str
    tries_left: int
    prompt: str = ""
    choices: tuple[str, ...] = ()
    deadline: str | None = None


class _WentOut(msgspec.Struct, omit_defaults=True, gc=False):
    """What a turn ended with: what is empty is left out, for every turn has a row."""

    replies: int
    asked_again: bool = False
    prompt: _Prompt | None = None
    log: list[dict[str, str]] | None = None
    failure: Failure | None = None


def attachments_of(message: PendingMessage) -> tuple[Attachment, ...]:
    """Return the files that came with a message; unknown fields are left out."""
    if not message.attachments:
        return ()
    return tuple(
        Attachment(
            url=str(item.get("url", "")),
            kind=str(item.get("kind") or "file"),
            name=str(item.get("name") or ""),
            mime_type=str(item.get("mime_type") or ""),
        )
        for item in message.attachments
    )


def heard(message: PendingMessage, wait: Wait | None, effects: list[Effect]) -> str:
    """Return what is said of a message that was heard; `wait` is the question it answered."""
    question, content = question_of(wait), message.content
    if question is None:
        return _encode_json(_Heard(message.id, content)).decode()
    if question.secret:
        shown = [e.text for e in effects if isinstance(e, Shown)]
        content = shown[-1] if shown else HIDDEN
    return _encode_json(_Heard(message.id, content, question.prompt_id)).decode()


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
    question = question_of(wait)
    if question is None:
        data = _WentOut(replies)
    else:
        old = question_of(before.wait)
        deadline = question.deadline.isoformat() if question.deadline else None
        prompt = _Prompt(
            question.prompt_id, question.type, question.tries_left, question.prompt, question.choices, deadline
        )
        data = _WentOut(replies, old is not None and old.prompt_id == question.prompt_id, prompt)
    if logs:
        data.log = [{"level": line.level, "text": line.text} for line in logs]
    data.failure = failure
    return _encode_json(data).decode()
