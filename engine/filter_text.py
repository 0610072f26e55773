"""Conditions as texts: `"status = open AND age > 18 ORDER BY name LIMIT 10"`, to the trees of engine.filters.

Where a text is put together from others ("email = '" + email + "'", "id = ${id}") its own words are read when the
script is compiled, and what is put in stays a value of its own, whatever it says: nobody who is asked for a name
can write a condition. Only a text that comes out of a variable as a whole is read when the statement runs.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

from engine.errors import ScriptError
from engine.expressions import Expression
from engine.filters import COLUMN_FUNCTIONS, Operand, Tree, part_of
from engine.values import Value, read_number, show

TEXT_CHARACTERS_MAX = 20_000
DEPTH_MAX = 50
LIMIT_MAX = 1_000_000

_HOLE = 0x100000  # the first of the private characters that stand for what is put in
_HOLES_MAX = 500
_HOLE_CLASS = f"[{chr(_HOLE)}-{chr(_HOLE + _HOLES_MAX)}]"
_BLANKS = re.compile(r"\s*")
_AND = re.compile(r"AND\b|&&", re.IGNORECASE)
_OR = re.compile(r"OR\b|\|\|", re.IGNORECASE)
_NOT = re.compile(r"NOT\b|!(?!=)", re.IGNORECASE)
_WHERE = re.compile(r"WHERE\b", re.IGNORECASE)
_ORDER = re.compile(r"ORDER\s+BY\b", re.IGNORECASE)
_LIMIT = re.compile(rf"LIMIT\s+(\d{{1,9}}|{_HOLE_CLASS})", re.IGNORECASE)
_DIRECTION = re.compile(r"(ASC|DESC)(?:ENDING)?\b", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d][\w$]*(?:\.[^\W\d][\w$]*)*")
_QUOTED_NAME = re.compile(r'"([^"]+)"|`([^`]+)`|\[([^\]]+)\]')
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?![\w.-])")
_SIGN = re.compile(r"<=|>=|<>|!=|==|=|<|>")
_NAMED = re.compile(r"(NOT\s+)?(LIKE|ILIKE|IN|BETWEEN|CONTAINS|STARTS\s+WITH|ENDS\s+WITH)(?!\w)", re.IGNORECASE)
_IS_NULL = re.compile(r"IS\s+(NOT\s+)?NULL\b", re.IGNORECASE)
_QUOTED = re.compile(r"'((?:[^'\\]|''|\\.)*)'|\"((?:[^\"\\]|\"\"|\\.)*)\"|‘([^’]*)’|“([^”]*)”", re.DOTALL)
_CLOSE = r"\s{0,9}(?:\)|$|&&|\|\||\b(?:AND|OR)\b|\bORDER\s+BY\b|\bLIMIT\s+\S+$)"
_RAW = re.compile(rf"(?:(?!{_CLOSE}).)+", re.IGNORECASE | re.DOTALL)
_RAW_ITEM = re.compile(rf"(?:(?!\s{{0,9}},|{_CLOSE}).)+", re.IGNORECASE | re.DOTALL)
_LOOKS_LIKE_ONE = re.compile(
    r"[=<>!]|\b(?:LIKE|ILIKE|IN|IS|BETWEEN|CONTAINS|STARTS|ENDS|NOT|AND|OR|ORDER|LIMIT)\b", re.IGNORECASE
)
_MOMENTS = re.compile(r"(NOW|TODAY)\s*\(\s*\)", re.IGNORECASE)
_OPEN, _SHUT, _COMMA = re.compile(r"\("), re.compile(r"\)"), re.compile(",")
_OPERATORS = {"==": "=", "!=": "<>"}

Pieces: TypeAlias = "tuple[str | Expression, ...]"


@dataclass(frozen=True, slots=True)
class Condition:
    """What a text says: which rows (None: all), in which order (column, whether descending), how many at most."""

    tree: Tree | None
    order: tuple[tuple[str, bool], ...] = ()
    limit: Operand | None = None


def pieces_of(node: ast.expr) -> Pieces:
    """Return a text as its own words and what is put in; one Expression alone where it has no words of its own."""
    match node:
        case ast.Constant(value=str(text)):
            return (text,)
        case ast.Call(func=ast.Name(id="$text"), args=parts):
            return tuple(piece for part in parts for piece in pieces_of(part))
        case ast.BinOp(left=left, op=ast.Add() | ast.BitAnd() as op, right=right):
            first, second = pieces_of(left), pieces_of(right)
            if isinstance(op, ast.BitAnd) or _has_words(first) or _has_words(second):
                return (*first, *second)
    return (part_of(node),)


def _has_words(pieces: Pieces) -> bool:
    return any(isinstance(piece, str) for piece in pieces)


def is_condition(text: str) -> bool:
    """Tell whether a text is meant as a condition, not as the id of a row."""
    return _LOOKS_LIKE_ONE.search(text) is not None


def parse_pieces(pieces: Pieces) -> Condition:
    """Return the condition that a text with values in it writes. Raises ScriptError."""
    words: list[str] = []
    values: list[Expression] = []
    for piece in pieces:
        if isinstance(piece, str):
            if any(ord(c) >= _HOLE for c in piece):
                raise ScriptError("A condition cannot hold private characters.", "data")
            words.append(piece)
        else:
            words.append(chr(_HOLE + len(values)))
            values.append(piece)
    if len(values) >= _HOLES_MAX:
        raise ScriptError(f"A condition takes at most {_HOLES_MAX} values.", "limit")
    return _Parser("".join(words), values).parse()


@lru_cache(maxsize=256)
def parse_text(text: str) -> Condition:
    """Return the condition that a text of the script's run writes. Raises ScriptError."""
    return parse_pieces((text,))


class _Parser:
    """Reads one text from left to right; `values` are what its private characters stand for."""

    def __init__(self, text: str, values: Sequence[Expression]) -> None:
        if len(text) > TEXT_CHARACTERS_MAX:
            raise ScriptError(f"A condition of {len(text):,} characters is too long.", "limit")
        self.text, self.values = text.strip().rstrip("; \t\r\n"), values
        self.at = self.depth = 0

    def parse(self) -> Condition:
        """Return all of the text."""
        self.take(_WHERE)
        tree: Tree | None = None
        if self.skip() < len(self.text) and not self.peek(_ORDER) and not self.peek(_LIMIT):
            tree = self.either()
        order = self.order()
        limit: Operand | None = None
        if found := self.take(_LIMIT):
            limit = self.hole(found[1]) or ("value", min(int(found[1]), LIMIT_MAX))
        if self.skip() < len(self.text):
            raise self.wrong("cannot be understood here")
        return Condition(tree, order, limit)

    # ── AND, OR, NOT ──

    def either(self) -> Tree:
        parts = [self.both()]
        while self.take(_OR):
            parts.append(self.both())
        return parts[0] if len(parts) == 1 else ("or", *parts)

    def both(self) -> Tree:
        parts = [self.one()]
        while self.take(_AND):
            parts.append(self.one())
        return parts[0] if len(parts) == 1 else ("and", *parts)

    def one(self) -> Tree:
        self.depth += 1
        if self.depth > DEPTH_MAX:
            raise ScriptError(f"The condition is nested more than {DEPTH_MAX} levels deep.", "limit")
        try:
            if self.take(_NOT):
                return ("not", self.one())
            if self.take(_OPEN):
                inner = self.either()
                self.need(_SHUT, '")" is missing')
                return inner
            return self.comparison()
        finally:
            self.depth -= 1

    def comparison(self) -> Tree:
        left = self.left()
        if found := self.take(_IS_NULL):
            return ("not", ("null", left)) if found[1] else ("null", left)
        if found := self.take(_SIGN):
            return (_OPERATORS.get(found[0], found[0]), left, self.right())
        found = self.take(_NAMED)
        if found is None:
            if isinstance(left, tuple) and left[0] == "value":
                raise self.wrong("is expected to follow an operator such as =")
            return ("true", left)
        tree = self.named(" ".join(found[2].upper().split()), left)
        return ("not", tree) if found[1] else tree

    def named(self, word: str, left: Operand) -> Tree:
        match word:
            case "IN":
                if not self.take(_OPEN):
                    return ("in", left, self.right())
                items = [self.right(listed=True)]
                while self.take(_COMMA):
                    items.append(self.right(listed=True))
                self.need(_SHUT, '")" is missing behind IN (…')
                return ("in", left, *items)
            case "BETWEEN":
                low = self.right()
                self.need(_AND, "BETWEEN needs AND")
                return ("and", (">=", left, low), ("<=", left, self.right()))
            case _:
                return (word.split()[0].lower(), left, self.right())

    # ── operands ──

    def left(self) -> Operand:
        """A column, or a column through a function. A number stands there only in `1 = 1` at the very start."""
        first = self.skip() == 0
        if found := self.take(_QUOTED_NAME):
            return ("column", (found[1] or found[2] or found[3]).lower())
        if first and (found := self.take(_NUMBER)):
            return ("value", read_number(found[0]))
        found = self.take(_WORD)
        if found is None:
            raise self.wrong("stands where a column's name is expected")
        word = found[0].lower()
        if word in COLUMN_FUNCTIONS and self.take(_OPEN):
            return ("call", COLUMN_FUNCTIONS[word], *self.arguments())
        return ("column", word.rsplit(".", 1)[-1])

    def arguments(self) -> list[Operand]:
        found: list[Operand] = []
        while True:
            self.skip()
            quoted = self.peek(_QUOTED) or self.peek(re.compile(rf"[\d+-]|{_HOLE_CLASS}")) or self.peek(_MOMENTS)
            found.append(self.right(listed=True) if quoted else self.left())
            if not self.take(_COMMA):
                self.need(_SHUT, '")" is missing')
                return found

    def right(self, *, listed: bool = False) -> Operand:
        """A value: in quotes, a number, TRUE, FALSE, NULL, NOW(), TODAY(), a word, or a text without quotes."""
        self.skip()
        if found := self.take(_QUOTED):
            body = next(g for g in found.groups() if g is not None)
            return self.filled(_unquoted(body, found[0][0]))
        if found := self.take(_MOMENTS):
            name = ast.Name(found[1].lower(), ast.Load())
            return Expression(found[0], ast.Call(name, [], []), 1, 1)
        if (found := self.peek(_WORD)) and found[0].lower() in COLUMN_FUNCTIONS:
            at = self.at
            self.take(_WORD)
            if self.take(_OPEN):
                return ("call", COLUMN_FUNCTIONS[found[0].lower()], *self.arguments())
            self.at = at
        found = self.take(_RAW_ITEM if listed else _RAW)
        if found is None or not found[0].strip():
            raise self.wrong("stands where a value is expected")
        return self.raw(found[0].strip())

    def raw(self, text: str) -> Operand:
        if (hole := self.hole(text)) is not None:
            return hole
        number = read_number(text)
        if number is not None and _NUMBER.fullmatch(text) and (text[0] != "0" or text in ("0",) or text[1] == "."):
            return ("value", number)
        constant: dict[str, Value] = {"TRUE": True, "FALSE": False, "NULL": None}
        if text.upper() in constant:
            return ("value", constant[text.upper()])
        if _WORD.fullmatch(text):
            return ("name", text)
        return self.filled(text)

    def hole(self, text: str) -> Expression | None:
        """Return what a private character alone stands for."""
        return self.values[ord(text) - _HOLE] if len(text) == 1 and ord(text) >= _HOLE else None

    def filled(self, text: str) -> Operand:
        """Return a text with what is put into it; one alone in quotes stays what it is."""
        parts: list[str | Expression] = [p for p in re.split(f"({_HOLE_CLASS})", text) if p]
        parts = [self.hole(p) or p if isinstance(p, str) else p for p in parts]
        if not _has_values(parts):
            return ("value", text)
        return ("text", *parts)

    def order(self) -> tuple[tuple[str, bool], ...]:
        if not self.take(_ORDER):
            return ()
        keys = []
        while True:
            column = self.left()
            if not isinstance(column, tuple) or column[0] != "column":
                raise self.wrong("cannot be ordered by: only a column can")
            direction = self.take(_DIRECTION)
            keys.append((str(column[1]), bool(direction and direction[1].upper() == "DESC")))
            if not self.take(_COMMA):
                return tuple(keys)

    # ── the text ──

    def skip(self) -> int:
        """Go over blanks; return where the text goes on."""
        found = _BLANKS.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return self.at

    def peek(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        self.skip()
        return pattern.match(self.text, self.at)

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = self.peek(pattern)
        if found:
            self.at = found.end()
        return found

    def need(self, pattern: re.Pattern[str], message: str) -> None:
        if not self.take(pattern):
            raise self.wrong(message)

    def wrong(self, what: str) -> ScriptError:
        rest = self.text[self.at :].strip()
        rest = re.sub(_HOLE_CLASS, "${…}", rest)
        where = show(rest) if rest else "the end of the condition"
        return ScriptError(f"In the condition {show(re.sub(_HOLE_CLASS, '${…}', self.text))} {where} {what}.", "data")


def _has_values(parts: Sequence[Any]) -> bool:
    return any(not isinstance(part, str) for part in parts)


def _unquoted(body: str, quote: str) -> str:
    if quote not in "'\"":
        return body
    return re.sub(r"\\(['\"])", r"\1", body.replace(quote * 2, quote))
