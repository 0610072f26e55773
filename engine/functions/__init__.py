"""The pure functions of the dialect: one module per family, each with a table `FUNCTIONS`.

A module of this package is found by being here. Names are in lower case; one that begins with `.` is a
method (`a.trim()`), one that begins with `$` is written by the compiler only.
"""

from __future__ import annotations

import importlib
import pkgutil

from engine.functions.signature import Function


def _collect() -> dict[str, Function]:
    table: dict[str, Function] = {}
    for module in sorted(info.name for info in pkgutil.iter_modules(__path__)):
        found: dict[str, Function] = getattr(importlib.import_module(f"{__name__}.{module}"), "FUNCTIONS", {})
        doubled = table.keys() & found.keys()
        assert not doubled, f"defined twice: {sorted(doubled)}"
        table.update(found)
    return table


FUNCTIONS: dict[str, Function] = _collect()
