"""The words a line begins with: which of many, and how they may be spelled."""

from __future__ import annotations

import re
from collections.abc import Collection

from engine.source import MASK

_PAIR = re.compile(rf'(\s*(?:[^\W\d]\w*|"{MASK}*")\s*)(=(?!=)|AS\b)', re.IGNORECASE)
_PAIRS = re.compile(rf"\bWITH\s(?={_PAIR.pattern})", re.IGNORECASE)


def head_pattern(head: str) -> re.Pattern[str]:
    """Return what a line that begins with these words looks like; blanks and underscores join words."""
    if head.startswith("END "):
        return re.compile(rf"END[\s_-]*{head[4:].replace(' ', '[ _]+')}(?![\w$])", re.IGNORECASE)
    if head.endswith('"'):
        return re.compile(rf'{head[:-2]}(?=\s*\()?\s*\(?\s*(?=")', re.IGNORECASE)
    return re.compile(r"[\s_]+".join(map(re.escape, re.split(r"[ _]", head))) + r"(?![\w$]|\.[^\W\d])", re.IGNORECASE)


_PATTERNS: dict[str, re.Pattern[str]] = {}


def longest_head(text: str, heads: Collection[str]) -> str | None:
    """Return the longest of `heads` that the text begins with, or None."""
    found = None
    for head in heads:
        pattern = _PATTERNS.get(head)
        if pattern is None:
            pattern = _PATTERNS[head] = head_pattern(head)
        if (found is None or len(head) > len(found)) and pattern.match(text):
            found = head
    return found


def normal_head(head: str, text: str) -> str:
    """Return the text with the underscores of its head as blanks and brackets around all its arguments
    as blanks: `SET_BOT_MEMORY("k", v)` is `SET BOT MEMORY "k", v`. Same length."""
    words = head.rstrip(' "')
    match = head_pattern(words).match(text)
    if not match:
        return text
    begin, rest = match[0].replace("_", " "), text[match.end() :]
    at = rest.find("(")
    called = at == 0 or (at > 0 and not rest[:at].strip() and ("_" in match[0] or rest.strip() == "()"))
    end = closing_bracket(rest, at) if called else None
    if end is not None and not rest[end + 1 :].strip():
        rest = rest[:at] + " " + rest[at + 1 : end] + " " + rest[end + 1 :]
    return begin + rest


def closing_bracket(text: str, at: int) -> int | None:
    """Return where the bracket that opens at `at` closes, or None. Strings are masked and hold none."""
    depth = 0
    for index in range(at, len(text)):
        depth += (text[index] in "([{") - (text[index] in ")]}")
        if depth == 0:
            return index
    return None


def with_object(head: str, text: str) -> str:
    """Return a statement that takes a value behind WITH with its pairs (`WITH a = 1, b AS 2`) as the object that they
    are: `WITH{a : 1, b :  2}`. All offsets stay; other statements, which take pairs themselves, stay as they are."""
    found = _PAIRS.search(text) if head.split()[0] in ("PUBLISH", "TRIGGER") or "TEMPLATE" in head else None
    if found is None or text[: found.start()].count("(") != text[: found.start()].count(")"):
        return text
    pieces, depth, start = [], 0, found.end()
    for at, sign in enumerate(text + ","):
        if at >= start:
            depth += (sign in "([{") - (sign in ")]}")
            if sign == "," and depth == 0:
                pieces.append(text[start:at])
                start = at + 1
    signs = [_PAIR.match(piece) for piece in pieces]
    if None in signs:
        return text
    pairs = [m[1] + ":".ljust(len(m[2])) + p[m.end() :] for p, m in zip(pieces, signs, strict=True) if m]
    return text[: found.end() - 1] + "{" + ",".join(pairs) + "}"
