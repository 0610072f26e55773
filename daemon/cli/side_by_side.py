"""Two conversations side by side: what the file expects, and what was said."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from daemon.chat_entries import Entry, agrees, entry_lines
from daemon.cli.output import harmless

CONTEXT_ENTRIES = 6  # before and behind the first difference
MARGIN = "    "
MARKED = "  > "
GAP = " │ "
COLUMN_CHARACTERS_MIN = 16


def print_difference(console: Console, expected: Sequence[Entry], actual: Sequence[Entry], difference: int) -> None:
    """Print both conversations around their first difference, which is marked."""
    width = max(COLUMN_CHARACTERS_MIN, (console.width - len(MARGIN) - len(GAP)) // 2)
    console.print(Text(f"{MARGIN}{'expected':<{width}}{GAP}actual", "bold"))
    first = max(0, difference - CONTEXT_ENTRIES)
    last = min(max(len(expected), len(actual)), difference + CONTEXT_ENTRIES + 1)
    if first:
        console.print(Text(f"{MARGIN}{'…':<{width}}{GAP}…", "dim"))
    for index in range(first, last):
        left = _folded(expected[index], width) if index < len(expected) else []
        right = _folded(actual[index], width) if index < len(actual) else []
        if left and right and agrees(expected[index], actual[index]):
            right = left  # buttons that the author did not write down are no difference
        differs = index == difference
        for row in range(max(len(left), len(right), 1)):
            one = left[row] if row < len(left) else ""
            other = right[row] if row < len(right) else ""
            text = Text(MARKED if differs and row == 0 else MARGIN, "bold red")
            text.append(f"{one:<{width}}", "green" if differs else "")
            text.append(GAP, "dim")
            text.append(other, "red" if differs else "")
            text.rstrip()
            console.print(text)
    if last < max(len(expected), len(actual)):
        console.print(Text(f"{MARGIN}{'…':<{width}}{GAP}…", "dim"))


def _folded(entry: Entry, width: int) -> list[str]:
    """Return an entry's lines, broken where they are wider than a column."""
    folded: list[str] = []
    for line in map(harmless, entry_lines(entry)):
        while len(line) > width:
            at = line.rfind(" ", width // 2, width + 1)
            at = at if at > 0 else width
            folded.append(line[:at].rstrip())
            line = "  " + line[at:].lstrip()
        folded.append(line)
    return folded
