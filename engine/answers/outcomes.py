"""What a check is given and what it gives back, as values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import TypeAlias

from msgspec import Struct

from engine.events import Attachment
from engine.values import Value


class Accepted(Struct, frozen=True, gc=False):
    """The answer fits. `value` is for the variable, `shown` for transcript, history and logs."""

    value: Value
    shown: str


class Rejected(Struct, frozen=True, gc=False):
    """The answer does not fit. `sentence` tells the user so, in their language, with an example."""

    sentence: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer on its way through a check.

    `raw` is trimmed and storable; `text` is `raw` in plain form. `language` is one of the six languages,
    `region` what followed it ("br" of "pt-BR"), or "". The texts stay out of repr: they may be secrets.
    """

    raw: str = field(repr=False)
    text: str = field(repr=False)
    attachments: tuple[Attachment, ...]
    now: datetime
    random: Random
    language: str
    region: str


Check: TypeAlias = Callable[[Answer], Accepted | None]
"""A type's check: the accepted value, or None where the type's own sentence is due."""


def as_text(value: str | None) -> Accepted | None:
    """Accept a text that is shown as it is; None stays None."""
    return None if value is None else Accepted(value, value)
