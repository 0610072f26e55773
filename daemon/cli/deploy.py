"""`stepwell deploy`: stores the scripts of a folder, all of them or none."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from uuid import UUID

import msgspec
from cyclopts import Parameter

from daemon.cli.check import print_problem
from daemon.cli.database import Stores, ask, settings_beside
from daemon.cli.exits import OK, WRONG, CommandError
from daemon.cli.options import NO_OPTIONS, Options
from daemon.cli.output import open_console, plural, write_json
from daemon.deploy import Deployment, declarations
from daemon.deploy import deploy as deploy_scripts
from daemon.store import EVERY_BOT
from daemon.store_deploy import DeployStore


def deploy(
    folder: Path = Path(),
    *,
    bot: Annotated[
        str | None, Parameter(help="For whom the scripts outside of a .gbai folder are: id or name.")
    ] = None,
    keep: Annotated[bool, Parameter(negative=(), help="Keep scripts that are no longer in the folder.")] = False,
    json: Annotated[bool, Parameter(negative=(), help="Print JSON.")] = False,
    options: Options = NO_OPTIONS,
) -> int:
    """Compile the scripts of a folder and store them with their schedules, webhooks and tools: all of it, or nothing.

    The daemon need not be told: new conversations take the new scripts, those under way keep theirs. Ends with 1 and
    has changed nothing if any script has an error.

    Parameters
    ----------
    folder
        <name>.gbai/<name>.gbdialog/*.bas for each bot, or a flat folder; the folder you are in if you give none.
    """
    settings = settings_beside(options, folder)

    async def act(stores: Stores) -> Deployment:
        store = DeployStore(stores.pool)
        chosen = await _bot_of(store, bot)
        return await deploy_scripts(store, folder, settings, bot_id=chosen, withdraw=not keep)

    try:
        done = ask(options, act)
    except NotADirectoryError as error:
        raise CommandError(f"{error}.", WRONG) from None
    declared = [d for plan in done.plans for d in declarations(plan)] if not done.refused else []
    if json:
        problems = [msgspec.to_builtins(problem) for problem in done.problems]
        document = {"scripts": len(done.plans), "changed": done.changed, "withdrawn": done.withdrawn}
        write_json({"deployed": not done.refused, **document, "problems": problems})
        return WRONG if done.refused else OK
    console = open_console()
    for problem in done.problems:
        print_problem(console, problem)
    if done.refused:
        errors = sum(p.severity == "error" for p in done.problems)
        console.print(f"Nothing was deployed: {plural(errors, 'error')}.", style="red")
        return WRONG
    counts = {kind: sum(d.kind == kind for d in declared) for kind in ("schedule", "webhook", "form")}
    parts = [f"{len(done.changed)} changed", f"{len(done.withdrawn)} withdrawn"]
    parts += [plural(count, kind) for kind, count in counts.items() if count]
    console.print(f"{plural(len(done.plans), 'script').capitalize()} deployed: {', '.join(parts)}.", style="green")
    return OK


async def _bot_of(store: DeployStore, bot: str | None) -> UUID:
    if bot is None:
        return EVERY_BOT
    try:
        return UUID(bot)
    except ValueError:
        found = await store.find_bot(bot)
    if found is None:
        raise CommandError(f"The table bots has no bot “{bot}”.", WRONG)
    return found
