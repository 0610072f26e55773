"""What a conversation waits for, in words: of `ps`, of `show`."""

from __future__ import annotations

from typing import Any

import msgspec

from daemon.cli.output import cut, plural
from daemon.store_glance import Glance

PROMPT_CHARACTERS = 40
NAME_CHARACTERS = 60
BARE = {
    "message": "an answer",
    "time": "its time",
    "request": "an answer of the world outside",
    "event": "an event",
    "children": "what it started",
}


def wait_words(glance: Glance) -> str:
    """Return all that an execution waits for, "" where it waits for nothing."""
    if glance.wait_kind is None:
        return ""
    parts = msgspec.json.decode(glance.waits, type=list[dict[str, Any]])
    if not parts:  # in direct mode only the daemon's memory has the rest
        return _answer(glance.request, glance) if glance.request else BARE.get(glance.wait_kind, glance.wait_kind)
    own = [part for part in parts if not part.get("handler")] or parts
    return " or ".join(dict.fromkeys(words for part in own if (words := _of(part, glance))))


def _of(part: dict[str, Any], glance: Glance) -> str:
    match part["kind"]:
        case "message":
            kind = f" ({part['type']})" if part["type"] not in ("", "text") else ""
            return f"an answer{kind}" + (f": {cut(part['prompt'], PROMPT_CHARACTERS)}" if part["prompt"] else "")
        case "time":
            return "its time"
        case "event":
            return f"the event {cut(part['event'], NAME_CHARACTERS)}"
        case "children":
            return f"the end of {plural(part['children'], 'conversation')} that it started"
        case "request" if part["request"] == "approval":
            return f"the decision of {cut(glance.request_of, NAME_CHARACTERS)}" if glance.request_of else "a decision"
        case "request":
            return _answer(part["request"], glance)
        case kind:
            return str(kind)


def _answer(kind: str, glance: Glance) -> str:
    if glance.request is None:  # answered, and the answer is on its way
        return f"the answer to {kind}"
    attempts = glance.request_attempts or 0
    state = {"pending": "nobody has taken it", "taken": "under way", "in_doubt": "in doubt"}
    how = "to be tried again" if glance.request_status == "pending" and attempts else state[glance.request_status or ""]
    tried = f"{plural(attempts, 'attempt')} so far" if attempts > 1 else ""
    return f"the answer to {kind} ({', '.join(filter(None, (cut(glance.request_of, NAME_CHARACTERS), how, tried)))})"
