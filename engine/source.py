"""Source text to logical lines: strings masked, comments blanked, every offset that of the file.

A logical line is one statement. Its text is exactly as long as the slice of the file that it stands for, so
that `source.text[line.start + i]` is what an author sees at `line.text[i]`; only string literals (masked),
comments and line breaks (blanks) differ. Nothing here knows a keyword's meaning.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.errors import Problem

MASK = "\ue000"
"""Stands for every character between the quotes of a masked string; a private-use character of Unicode."""


@dataclass(frozen=True, slots=True)
class Source:
    """One file of a script. A byte order mark is dropped; offsets count characters of `text`, from 0."""

    name: str
    text: str
    _starts: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", self.text.removeprefix("\ufeff"))
        starts = [0]
        for at, c in enumerate(self.text):
            if c == "\n" or (c == "\r" and self.text[at + 1 : at + 2] != "\n"):
                starts.append(at + 1)
        object.__setattr__(self, "_starts", tuple(starts))

    def place(self, offset: int) -> tuple[int, int]:
        """Return the line and the column of an offset, both from 1; an offset past the end is the end."""
        line = bisect_right(self._starts, max(0, min(offset, len(self.text))))
        return line, max(0, min(offset, len(self.text))) - self._starts[line - 1] + 1

    def offset(self, line: int, column: int) -> int:
        """Return the offset of a line and column, both from 1: what `place` gives back."""
        return self._starts[min(line, len(self._starts)) - 1] + column - 1

    def line_text(self, line: int) -> str:
        """Return a line (from 1) without its line break; "" where there is no such line."""
        if not 1 <= line <= len(self._starts):
            return ""
        end = self._starts[line] if line < len(self._starts) else len(self.text)
        return self.text[self._starts[line - 1] : end].rstrip("\r\n")

    def problem(self, offset: int, message: str, hint: str = "", *, warning: bool = False) -> Problem:
        """Return a Problem at an offset of this file, with its line."""
        line, column = self.place(offset)
        said = self.line_text(line)
        return Problem(self.name, line, column, message, hint, said, "warning" if warning else "error")


@dataclass(frozen=True, slots=True)
class Interpolation:
    """The expression of a `${…}`: `text` is masked, `text[0]` is at `start` in the file."""

    text: str
    start: int
    literals: Mapping[int, Literal]


@dataclass(frozen=True, slots=True)
class Literal:
    """A string literal or a line of a verbatim block.

    `start` and `end` (exclusive) are the offsets of its quotes in the file; of a block's line, of its text.
    `parts` has escapes resolved; `#{x}` is the text "#" and then an Interpolation.
    """

    start: int
    end: int
    parts: tuple[str | Interpolation, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """The verbatim lines of BEGIN X … END X, one Literal each; `end` is the offset after the closing line."""

    start: int
    end: int
    lines: tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class LogicalLine:
    """One statement, `text[0]` at offset `start`; `literals` by the offset of their opening quotes.

    `opens_brace`: it ended in the `{` of a block, which is not in `text`; the block's `}` is a line of its
    own. `broken`: it has a problem in Scan.problems already; read its head for the structure, report no more.
    """

    text: str
    start: int
    literals: Mapping[int, Literal]
    block: Block | None = None
    opens_brace: bool = False
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Scan:
    """What a file's text says before any keyword is understood. `pragmas`: name in lower case to its line."""

    pragmas: Mapping[str, int]
    lines: tuple[LogicalLine, ...]
    problems: tuple[Problem, ...]


def scan(source: Source) -> Scan:
    """Return the logical lines of a file. Never raises: what is wrong is in `problems`."""
    from engine.scanner import Scanner  # the scanner is built on the classes above

    return Scanner(source).scan()
