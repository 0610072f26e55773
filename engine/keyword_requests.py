"""The request that a keyword of somebody else becomes, and what is said when nobody answers it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from engine.effects import Request
from engine.errors import ScriptError
from engine.steps import Await, Here
from engine.values import Value
from engine.waits import ForRequest


def ask_for(here: Here, words: str, arguments: Sequence[Value], clauses: Mapping[str, Value], seconds: float) -> Await:
    """Return the move that requests a keyword and waits for its answer, at most so many seconds."""
    deadline = here.now + timedelta(seconds=seconds)
    payload: Value = {"arguments": list(arguments), "clauses": dict(clauses)}
    return Await(ForRequest(words, deadline=deadline), (Request(words, payload, deadline=deadline),))


def unanswered(words: str, seconds: float) -> ScriptError:
    """Return the error of a keyword that nobody answered in time."""
    return ScriptError(
        f"nobody answered {words} within {_length(seconds)}: is a program running that takes it? "
        "docs/sql.md says how one takes and answers requests",
        "timeout",
    )


def _length(seconds: float) -> str:
    for name, length in (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
        if seconds >= length and seconds % length == 0:
            count = int(seconds // length)
            return f"{count} {name}{'s' * (count != 1)}"
    return f"{seconds:g} seconds"
