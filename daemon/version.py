"""Which Stepwell this is."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def stepwell_version() -> str:
    """Return the installed version, or "0+unknown" when run from sources that are not installed."""
    try:
        return version("stepwell")
    except PackageNotFoundError:
        return "0+unknown"
