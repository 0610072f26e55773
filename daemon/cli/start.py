"""`stepwell start`: starts a script for a session."""

from __future__ import annotations

import json as json_module
from typing import Annotated
from uuid import UUID, uuid4

from cyclopts import Parameter

from daemon.cli.database import Stores, ask
from daemon.cli.exits import OK, USAGE, CommandError
from daemon.cli.options import NO_OPTIONS, Options
from daemon.cli.output import open_console, write_json
from engine.values import Value


def start(
    script: str,
    *,
    session: Annotated[UUID | None, Parameter(help="The session; a new one unless given.")] = None,
    bot: Annotated[UUID | None, Parameter(help="The bot whose script it is.")] = None,
    param: Annotated[list[str] | None, Parameter(negative=(), help="NAME=VALUE for a PARAM (repeatable).")] = None,
    key: Annotated[str | None, Parameter(help="Starts once for good: the same key finds the same run.")] = None,
    json: Annotated[bool, Parameter(negative=(), help="Print JSON.")] = False,
    options: Options = NO_OPTIONS,
) -> int:
    """Start a script that the daemon has deployed. A session that runs it already goes on with that one.

    Parameters
    ----------
    script
        The script's name as it is deployed, such as ticket.bas.
    """
    params = read_params(param or [])
    chosen = session or uuid4()

    async def run(stores: Stores) -> UUID:
        return await stores.clients.start(script, session_id=chosen, bot_id=bot, params=params, start_key=key)

    started = ask(options, run)
    if json:
        write_json({"id": started, "session": chosen, "script": script})
    else:
        console = open_console()
        console.print(f"{script} runs as {started}")
        console.print(f"in session {chosen}")
        console.print(f'Say something to it: stepwell send {chosen} "…"')
    return OK


def read_params(given: list[str]) -> dict[str, Value]:
    """Return parameters of the form NAME=VALUE; a value that reads as JSON is that, any other is text.

    Raises CommandError.
    """
    params: dict[str, Value] = {}
    for item in given:
        name, equals, text = item.partition("=")
        if not equals or not name.strip().isidentifier():
            raise CommandError(f"--param {item}: a parameter is given as NAME=VALUE, such as vip=true", USAGE)
        try:
            params[name.strip().lower()] = json_module.loads(text)
        except ValueError:
            params[name.strip().lower()] = text
    return params
