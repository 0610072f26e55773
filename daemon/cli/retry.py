"""`stepwell retry`: lets a failed conversation go on."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from daemon.cli.actions import perform
from daemon.cli.options import NO_OPTIONS, Options


def retry(
    id: str,
    *,
    json: Annotated[bool, Parameter(negative=(), help="Print JSON.")] = False,
    options: Options = NO_OPTIONS,
) -> int:
    """Let a failed conversation go on: the step that failed is tried again.

    Parameters
    ----------
    id
        The id of the conversation, or as much of its beginning as only it has.
    """
    return perform(id, options, lambda stores, found: stores.operators.retry(found), json=json, done="running")
