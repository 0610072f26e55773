"""`stepwell migrate`: brings the database's schema to this version."""

from __future__ import annotations

import asyncio
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from daemon.cli.database import open_database, open_stores
from daemon.cli.exits import OK
from daemon.cli.options import NO_OPTIONS, Options
from daemon.cli.output import open_console, plural
from daemon.settings import Settings
from daemon.store_glance import MigrationProgress


def migrate(
    *,
    roles: Annotated[bool, Parameter(negative=(), help="Make the group roles client, operator and daemon.")] = False,
    options: Options = NO_OPTIONS,
) -> int:
    """Bring the database's schema to this version. Nothing is lost, and doing it twice does no harm."""
    settings = options.settings()
    console = open_console()
    with open_database(settings, console.print) as database:
        asyncio.run(_migrate(database.dsn, settings, console, roles))
    return OK


async def _migrate(dsn: str, settings: Settings, console: Console, roles: bool) -> None:
    def show(step: MigrationProgress) -> None:
        console.print(f"{step.position}/{step.total}  {step.number:04d} {step.name}")

    async with open_stores(dsn, settings) as stores:
        done = await stores.glance.migrate(show, roles=roles)
    schema = settings.database.schema
    console.print(
        f"Schema {schema}: {plural(done, 'migration')} applied." if done else f"Schema {schema} is up to date."
    )
    if roles:
        console.print("The roles stepwell_client, stepwell_operator and stepwell_daemon have their rights.")
