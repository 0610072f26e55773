"""Who is to blame: the author while compiling (CompileError), the author while running (ScriptError).

A mistake of our own is an assert; the world's failures are events, not exceptions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in one place of a script. `line` and `column` count from 1."""

    file: str
    line: int
    column: int
    message: str
    hint: str = ""
    source_line: str = ""
    severity: Literal["error", "warning"] = "error"
    width: int = 1

    def render(self) -> str:
        """Return the problem as an author reads it: place, sentence, the line with a caret, the hint."""
        text = f"{self.file}:{self.line}:{self.column}: {self.severity}: {self.message}"
        if self.source_line:
            lead = "".join("\t" if c == "\t" else " " for c in self.source_line[: self.column - 1])
            text += f"\n    {self.source_line}\n    {lead}{'^' * max(1, self.width)}"
        if self.hint:
            text += f"\n    {self.hint}"
        return text


class CompileError(Exception):
    """The script does not compile. `problems` holds every error of it, in reading order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        assert problems
        self.problems = tuple(problems)
        super().__init__("\n".join(p.render() for p in self.problems))


class ScriptError(Exception):
    """A statement of a running script failed; ON ERROR, TRY or the operator deals with it."""

    def __init__(self, message: str, kind: str = "error") -> None:
        self.message = message
        self.kind = kind
        super().__init__(message)
