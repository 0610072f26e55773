"""What a variable holds: exactly what JSON can hold, and the rules of the dialect for it."""

from __future__ import annotations

from typing import TypeAlias

Value: TypeAlias = "None | bool | int | float | str | list[Value] | dict[str, Value]"
