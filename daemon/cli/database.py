"""Where a command finds its database: the configured one, the embedded one that runs, or one it starts itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from daemon.cli.exits import UNREACHABLE, WRONG, CommandError
from daemon.cli.options import Options
from daemon.embedded import EmbeddedInUse, Running, find_running, start_embedded
from daemon.settings import SYSTEM_FILE, Settings
from daemon.store import Pool, Store, open_pool
from daemon.store_clients import ClientStore
from daemon.store_glance import GlanceStore
from daemon.store_open_requests import OpenRequestStore
from daemon.store_operators import OperatorStore

T = TypeVar("T")

OUR_SQLSTATES = "SW"  # the class of errors that the functions of the schema raise for wrong input
LOCAL_FILE = "stepwell.toml"
OWN_ATTEMPTS_MAX = 4  # each waits a second for the server's owner to leave


@dataclass(frozen=True, slots=True)
class Database:
    """A database's address. `ours`: this process has just started its server, so nobody else lives in it; `server` is
    that one where it is to be kept running."""

    dsn: str
    ours: bool = False
    server: Running | None = None


def settings_beside(options: Options, folder: Path) -> Settings:
    """Return the settings; with no file given or found here, those of the stepwell.toml beside the scripts.

    Raises SettingsError.
    """
    settings = options.settings()
    beside = folder / LOCAL_FILE
    if settings.file in (None, SYSTEM_FILE) and beside.is_file():
        return replace(options, config=beside).settings()
    return settings


@contextmanager
def open_database(settings: Settings, progress: Callable[[str], None] = lambda _: None) -> Iterator[Database]:
    """Yield the database, starting the embedded server where none is configured and none runs.

    Raises EmbeddedError.
    """
    if settings.database.url:
        yield Database(settings.database.url)
        return
    running = find_running(settings.state_dir)
    if running is not None:
        yield Database(running)
        return
    with start_embedded(settings.state_dir, progress=progress) as server:
        yield Database(server.dsn, ours=True)


@contextmanager
def own_database(settings: Settings, progress: Callable[[str], None] = lambda _: None) -> Iterator[Database]:
    """Yield the database, for a daemon that stays: an embedded server must be its own, or it would end with another's.

    A command that only looks into it is waited for. Raises EmbeddedError.
    """
    if settings.database.url:
        yield Database(settings.database.url)
        return
    for attempt in range(OWN_ATTEMPTS_MAX):
        try:
            server = start_embedded(settings.state_dir, progress=progress)
            break
        except EmbeddedInUse:
            if attempt + 1 == OWN_ATTEMPTS_MAX:
                raise
    with server:
        yield Database(server.dsn, ours=True, server=server)


@contextmanager
def existing_database(settings: Settings) -> Iterator[Database]:
    """Yield the database, for a command that only looks into one that is there already.

    Raises CommandError where no database has been made, EmbeddedError.
    """
    if not settings.database.url and not (settings.state_dir / "data").exists():
        raise CommandError(
            "There is no database yet: none is configured, and the embedded one has not been made. "
            "Run stepwell up, or give an address: --database-url postgresql://…",
            UNREACHABLE,
        )
    with open_database(settings) as database:
        yield database


@dataclass(frozen=True, slots=True)
class Stores:
    """Everything a command says to a database."""

    pool: Pool
    clients: ClientStore
    operators: OperatorStore
    glance: GlanceStore
    store: Store
    requests: OpenRequestStore


@asynccontextmanager
async def open_stores(dsn: str, settings: Settings) -> AsyncIterator[Stores]:
    """Connect, and let what the schema's functions refuse be a sentence. Raises what connecting raises."""
    database = settings.database
    pool = await open_pool(
        dsn,
        schema=database.schema,
        size_min=1,
        size_max=2,
        timeout=database.connect_seconds_max,
        command_timeout=database.statement_seconds_max,
    )
    try:
        glance = GlanceStore(pool, database.schema)
        # A command owns no partition: its name is none that a lease could have.
        store = Store(pool, database.schema, "")
        yield Stores(pool, ClientStore(pool), OperatorStore(pool), glance, store, OpenRequestStore(pool))
    except Exception as error:
        if str(getattr(error, "sqlstate", "")).startswith(OUR_SQLSTATES):
            # asyncpg's text has the hint on a line of its own.
            raise CommandError(" ".join(str(error).replace("HINT:", " ").split()), WRONG) from None
        raise
    finally:
        pool.terminate()


def ask(options: Options, question: Callable[[Stores], Awaitable[T]]) -> T:
    """Return the answer of the database that is there, its schema checked first.

    Raises CommandError, SettingsError, SchemaProblem, and what connecting raises.
    """
    settings = options.settings()

    async def run(database: Database) -> T:
        async with open_stores(database.dsn, settings) as stores:
            await stores.glance.check()
            if database.ours:
                await stores.glance.free_partitions()
            return await question(stores)

    with existing_database(settings) as database:
        return asyncio.run(run(database))


async def find_one(stores: Stores, beginning: str) -> UUID:
    """Return the execution whose id begins so. Raises CommandError where there is none, or more than one."""
    try:
        found = await stores.operators.find_execution(beginning)
    except ValueError:
        raise CommandError(f"{beginning!r} is not the beginning of an id; stepwell ps shows them") from None
    if not found:
        raise CommandError(f"there is no execution whose id begins with {beginning}; stepwell ps --all lists them")
    if len(found) > 1:
        raise CommandError(f"several ids begin with {beginning}, such as {found[0]} and {found[1]}; give more of it")
    return found[0]
