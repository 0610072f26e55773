"""Brings a schema to the version this program knows: numbered files, one transaction each, one at a time."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import asyncpg

from daemon.statements import Migration, migrations, query, roles

SCHEMA_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,62}")
LOCK_RETRY_SECONDS = 0.1
LOCK_WAIT_SECONDS_MAX = 300
TABLE_LOCK_WAIT = "10s"

Connection: TypeAlias = "asyncpg.Connection[Any] | asyncpg.pool.PoolConnectionProxy[Any]"


class SchemaProblem(Exception):
    """The schema is not one this program can work with. The message is a sentence for the operator."""


class BadSchemaName(SchemaProblem):
    """The configured schema is no plain identifier."""

    def __init__(self, schema: str) -> None:
        super().__init__(
            f"{schema!r} cannot be the schema: letters, digits and underscores, not starting with a digit or "
            "pg_, at most 63 characters."
        )


class SchemaTooNew(SchemaProblem):
    """A newer version of this program has migrated the schema."""

    def __init__(self, schema: str, found: int, known: int) -> None:
        super().__init__(
            f"Schema {schema} is at version {found}; this program knows versions up to {known}. "
            "Install the newer program, or use another schema."
        )


class SchemaTooOld(SchemaProblem):
    """The schema lacks migrations. Version 0: it has none at all."""

    def __init__(self, schema: str, found: int, known: int) -> None:
        super().__init__(
            f"Schema {schema} is at version {found}; this program needs version {known}. Run `stepwell migrate`."
        )


class MigrationChanged(SchemaProblem):
    """A file that was applied is not the file that is here now."""

    def __init__(self, number: int, applied: str, here: str) -> None:
        super().__init__(
            f"Migration {number:04d}_{here} is not the file that was applied as {number:04d}_{applied}. "
            "An applied migration is never edited: restore the file and add a new one."
        )


class MigrationFailed(SchemaProblem):
    """The database refused a migration; that file has left nothing behind, those before it stay applied."""

    def __init__(self, migration: Migration, reason: str) -> None:
        super().__init__(f"Migration {migration.number:04d}_{migration.name} was refused and undone: {reason}")


class MigrationBusy(SchemaProblem):
    """Someone else has been migrating the same schema for too long."""

    def __init__(self, schema: str) -> None:
        super().__init__(
            f"Another program has been migrating schema {schema} for {LOCK_WAIT_SECONDS_MAX} seconds. "
            "See pg_locks for who holds the advisory lock, then try again."
        )


@dataclass(frozen=True, slots=True)
class MigrationProgress:
    """One migration is about to run: the `position`-th of `total` that are missing."""

    number: int
    name: str
    position: int
    total: int


def check_schema_name(schema: str) -> str:
    """Return the name if it can be a schema's. Raises BadSchemaName."""
    if not SCHEMA_NAME.fullmatch(schema) or schema.lower().startswith("pg_"):
        raise BadSchemaName(schema)
    return schema


async def migrate(
    connection: Connection,
    *,
    schema: str = "public",
    progress: Callable[[MigrationProgress], None] | None = None,
    known: Sequence[Migration] | None = None,
) -> int:
    """Apply what is missing and return how many migrations that was; 0 if the schema was up to date.

    Safe to run from many programs at once. Raises SchemaProblem, asyncpg.PostgresError and OSError.
    `known` is for tests; it defaults to the files of sql/migrations.
    """
    check_schema_name(schema)
    files = migrations() if known is None else tuple(known)
    async with _lock(connection, schema):
        async with connection.transaction():
            await connection.execute(await connection.fetchval(query("create_schema_statement"), schema))
            await connection.fetchval(query("set_search_path"), schema)
            await connection.execute(query("create_migrations_table"))
            applied = await connection.fetch(query("list_migrations"))
        _check(schema, applied, files)
        missing = files[len(applied) :]
        for position, migration in enumerate(missing, 1):
            if progress is not None:
                progress(MigrationProgress(migration.number, migration.name, position, len(missing)))
            await _apply(connection, schema, migration)
        return len(missing)


async def schema_version(connection: Connection, schema: str = "public") -> int:
    """Return the number of the last migration applied, 0 where there is none. Changes nothing."""
    check_schema_name(schema)
    found = await connection.fetchrow(query("find_schema"), schema)
    assert found is not None
    if not found["migrations_there"]:
        return 0
    async with connection.transaction():
        await connection.fetchval(query("set_search_path"), schema)
        applied = await connection.fetch(query("list_migrations"))
    return max((row["number"] for row in applied), default=0)


async def check_schema(connection: Connection, schema: str = "public") -> None:
    """Return if the schema is at the version this program knows. Raises SchemaTooOld, SchemaTooNew."""
    found, known = await schema_version(connection, schema), len(migrations())
    if found < known:
        raise SchemaTooOld(schema, found, known)
    if found > known:
        raise SchemaTooNew(schema, found, known)


async def create_roles(connection: Connection, schema: str = "public") -> None:
    """Create the group roles stepwell_client, _operator and _daemon and give them their rights in the schema.

    Needs the right to create roles and to own the tables. Safe to repeat.
    Raises SchemaProblem, asyncpg.PostgresError.
    """
    await check_schema(connection, schema)
    async with _lock(connection, schema), connection.transaction():
        await connection.fetchval(query("set_search_path"), schema)
        await connection.execute(roles())


@asynccontextmanager
async def _lock(connection: Connection, schema: str) -> AsyncIterator[None]:
    loop = asyncio.get_running_loop()
    give_up = loop.time() + LOCK_WAIT_SECONDS_MAX
    while not await connection.fetchval(query("try_migration_lock"), schema):
        if loop.time() > give_up:
            raise MigrationBusy(schema)
        await asyncio.sleep(LOCK_RETRY_SECONDS)
    try:
        yield
    finally:
        if not connection.is_closed():
            await connection.fetchval(query("release_migration_lock"), schema)


def _check(schema: str, applied: Sequence[asyncpg.Record], files: Sequence[Migration]) -> None:
    if applied and applied[-1]["number"] > len(files):
        raise SchemaTooNew(schema, applied[-1]["number"], len(files))
    for row, migration in zip(applied, files, strict=False):
        if (row["number"], row["checksum"]) != (migration.number, migration.checksum):
            raise MigrationChanged(migration.number, row["name"], migration.name)


async def _apply(connection: Connection, schema: str, migration: Migration) -> None:
    try:
        async with connection.transaction():
            await connection.execute(f"set local lock_timeout = '{TABLE_LOCK_WAIT}'")
            await connection.fetchval(query("set_search_path"), schema)
            await connection.execute(migration.text)
            await connection.execute(query("record_migration"), migration.number, migration.name, migration.checksum)
    except asyncpg.LockNotAvailableError as refused:
        reason = f"a table was in use for longer than {TABLE_LOCK_WAIT}; try again when the database is quieter."
        raise MigrationFailed(migration, reason) from refused
    except asyncpg.InsufficientPrivilegeError as refused:
        raise MigrationFailed(migration, f"{refused}. The migrating role must own the schema's tables.") from refused
    except asyncpg.PostgresError as refused:
        if isinstance(refused, asyncpg.PostgresConnectionError):
            raise
        raise MigrationFailed(migration, str(refused)) from refused
