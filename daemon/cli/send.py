"""`stepwell send`: says something to a session."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from cyclopts import Parameter

from daemon.cli.database import Stores, ask
from daemon.cli.exits import OK, WRONG
from daemon.cli.options import NO_OPTIONS, Options
from daemon.cli.output import open_console, write_json
from daemon.rows import ShownExecution


def send(
    session: UUID,
    text: str,
    *,
    external_id: Annotated[str | None, Parameter(help="The channel's id: the same one twice is heard once.")] = None,
    json: Annotated[bool, Parameter(negative=(), help="Print JSON.")] = False,
    options: Options = NO_OPTIONS,
) -> int:
    """Say something to a session, and tell who will hear it. Ends with 1 if nobody does.

    Parameters
    ----------
    session
        The session's id.
    text
        What the user says.
    """

    async def run(stores: Stores) -> ShownExecution | None:
        hearer = await stores.clients.send(session, text, external_id=external_id)
        return None if hearer is None else await stores.operators.show_execution(hearer)

    shown = ask(options, run)
    if json:
        heard_by = None if shown is None else {"id": shown.listed.id, "script": shown.listed.script}
        write_json({"session": session, "heard_by": heard_by})
    elif shown is None:
        open_console().print(f"Nobody hears it: session {session} runs no script. The message is not kept.")
    else:
        when = "hears it" if shown.listed.status == "waiting" else f"hears it later: it is {shown.listed.status}"
        open_console().print(f"{shown.listed.script} ({shown.listed.id}) {when}.")
    return WRONG if shown is None else OK
