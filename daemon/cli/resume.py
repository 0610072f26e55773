"""`stepwell resume`: lets a paused conversation go on."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from daemon.cli.actions import perform
from daemon.cli.options import NO_OPTIONS, Options


def resume(
    id: str,
    *,
    json: Annotated[bool, Parameter(negative=(), help="Print JSON.")] = False,
    options: Options = NO_OPTIONS,
) -> int:
    """Let a paused conversation go on.

    Parameters
    ----------
    id
        The id of the conversation, or as much of its beginning as only it has.
    """
    return perform(id, options, lambda stores, found: stores.operators.resume(found), json=json, done="waiting")
