"""What cancel, pause, resume and retry have in common: find the execution, act, say what was done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID

from daemon.cli.database import Stores, ask, find_one
from daemon.cli.exits import OK, WRONG
from daemon.cli.options import Options
from daemon.cli.output import open_console, write_json
from daemon.rows import Outcome

Act = Callable[[Stores, UUID], Awaitable[Outcome]]


def perform(id: str, options: Options, act: Act, *, json: bool, done: str) -> int:
    """Act on one execution and print what the database says of it.

    Ends with 0 if that changed something or the execution has the status `done` anyway, else with 1.
    """

    async def run(stores: Stores) -> tuple[UUID, Outcome]:
        found = await find_one(stores, id)
        return found, await act(stores, found)

    found, outcome = ask(options, run)
    if json:
        document = {"id": found, "changed": outcome.changed, "status": outcome.status, "sentence": outcome.sentence}
        write_json(document)
    else:
        open_console().print(outcome.sentence)
    return OK if outcome.changed or outcome.status == done else WRONG
