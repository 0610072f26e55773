"""`stepwell pause`: holds a conversation."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from daemon.cli.actions import perform
from daemon.cli.options import NO_OPTIONS, Options


def pause(
    id: str,
    *,
    json: Annotated[bool, Parameter(negative=(), help="Print JSON.")] = False,
    options: Options = NO_OPTIONS,
) -> int:
    """Hold a conversation where it is; its messages are kept until it is resumed.

    Parameters
    ----------
    id
        The id of the conversation, or as much of its beginning as only it has.
    """
    return perform(id, options, lambda stores, found: stores.operators.pause(found), json=json, done="paused")
