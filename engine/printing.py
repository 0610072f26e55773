"""A plan as scripts again, in canonical layout: one statement a line, blocks indented, nothing but what is run.

Line ends, comments, continued lines and blanks are the author's and are not part of a plan; strings, blocks of
verbatim lines and the spelling of words are, so they stay. Compiling what is printed gives the same steps.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from engine.nesting import Nester
from engine.plan import Plan
from engine.raw import Statement
from engine.source import LogicalLine, Source, scan

INDENT = "    "
_PRAGMA_ORDER = ("workflow", "direct")


def print_plan(plan: Plan) -> dict[str, str]:
    """Return the scripts of a plan in canonical layout, by their paths."""
    return {path: print_script(path, text) for path, text in plan.sources.items()}


def print_script(path: str, text: str) -> str:
    """Return one script, which compiles, in canonical layout."""
    source = Source(path, text)
    scanned = scan(source)
    depths: dict[int, int] = {}
    openers: set[int] = set()
    _depths(Nester(source, ()).read(scanned), 0, depths, openers)
    printed = [f"#{name}" for name in _PRAGMA_ORDER if name in scanned.pragmas]
    depth, opened = 0, False
    for line in scanned.lines:
        if line.start in depths:
            depth, opened = depths[line.start], line.start in openers
        else:  # the end of a block
            depth, opened = max(0, depth - (not opened)), False
        printed.append(INDENT * depth + print_line(source, line))
        if line.block is not None:
            printed.append(source.text[line.block.start : line.block.end])
    return "".join(f"{line}\n" for line in printed)


def print_line(source: Source, line: LogicalLine) -> str:
    """Return one statement on one line, but for the line breaks inside its strings."""
    pieces, at = [], 0
    for start, literal in sorted(line.literals.items()):
        if line.start <= start and literal.start - line.start >= at:
            pieces.append(re.sub(r"\s+", " ", line.text[at : literal.start - line.start]))
            pieces.append(source.text[literal.start : literal.end])
            at = literal.end - line.start
    pieces.append(re.sub(r"\s+", " ", line.text[at:]))
    return ("".join(pieces) + (" {" if line.opens_brace else "")).strip(" ")


def _depths(statements: Iterable[Statement], depth: int, depths: dict[int, int], openers: set[int]) -> None:
    for statement in statements:
        depths.setdefault(statement.line.start, depth)
        for index, section in enumerate(statement.sections):
            if section.line.start != statement.line.start or (index == 0 and statement.kind.CLOSERS):
                depths.setdefault(section.line.start, depth)
                if not any(inner.line.start == section.line.start for inner in section.body):
                    openers.add(section.line.start)
            _depths(section.body, depth + 1, depths, openers)
