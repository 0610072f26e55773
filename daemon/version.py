"""Which Stepwell this is."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, version

UNKNOWN = "0+unknown"


def stepwell_version() -> str:
    """Return the installed version, or "0+unknown" when run from sources that are not installed."""
    try:
        return version("stepwell")
    except PackageNotFoundError:
        return UNKNOWN


def is_newer(one: str, other: str) -> bool:
    """Return whether the first version certainly is newer than the second: by its numbers, a.b.c."""
    return UNKNOWN not in (one, other) and _numbers(one) > _numbers(other)


def _numbers(version: str) -> list[int]:
    found = re.match(r"\d+(\.\d+)*", version)
    return [int(part) for part in found[0].split(".")] if found else []
