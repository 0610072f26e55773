"""Keywords that give a value, called as functions: `GET("session.k")` in an expression is `GET "session.k"`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from engine.registry import classes_by_head
from engine.source import MASK, Interpolation, Literal, LogicalLine


@cache
def _called() -> dict[str, str]:
    heads = {h: k for h, kinds in classes_by_head().items() for k in kinds if k.RESULT and h != "CALL"}
    return {h.rstrip(' "').lower().replace(" ", joint): h for h in heads for joint in ("_", "")}


@cache
def _spoken() -> re.Pattern[str]:
    heads = sorted({h.rstrip(' "') for h in _called().values()}, key=len, reverse=True)
    words = "|".join(h.replace(" ", "[ _]+") for h in heads)
    return re.compile(rf'(?<![\w.$"])({words})(?:( *)(\()|( +)("{MASK}+"))', re.IGNORECASE)


def as_calls(text: str) -> str:
    """Return a masked text with the keywords that give a value written as calls, where brackets or a text follow
    them: `GET BOT MEMORY("k")` as `GET_BOT_MEMORY("k")`, `GET "k"` as `GET("k")`. Same length, same offsets."""

    def call(match: re.Match[str]) -> str:
        name = match[1].replace(" ", "_")
        if match[3]:
            return f"{name}{match[2]}("
        return f'{name}({" " * (len(match[4]) - 1)}{match[5][:-2]}")'

    return _spoken().sub(call, text)


def called_head(name: str) -> str | None:
    """Return the keyword that a function's name, in lower case, spells: `get_bot_memory` is GET BOT MEMORY."""
    return _called().get(name)


def line_at(line: LogicalLine, offset: int) -> LogicalLine | None:
    """Return the text in which an offset of the file stands unmasked: the line, or the `${…}` of one of its
    strings as a line of its own. None where it stands in neither."""
    block = line.block.lines if line.block else ()
    inner = _interpolated((*line.literals.values(), *block), offset)
    if inner is not None:
        return LogicalLine(inner.text, inner.start, inner.literals)
    return line if line.start <= offset < line.start + len(line.text) else None


def _interpolated(literals: Iterable[Literal], offset: int) -> Interpolation | None:
    for literal in literals:
        if literal.start <= offset < literal.end:
            for part in literal.parts:
                if isinstance(part, Interpolation) and part.start <= offset < part.start + len(part.text):
                    return _interpolated(part.literals.values(), offset) or part
    return None


def call_text(text: str, at: int, length: int) -> str:
    """Return the call at `at`, a name of that length and its brackets, as a statement without them."""
    name, rest = text[at : at + length], text[at + length :]
    opening = rest.index("(") if rest.lstrip().startswith("(") else -1
    depth = 0
    if rest.lstrip().startswith('"'):
        return name.replace("_", " ") + rest[: rest.index('"', rest.index('"') + 1) + 1]
    for index, character in enumerate(rest):
        depth += (character in "([{") - (character in ")]}")
        if depth == 0 and index >= opening >= 0:
            return name.replace("_", " ") + rest[:opening] + " " + rest[opening + 1 : index].rstrip()
    return text[at:].replace("_", " ")
