"""LIKE: `%` stands for any text, `_` for one character (`*` and `?` too, as in older BASIC)."""

from __future__ import annotations

import re

from engine.errors import ScriptError

LIKE_WORK_MAX = 1_000_000


def like(text: str, pattern: str, ignore_case: bool = False) -> bool:
    r"""Return whether the whole text fits the pattern; `\%` and `\_` are the characters themselves.

    Goes once through the text: the pieces between `%` are found from left to right, so no pattern can
    backtrack. Raises ScriptError where text times pattern is more than LIKE_WORK_MAX.
    """
    if len(text) * len(pattern) > LIKE_WORK_MAX and len(pattern) > 100:
        raise ScriptError("LIKE compares too long a text with too long a pattern.", "limit")
    if ignore_case:
        text, pattern = text.lower(), pattern.lower()
    pieces = _pieces(pattern)
    first, last = _compiled(pieces[0]), pieces[-1]
    if len(pieces) == 1:
        return first.fullmatch(text) is not None
    start = first.match(text)
    if start is None:
        return False
    at = start.end()
    for piece in pieces[1:-1]:
        found = _compiled(piece).search(text, at)
        if found is None:
            return False
        at = found.end()
    tail = len(text) - len(last)
    return tail >= at and _compiled(last).fullmatch(text, tail) is not None


def _pieces(pattern: str) -> list[list[str]]:
    """Return the pattern's pieces between `%`: each a list of characters, "" for any one character."""
    pieces: list[list[str]] = [[]]
    characters = iter(pattern)
    for character in characters:
        if character == "\\":
            pieces[-1].append(next(characters, "\\"))
        elif character in "%*":
            pieces.append([])
        else:
            pieces[-1].append("" if character in "_?" else character)
    return pieces


def _compiled(piece: list[str]) -> re.Pattern[str]:
    return re.compile("".join(re.escape(c) if c else "." for c in piece), re.DOTALL)
