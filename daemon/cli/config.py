"""`stepwell config`: every setting, its value, and where it came from."""

from __future__ import annotations

import sys
from importlib.resources import files
from typing import Annotated

import msgspec
from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from daemon.cli.exits import OK
from daemon.cli.options import NO_OPTIONS, Options
from daemon.settings_words import shown


def config(
    *,
    json: Annotated[bool, Parameter(negative=(), help="Print JSON.")] = False,
    changed: Annotated[bool, Parameter(negative=(), help="Only what is not the default.")] = False,
    example: Annotated[bool, Parameter(negative=(), help="Print a documented file to begin with.")] = False,
    options: Options = NO_OPTIONS,
) -> int:
    """Show every setting, its value, and where it came from. Passwords are masked.

    The order of strength: flag, environment (STEPWELL_SECTION_KEY), systemd credential, file, default.
    """
    if example:
        sys.stdout.write((files("config") / "stepwell.toml").read_text(encoding="utf-8"))
        return OK
    settings = options.settings()
    rows = [
        (key, value, settings.origin(key))
        for key, value in settings.values().items()
        if not changed or settings.origin(key) != "default"
    ]
    if json:
        document = {key: {"value": value, "origin": origin} for key, value, origin in rows}
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(document)).decode() + "\n")
        return OK
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("setting", no_wrap=True)
    for heading in ("value", "from"):
        table.add_column(heading, overflow="fold")
    for key, value, origin in rows:
        table.add_row(key, shown(value), origin, style="" if origin == "default" else "cyan")
    Console(highlight=False, markup=False).print(table)
    return OK
