"""The building blocks of settings: numbers with limits, and the tables they stand in."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

Count: TypeAlias = Annotated[int, Meta(ge=1, le=1_000_000_000)]
CountOrZero: TypeAlias = Annotated[int, Meta(ge=0, le=1_000_000_000)]
Days: TypeAlias = Annotated[int, Meta(ge=0, le=36_500)]  # 0: for ever
Seconds: TypeAlias = Annotated[float, Meta(gt=0, le=31_536_000)]
SecondsOrZero: TypeAlias = Annotated[float, Meta(ge=0, le=31_536_000)]


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table of the configuration."""
