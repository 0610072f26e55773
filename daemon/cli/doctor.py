"""`stepwell doctor`: looks at everything Stepwell stands on; each finding comes with what mends it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from typing import Annotated

import msgspec
from cyclopts import Parameter
from rich.console import Console

from daemon.cli.exits import OK, WRONG
from daemon.cli.options import NO_OPTIONS, Options
from daemon.diagnosis import Finding, examine

MARKS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "wrong": ("✗", "red")}


def doctor(
    *,
    json: Annotated[bool, Parameter(negative=(), help="Print JSON.")] = False,
    options: Options = NO_OPTIONS,
) -> int:
    """Look for what is wrong with this installation, and say what mends it.

    Ends with 1 when something is wrong; a warning alone ends with 0.
    """
    findings = asyncio.run(examine(options.settings()))
    if json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(findings)).decode() + "\n")
    else:
        _print(findings)
    return WRONG if any(finding.state == "wrong" for finding in findings) else OK


def _print(findings: Iterable[Finding]) -> None:
    console = Console(highlight=False, markup=False, soft_wrap=True)
    for finding in findings:
        mark, color = MARKS[finding.state]
        console.print(f"{mark} {finding.about}: {finding.sentence}", style=color if finding.state != "ok" else "")
        if finding.mend:
            console.print(f"    {finding.mend}")
