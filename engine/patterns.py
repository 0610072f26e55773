"""LIKE: `%` stands for any text, `_` for one character (`*` and `?` too, as in older BASIC)."""

from __future__ import annotations

from engine.errors import ScriptError

# Comparisons that LIKE may make for each character of text and pattern: beyond it a pattern is a trap.
LIKE_CHECKS_PER_CHARACTER_MAX = 4
_CHECKS_FREE = 100


class _Matcher:
    """One comparison of a text with a pattern, which counts what it does."""

    def __init__(self, text: str, checks: int) -> None:
        self.text = text
        self.checks = checks

    def fits(self, piece: list[str], at: int) -> bool:
        """Return whether the piece stands here; between its runs is one free character each."""
        for run in piece:
            self.checks -= 1
            if self.checks < 0:
                raise ScriptError("LIKE has too much to compare: the pattern is too ambiguous.", "limit")
            if not self.text.startswith(run, at):
                return False
            at += len(run) + 1
        return at - 1 <= len(self.text)

    def find(self, piece: list[str], start: int) -> int:
        """Return the first place from `start` on where the piece stands, or -1."""
        lead = next((i for i, run in enumerate(piece) if run), None)
        if lead is None:
            return start if self.fits(piece, start) else -1
        at = start
        while (found := self.text.find(piece[lead], at + lead)) >= 0:
            # Before the first run that is not empty stand only free characters, one for each run.
            if self.fits(piece, found - lead):
                return found - lead
            at = found - lead + 1
        return -1


def like(text: str, pattern: str, ignore_case: bool = False) -> bool:
    r"""Return whether the whole text fits the pattern; `\%` and `\_` are the characters themselves.

    Goes once through the text: the pieces between `%` are found from left to right, so no pattern can
    backtrack. Raises ScriptError where there is too much to compare.
    """
    if ignore_case:
        text, pattern = text.lower(), pattern.lower()
    pieces = _pieces(pattern)
    checks = LIKE_CHECKS_PER_CHARACTER_MAX * (len(text) + len(pattern)) + _CHECKS_FREE
    matcher = _Matcher(text, checks)
    first, last = pieces[0], pieces[-1]
    if len(pieces) == 1:
        return _width(first) == len(text) and matcher.fits(first, 0)
    if not matcher.fits(first, 0):
        return False
    at = _width(first)
    for piece in pieces[1:-1]:
        found = matcher.find(piece, at)
        if found < 0:
            return False
        at = found + _width(piece)
    tail = len(text) - _width(last)
    return tail >= at and matcher.fits(last, tail)


def _width(piece: list[str]) -> int:
    return sum(map(len, piece)) + len(piece) - 1


def _pieces(pattern: str) -> list[list[str]]:
    """Return the pattern's pieces between `%`: each the runs of characters between its `_`."""
    pieces: list[list[str]] = []
    runs: list[str] = []
    run: list[str] = []
    characters = iter(pattern)
    for character in characters:
        if character == "\\":
            run.append(next(characters, "\\"))
        elif character in "_?":
            runs.append("".join(run))
            run = []
        elif character in "%*":
            pieces.append([*runs, "".join(run)])
            runs, run = [], []
        else:
            run.append(character)
    return [*pieces, [*runs, "".join(run)]]
