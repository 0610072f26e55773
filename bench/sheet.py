"""What was measured: figures with their spread, as a table to read, as Markdown and as JSON."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(slots=True)
class Figure:
    """One thing that was measured, a value a round, and the same as a ratio to something measured beside it."""

    scenario: str
    name: str
    unit: str
    of: str  # what the ratio is to; empty: there is none
    aim: str
    values: list[float] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)

    @property
    def shown(self) -> str:
        """The median with the least and the most, and the unit."""
        return f"{spread(self.values)} {self.unit}".rstrip()


class Sheet:
    """All figures of a run, and where they were made."""

    def __init__(self, facts: dict[str, dict[str, Any]]) -> None:
        self.facts = facts
        self._figures: dict[tuple[str, str], Figure] = {}
        self._told: dict[str, list[str]] = {}

    def add(
        self, scenario: str, name: str, value: float, unit: str = "", *, to: float = 0.0, of: str = "", aim: str = ""
    ) -> None:
        """Add a round's value of a figure, and tell it at once; `to` is what `of` names, in the same unit."""
        figure = self._figures.setdefault((scenario, name), Figure(scenario, name, unit, of, aim))
        figure.values.append(value)
        beside = ""
        if of and to:
            figure.ratios.append(value / to)
            beside = f" = {number(value / to)} x {of}"
        print(f"  {scenario}: {name}: {number(value)} {unit}{beside}{f' (aim: {aim})' if aim else ''}", flush=True)

    def tell(self, scenario: str, line: str) -> None:
        """Add a line that says its figures itself, and tell it at once."""
        self._told.setdefault(scenario, []).append(line)
        print(f"  {line}", flush=True)

    def show(self) -> None:
        """Print every figure with its spread."""
        print("\n" + self.markdown(), flush=True)

    def markdown(self) -> str:
        """Return the facts and a table a scenario, as docs/performance.md takes them over."""
        lines = [f"* {about}: " + "; ".join(f"{k} {v}" for k, v in told.items()) for about, told in self.facts.items()]
        for scenario in dict.fromkeys(figure.scenario for figure in self._figures.values()):
            lines += ["", f"### {scenario}", "", "| | measured | ratio | to | aim |", "|---|---|---|---|---|"]
            for figure in self._figures.values():
                if figure.scenario == scenario:
                    ratio = spread(figure.ratios) if figure.ratios else ""
                    lines.append(f"| {figure.name} | {figure.shown} | {ratio} | {figure.of} | {figure.aim} |")
        for scenario, told in self._told.items():
            lines += ["", f"### {scenario}", "", "```", *told, "```"]
        return "\n".join(lines) + "\n"

    def write(self, folder: Path) -> None:
        """Write figures.json and figures.md."""
        folder.mkdir(parents=True, exist_ok=True)
        figures = [
            {
                "scenario": f.scenario,
                "name": f.name,
                "unit": f.unit,
                "values": f.values,
                "ratios": f.ratios,
                "of": f.of,
                "aim": f.aim,
            }
            for f in self._figures.values()
        ]
        text = json.dumps({"facts": self.facts, "figures": figures, "told": self._told}, indent=1, ensure_ascii=False)
        (folder / "figures.json").write_text(text, encoding="utf-8")
        (folder / "figures.md").write_text(self.markdown(), encoding="utf-8")


def spread(values: Sequence[float]) -> str:
    """Return the median with the least and the most."""
    if len(values) == 1:
        return number(values[0])
    return f"{number(statistics.median(values))} ({number(min(values))} to {number(max(values))})"


def number(value: float) -> str:
    """Return a number with three significant digits, or all of a large one."""
    size = abs(value)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3
    return f"{value:,.{digits}f}"
