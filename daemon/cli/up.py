"""`stepwell up`: the daemon, with an embedded PostgreSQL unless one is configured."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
from collections.abc import Callable

import structlog

from daemon.cli.database import Database, open_stores, own_database
from daemon.cli.exits import OK
from daemon.cli.options import NO_OPTIONS, Options
from daemon.embedded import EmbeddedError, Running
from daemon.log import configure_logging
from daemon.serve import serve
from daemon.settings import Settings, Surroundings, read_surroundings

LOOK_SECONDS = 0.5
AGAIN_SECONDS = 5.0

log = structlog.get_logger(__name__)


def up(*, options: Options = NO_OPTIONS) -> int:
    """Run the daemon until it is told to stop (Ctrl-C, SIGTERM), with an embedded PostgreSQL unless one is configured.

    It deploys the scripts of the configured folder, and again on SIGHUP. The embedded database is migrated by
    itself; any other by stepwell migrate.
    """
    settings = options.settings()
    surroundings = read_surroundings()
    configure_logging(
        settings.log.level,
        settings.log.format,
        under_systemd=surroundings.under_systemd,
        colors=False if surroundings.no_color else None,
    )
    with (
        own_database(settings, lambda sentence: log.info("database", doing=sentence)) as database,
        asyncio.Runner(loop_factory=_fast_loop()) as runner,
    ):
        runner.run(_serve(settings, surroundings, database))
    return OK


def _fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return how uvloop makes a loop, None where it does not exist (Windows, PyPy)."""
    if importlib.util.find_spec("uvloop") is None:
        return None
    make: Callable[[], asyncio.AbstractEventLoop] = importlib.import_module("uvloop").new_event_loop
    return make


async def _serve(settings: Settings, surroundings: Surroundings, database: Database) -> None:
    if not settings.database.url:
        await prepare(database, settings)
        log.info("database", address=database.dsn)
    async with asyncio.TaskGroup() as tasks:
        keeping = tasks.create_task(keep_running(database.server)) if database.server is not None else None
        await serve(settings, surroundings, dsn=database.dsn)
        if keeping is not None:
            keeping.cancel()


async def keep_running(server: Running) -> None:
    """Start the embedded server again whenever it has ended: nobody else would. Until cancelled."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        if server.pid is None:
            log.error("embedded_database_ended", doing="It is started again.", log=str(server.log))
            try:
                # In this thread, which the server's life is tied to: without it nothing else could go on anyway.
                server.restart()
            except EmbeddedError as error:
                log.error("embedded_database_not_started", reason=str(error))
                await asyncio.sleep(AGAIN_SECONDS)


async def prepare(database: Database, settings: Settings) -> None:
    """Bring an embedded database to this version. Leases in a server that has just started are nobody's.

    Raises SchemaProblem.
    """
    async with open_stores(database.dsn, settings) as stores:
        await stores.glance.migrate()
        if database.ours:
            await stores.glance.free_partitions()
