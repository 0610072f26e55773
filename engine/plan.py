"""A plan: numbered steps, immutable, named by a hash of its sources and steps, and what follows each step.

Numbers go in reading order, so the steps inside a step are a contiguous range: `last_inside`.
What follows a step is the next one, entered; or the one around it, because its block has ended; or 0, where the
procedure ends. All that the stepper asks of a number is worked out here, once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from engine.errors import Problem
from engine.expressions import names_of
from engine.shortcuts import Act, Question, Ways
from engine.steps import BLOCK_ENDED, ENTERED, Block, BlockEnded, Entered, Here, Move, Return, Step

Mode = Literal["workflow", "direct"]


@dataclass(frozen=True, slots=True)
class Procedure:
    """One callable unit: a script's own body (`parameters` are its PARAMs), or a SUB or FUNCTION of it."""

    name: str
    script: str
    parameters: tuple[str, ...]
    body: Block
    whole_script: bool = False

    @property
    def first(self) -> int:
        """The number of its first step; 0 for an empty body."""
        return self.body[0].place.number if self.body else 0


@dataclass(frozen=True)
class Plan:
    """What scripts compile to. `script` is the main one; `sources` maps every path to its text."""

    script: str
    mode: Mode
    sources: Mapping[str, str]
    procedures: Mapping[str, Procedure]
    warnings: tuple[Problem, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        steps: dict[int, Step] = {}
        follows: dict[int, int] = {}
        parents: dict[int, tuple[int, int]] = {}
        last: dict[int, int] = {}
        for procedure in self.procedures.values():
            _index(procedure.body, 0, 0, steps, follows, parents, last)
        object.__setattr__(self, "steps", steps)
        going_on = {n: (-f, BLOCK_ENDED) if f < 0 else (f, ENTERED) for n, f in follows.items()}
        object.__setattr__(self, "following", going_on)
        object.__setattr__(self, "runs", {0: _end_procedure, **{n: step.run for n, step in steps.items()}})
        object.__setattr__(self, "parents", parents)
        object.__setattr__(self, "last_inside", last)
        entries = {n: tuple([b[0].place.number if b else 0 for b in s.blocks()]) for n, s in steps.items()}
        object.__setattr__(self, "entries", entries)
        temporaries = _last_readers(steps)
        object.__setattr__(self, "temporaries", temporaries)
        acts: dict[int, Act] = {}
        questions: dict[int, Question] = {}
        for number, step in steps.items():
            if number not in temporaries:  # behind which something is to be forgotten
                first = tuple([entry or -number for entry in entries[number]])  # an empty block has ended
                ways = Ways(number, follows[number], first)
                acts.update(step.shortcuts(ways))
                question = step.question(ways)
                if question is not None:
                    questions[number] = question
        object.__setattr__(self, "shortcuts", acts)
        object.__setattr__(self, "questions", questions)
        kinds = [type(step).__name__ for _, step in sorted(steps.items())]
        object.__setattr__(self, "hash", hash_plan(self.script, self.mode, self.sources, kinds))

    steps: Mapping[int, Step] = field(init=False, compare=False, repr=False)
    # What each step does, by its number, and behind the last one.
    runs: Mapping[int, Callable[[Here], Move]] = field(init=False, compare=False, repr=False)
    # Where it goes on, and why the step there runs.
    following: Mapping[int, tuple[int, Entered | BlockEnded]] = field(init=False, compare=False, repr=False)
    parents: Mapping[int, tuple[int, int]] = field(init=False, compare=False, repr=False)  # step, block
    last_inside: Mapping[int, int] = field(init=False, compare=False, repr=False)
    entries: Mapping[int, tuple[int, ...]] = field(
        init=False, compare=False, repr=False
    )  # each block's first step, or 0
    temporaries: Mapping[int, tuple[str, ...]] = field(init=False, compare=False, repr=False)
    # What the commonest steps do, by point.
    shortcuts: Mapping[int, Act] = field(init=False, compare=False, repr=False)
    questions: Mapping[int, Question] = field(init=False, compare=False, repr=False)
    hash: str = field(init=False, compare=False)

    @property
    def main(self) -> Procedure:
        """The procedure an execution begins with."""
        return self.procedures[self.script]

    def parameters_of(self, procedure: str) -> tuple[str, ...] | None:
        """Return the names that a procedure is given, in order; None where the plan has no such procedure."""
        found = self.procedures.get(procedure)
        return None if found is None else found.parameters

    def source_line(self, step: Step) -> str:
        """Return the line of source a step was written on, trimmed."""
        lines = self.sources[step.place.script].splitlines()
        return lines[step.place.line - 1].strip() if step.place.line <= len(lines) else ""


def _end_procedure(here: Here) -> Move:
    return Return()


def hash_plan(script: str, mode: Mode, sources: Mapping[str, str], kinds: Sequence[str]) -> str:
    """Return the name of a plan, SHA-256 in hex: over its mode, its main script, all its sources, and the kinds of
    its steps, because other tools in the configuration or a newer compiler make another plan of the same sources."""
    canonical = json.dumps(
        [script, mode, sorted(sources.items()), list(kinds)], ensure_ascii=False, separators=(",", ":")
    )
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


def _last_readers(steps: Mapping[int, Step]) -> dict[int, tuple[str, ...]]:
    """Return, by step, the results of lifted calls that it is the last to read: they are dropped behind it."""
    readers: dict[str, int] = {}
    for number, step in sorted(steps.items()):
        for expression in step.expressions():
            for name in names_of(expression):
                if name.startswith("$"):
                    readers[name] = number
    by_step: dict[int, tuple[str, ...]] = {}
    for name, number in readers.items():
        by_step[number] = (*by_step.get(number, ()), name)
    return by_step


def _index(
    block: Block,
    parent: int,
    block_number: int,
    steps: dict[int, Step],
    follows: dict[int, int],
    parents: dict[int, tuple[int, int]],
    last: dict[int, int],
) -> None:
    for position, step in enumerate(block):
        number = step.place.number
        assert number not in steps, "a step's number is its own"
        steps[number] = step
        parents[number] = (parent, block_number)
        follows[number] = block[position + 1].place.number if position + 1 < len(block) else -parent
        for index, inner in enumerate(step.blocks()):
            _index(inner, number, index, steps, follows, parents, last)
        inside = [last[s.place.number] for inner in step.blocks() for s in inner]
        last[number] = max([number, *inside])
