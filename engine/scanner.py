"""Splits a file into logical lines: pragmas, comment lines, brace blocks, verbatim blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from difflib import get_close_matches

from engine.errors import Problem
from engine.literals import INVALID, WORD, LiteralReader, line_end
from engine.source import Block, Literal, LogicalLine, Scan, Source
from engine.statement import BRACE_HEADS, StatementScanner

PROBLEMS_MAX = 100
"""Further problems of one file are not reported: they are echoes, and each costs a look ahead."""
PRAGMAS = {"workflow": "workflow", "direct": "direct", "rhai": "direct"}

_PRAGMA = re.compile(r"#[ \t]*(\w+)[ \t]*$")
_COMMENT = re.compile(r"'|‘|’|//|#(?!\{)|REM(?!\w)(?![ \t]*[=.\[(])", re.IGNORECASE)
_BEGIN = re.compile(r"BEGIN +([^\W\d]\w*(?: +[^\W\d]\w*)*)", re.IGNORECASE)
_TABLE = re.compile(r"(?:BEGIN +)?(TABLE) +(?:[^\W\d]\w*|\"[^\"]*\") *(?:$|(?:ON|AS) +\S+ *$)", re.IGNORECASE)
_END = re.compile(r"[^\S\r\n]*END((?:[ \t]+[^\W\d]\w*)+)[ \t]*(?:$|'|//|REM\b)", re.IGNORECASE)
_BLANKS = re.compile(r"[\s\u200b-\u200d\u2060\ufeff]*")


class Scanner:
    """One pass over one file."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.text = source.text
        self.at = 0
        self.braces = 0
        self.reader = LiteralReader(source.text)
        self.pragmas: dict[str, int] = {}
        self.lines: list[LogicalLine] = []
        self.problems: list[Problem] = []
        self.unclosed: set[str] = set()

    def scan(self) -> Scan:
        """Return everything the file says; see engine.source.scan."""
        if found := INVALID.search(self.text):
            what = "a NUL character" if found[0] == "\0" else "half of a surrogate pair"
            self._report(found.start(), f"{what} cannot stand in a script", "save the file as UTF-8 text")
        while self._to_statement() and len(self.problems) < PROBLEMS_MAX:
            self._statement()
        problems = sorted(self.problems, key=lambda p: (p.line, p.column))
        return Scan(self.pragmas, tuple(self.lines), tuple(problems))

    def _to_statement(self) -> bool:
        while True:
            blanks = _BLANKS.match(self.text, self.at)
            self.at = blanks.end() if blanks else self.at
            if self.at >= len(self.text):
                return False
            if not _COMMENT.match(self.text, self.at):
                return True
            end = line_end(self.text, self.at)
            if self.text[self.at] == "#":
                self._pragma(self.text[self.at : end])
            self.at = end

    def _pragma(self, comment: str) -> None:
        named = _PRAGMA.match(comment)
        if not named:
            return
        name = named[1].lower()
        if name in PRAGMAS and not self.lines:
            self.pragmas.setdefault(PRAGMAS[name], self.source.place(self.at)[0])
        elif name in PRAGMAS:
            message = f'"#{name}" has no effect below the first statement'
            self._report(self.at, message, "move it to the top of the file", warning=True)
        elif not self.lines and (near := get_close_matches(name, PRAGMAS, 1, 0.75)):
            message = f'"#{named[1]}" is read as a comment'
            self._report(self.at, message, f'did you mean "#{near[0]}"?', warning=True)

    def _statement(self) -> None:
        if self.text[self.at] == "}":
            self.braces = max(0, self.braces - 1)
            self.lines.append(LogicalLine("}", self.at, {}))
            self.at += 1
            return
        if self.text[self.at] == "{" and self._brace_alone():
            return
        statement = StatementScanner(self.source, self.reader, self.at, in_braces=self.braces > 0)
        statement.run()
        self.problems.extend(statement.problems)
        self.at = statement.at
        line = statement.line()
        if line is None:
            return
        self.braces += line.opens_brace
        begin = _TABLE.match(line.text) or _BEGIN.match(line.text)
        self.lines.append(self._block(line, begin[1]) if begin else line)

    def _brace_alone(self) -> bool:
        alone = not self.text[self.at + 1 : line_end(self.text, self.at)].strip()
        last = self.lines[-1] if self.lines else None
        head = WORD.match(last.text) if last else None
        if alone and last and head and head[0].upper() in BRACE_HEADS and not last.opens_brace:
            self.lines[-1] = replace(last, opens_brace=True)
            self.braces += 1
            self.at += 1
            return True
        return False

    def _block(self, line: LogicalLine, named: str) -> LogicalLine:
        words = named.upper().split()
        start = self._next_line(line_end(self.text, self.at))
        closing = None if named.upper() in self.unclosed else self._closing_line(start, words)
        if closing is not None:
            self.at = line_end(self.text, closing)
            return replace(line, block=Block(start, self.at, tuple(self._verbatim(start, closing))))
        self.unclosed.add(named.upper())
        first = words[0] if words[0] != "SYSTEM" else " ".join(words[:2])
        opening = first if first == "TABLE" else f"BEGIN {first}"
        message = f'"{opening}" has no "END {first}"'
        self._report(line.start, message, f'add a line "END {first}" where the text ends')
        return replace(line, block=Block(start, start, ()), broken=True)

    def _closing_line(self, start: int, words: list[str]) -> int | None:
        at = start
        while at < len(self.text):
            end = line_end(self.text, at)
            found = _END.match(self.text, at, end)
            if found and words[: len(said := found[1].upper().split())] == said:
                return at
            at = self._next_line(end)
        return None

    def _verbatim(self, start: int, closing: int) -> Iterator[Literal]:
        while start < closing:
            end = line_end(self.text, start)
            yield self.reader.verbatim(start, end)
            start = self._next_line(end)

    def _next_line(self, end: int) -> int:
        return min(len(self.text), end + (2 if self.text.startswith("\r\n", end) else 1))

    def _report(self, at: int, message: str, hint: str, *, warning: bool = False) -> None:
        self.problems.append(self.source.problem(at, message, hint, warning=warning))
