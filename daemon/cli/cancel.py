"""`stepwell cancel`: ends a conversation."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from daemon.cli.actions import perform
from daemon.cli.options import NO_OPTIONS, Options


def cancel(
    id: str,
    *,
    why: Annotated[str | None, Parameter(help="A reason for those who look at it later.")] = None,
    json: Annotated[bool, Parameter(negative=(), help="Print JSON.")] = False,
    options: Options = NO_OPTIONS,
) -> int:
    """End a conversation now: it hears nothing more, and what waits for it is dropped.

    Parameters
    ----------
    id
        The id of the conversation, or as much of its beginning as only it has.
    """
    return perform(id, options, lambda stores, found: stores.operators.cancel(found, why), json=json, done="cancelled")
