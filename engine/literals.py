"""String literals: quotes, escapes, and the expressions of `${…}` inside them."""

from __future__ import annotations

import re
from collections import Counter

from engine.source import MASK, Interpolation, Literal

INTERPOLATION_CHARACTERS_MAX = 1_000
"""A longer `${` is text: the search for its end must not grow with the line."""
FAILURES_PER_LINE_MAX = 20
"""After so many `${` that never close, the rest of a line is text."""
INTERPOLATION_DEPTH_MAX = 4
"""Strings inside expressions inside strings; deeper ones are text."""

DOUBLE_CURLY = "“”„"
SINGLE_CURLY = "‘’"
INVALID = re.compile("[\x00\ud800-\udfff]")
"""What neither JSON nor PostgreSQL's text can hold."""

BLANK = re.compile("[\\s\u200b\u200c\u200d\u2060\ufeff\x00\ud800-\udfff\x1c-\x1f]")
MARKS = "\u0300-\u036f"
"""Accents as characters of their own, as some systems write letters: part of a name."""
WORD = re.compile(rf"[^\W\d][\w{MARKS}]*")
_PLAIN = re.compile("[^\\\\\"'$#\r\n“”„‘’]+")
_BREAK = re.compile(r"[\r\n]")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'"}
_EXPECTING = frozenset(",([{:=+-*/\\^&<>?!|%")
_EXPECTING_WORDS = frozenset(("AND", "OR", "NOT", "MOD", "IN", "LIKE", "ILIKE", "CONTAINS", "WITH", "AS"))


def closings(text: str, start: int) -> tuple[str, ...]:
    """Return what may close the string that opens at `start`: for a curly quote a curly one if it can."""
    opening = text[start]
    if opening not in DOUBLE_CURLY + SINGLE_CURLY:
        return (opening,)
    curly, straight = (DOUBLE_CURLY, '"') if opening in DOUBLE_CURLY else (SINGLE_CURLY, "'")
    rest = text[start + 1 : line_end(text, start)]
    return tuple(curly) if any(c in rest for c in curly) else (straight, *curly)


def line_end(text: str, start: int) -> int:
    """Return the offset of the line break at or after `start`, or the length of the text."""
    found = _BREAK.search(text, start)
    return found.start() if found else len(text)


def masked(length: int) -> str:
    """Return the mask of a string literal that takes `length` characters of the file, quotes included."""
    return '"' + MASK * (length - 2) + '"' if length >= 2 else " " * length


class LiteralReader:
    """Reads literals of one file. Every `${` is tried once: a failed attempt is remembered."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._tried: dict[tuple[int, tuple[str, ...]], tuple[Interpolation, int] | None] = {}
        self._failures: Counter[int] = Counter()
        self._line = (0, 0)

    def line_end(self, at: int) -> int:
        """Return the end of the line of `at`, looked up once for all that stands on the line."""
        if not self._line[0] <= at < self._line[1]:
            self._line = (at, line_end(self.text, at))
        return self._line[1]

    def read(self, start: int, opening: str, closing: tuple[str, ...], limit: int, depth: int = 0) -> Literal | None:
        """Return the literal that opens at `start` and closes before `limit`; None if it does not close."""
        text, at = self.text, start + len(opening)
        parts: list[str | Interpolation] = []
        while at < limit:
            close = next((q for q in closing if text.startswith(q, at)), "")
            if close and opening in "\"'" and text.startswith(close, at + 1) and at + 1 < limit:
                parts.append(close)
                at += 2
            elif close:
                return Literal(start, at + len(close), _merge(parts))
            else:
                at = self._piece(at, limit, closing, depth, parts)
        return None

    def verbatim(self, start: int, end: int) -> Literal:
        """Return a line of a BEGIN block: no escapes but `\\${`, interpolations as everywhere."""
        parts: list[str | Interpolation] = []
        at = start
        while at < end:
            c = self.text[at]
            if c == "\\" and not self.text.startswith(("\\${", "\\#{"), at):
                parts.append(c)
                at += 1
            else:
                at = self._piece(at, end, (), 0, parts)
        return Literal(start, end, _merge(parts))

    def _piece(
        self, at: int, limit: int, closing: tuple[str, ...], depth: int, parts: list[str | Interpolation]
    ) -> int:
        text = self.text
        c, after = text[at], text[at + 1 : at + 2] if at + 1 < limit else ""
        if c == "\\":
            if after and after in "$#" and text.startswith("{", at + 2):
                parts.append(after + "{")
                return at + 3
            if after in _ESCAPES:
                parts.append(_ESCAPES[after])
                return at + 2
        elif c in "$#" and after == "{" and (found := self._interpolation(at, limit, closing, depth)):
            parts.extend(("#", found[0]) if c == "#" else (found[0],))
            return found[1]
        elif c == "\r":
            parts.append("\n")
            return at + 2 if after == "\n" else at + 1
        plain = _PLAIN.match(text, at, limit)
        parts.append(plain[0] if plain else c)
        return plain.end() if plain else at + 1

    def _interpolation(
        self, at: int, limit: int, closing: tuple[str, ...], depth: int
    ) -> tuple[Interpolation, int] | None:
        key = (at, closing)
        if key not in self._tried:
            end = min(limit, self.line_end(at))
            hopeless = depth >= INTERPOLATION_DEPTH_MAX or self._failures[self.line_end(at)] >= FAILURES_PER_LINE_MAX
            found = None
            if not hopeless and not self.text.startswith("{", at + 2):
                reach = min(end, at + INTERPOLATION_CHARACTERS_MAX)
                found = self._expression(at + 2, reach, closing, depth + 1)
                self._failures[self.line_end(at)] += found is None
            self._tried[key] = found
        return self._tried[key]

    def _expression(
        self, start: int, limit: int, closing: tuple[str, ...], depth: int
    ) -> tuple[Interpolation, int] | None:
        text, at, open_brackets, previous = self.text, start, 0, "("
        pieces: list[str] = []
        literals: dict[int, Literal] = {}
        while at < limit:
            c = text[at]
            if c == "}" and not open_brackets:
                inner = "".join(pieces)
                return (Interpolation(inner, start, literals), at + 1) if inner.strip() else None
            quote = _nested_quote(text, at, closing)
            due = previous in _EXPECTING or previous in _EXPECTING_WORDS
            if quote and due:
                literal = self.read(at, quote, (quote,), limit, depth)
                if literal is None:
                    return None
                literals[at] = literal
                pieces.append(masked(literal.end - at))
                at, previous = literal.end, '"'
                continue
            if quote in closing or c in closing:
                return None
            open_brackets += (c in "([{") - (c in ")]}")
            word = WORD.match(text, at, limit)
            piece = word[0] if word else " " if BLANK.match(c) else c
            pieces.append(piece)
            previous = piece.upper() if piece != " " else previous
            at += len(piece)
        return None


def _nested_quote(text: str, at: int, closing: tuple[str, ...]) -> str:
    if text.startswith(('\\"', "\\'"), at):
        return text[at : at + 2]
    c = text[at]
    if c not in "\"'":
        return ""
    doubled = text.startswith(c, at + 1) and c in closing
    if doubled and text[at + 2 : at + 3] not in ("", " ", ",", ")", "]", "}", "+", "&", "=", ":"):
        return c * 2
    return c


def _merge(parts: list[str | Interpolation]) -> tuple[str | Interpolation, ...]:
    merged: list[str | Interpolation] = []
    run: list[str] = []
    for part in parts:
        if isinstance(part, str):
            run.append(part)
            continue
        if run:
            merged.append(INVALID.sub("\ufffd", "".join(run)))
            run = []
        merged.append(part)
    if run:
        merged.append(INVALID.sub("\ufffd", "".join(run)))
    return tuple(merged)
