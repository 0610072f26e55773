"""Migrations: from ten at once, changed, newer, failing; and schema.sql says the same as they do."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import asyncpg
import pytest

from daemon.migrations import (
    BadSchemaName,
    MigrationChanged,
    MigrationFailed,
    MigrationProgress,
    SchemaTooNew,
    SchemaTooOld,
    check_schema,
    migrate,
    schema_version,
)
from daemon.statements import Migration, migrations

HERE = Path(__file__).parent
KNOWN = len(migrations())


def next_migration(text: str) -> Migration:
    return Migration(KNOWN + 1, "next", text, "abc")


async def catalog(dsn: str, schema: str = "public") -> list[str]:
    connection = await asyncpg.connect(dsn, server_settings={"search_path": f'"{schema}", pg_temp'})
    lines = await connection.fetch((HERE / "catalog.sql").read_text())
    await connection.close()
    return [line[0] for line in lines]


async def test_progress_is_told_and_a_second_time_does_nothing(empty_database: str) -> None:
    connection = await asyncpg.connect(empty_database)
    seen: list[MigrationProgress] = []
    assert await schema_version(connection) == 0
    assert await migrate(connection, progress=seen.append) == KNOWN
    assert [(step.position, step.total) for step in seen] == [(n, KNOWN) for n in range(1, KNOWN + 1)]
    assert await migrate(connection, progress=seen.append) == 0
    assert (await schema_version(connection), len(seen)) == (KNOWN, KNOWN)
    await check_schema(connection)
    await connection.close()


async def test_ten_at_once_apply_each_once(empty_database: str) -> None:
    async def one() -> int:
        connection = await asyncpg.connect(empty_database)
        try:
            return await migrate(connection)
        finally:
            await connection.close()

    assert sorted(await asyncio.gather(*(one() for _ in range(10)))) == [0] * 9 + [KNOWN]


async def test_a_changed_file_is_refused(empty_database: str) -> None:
    connection = await asyncpg.connect(empty_database)
    await migrate(connection)
    changed = (*migrations()[:2], replace(migrations()[2], checksum="other"), *migrations()[3:])
    with pytest.raises(MigrationChanged, match=r"Migration 0003_clients is not the file that was applied"):
        await migrate(connection, known=changed)
    await connection.close()


async def test_a_newer_and_an_older_schema_are_refused(empty_database: str) -> None:
    connection = await asyncpg.connect(empty_database)
    with pytest.raises(SchemaTooOld, match=r"at version 0; this program needs version \d+\. Run `stepwell migrate`"):
        await check_schema(connection)
    await migrate(connection, known=(*migrations(), next_migration("create table later (id int)")))
    with pytest.raises(SchemaTooNew, match=rf"is at version {KNOWN + 1}; this program knows versions up to {KNOWN}"):
        await migrate(connection)
    with pytest.raises(SchemaTooNew):
        await check_schema(connection)
    await connection.close()


async def test_a_failing_migration_leaves_nothing_behind(empty_database: str) -> None:
    connection = await asyncpg.connect(empty_database)
    bad = next_migration("create table half (id int); select 1 / 0;")
    with pytest.raises(MigrationFailed, match=r"_next was refused and undone: division by zero"):
        await migrate(connection, known=(*migrations(), bad))
    assert await connection.fetchval("select to_regclass('half')") is None
    assert await schema_version(connection) == KNOWN
    assert await migrate(connection) == 0, "the lock was given back"
    await connection.close()


async def test_a_role_without_rights_gets_a_sentence(empty_database: str) -> None:
    connection = await asyncpg.connect(empty_database)
    await connection.execute("create role nobody_at_all login")
    await connection.execute("set session authorization nobody_at_all")
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
        await migrate(connection)
    await connection.execute("reset session authorization")
    await connection.execute("drop role nobody_at_all")
    await connection.close()


@pytest.mark.parametrize("name", ["", "1a", 'a"b', "a b", "pg_x", "a.b", "x" * 64, "ä"])
async def test_a_bad_schema_name_is_refused(name: str, empty_database: str) -> None:
    connection = await asyncpg.connect(empty_database)
    with pytest.raises(BadSchemaName, match="cannot be the schema"):
        await migrate(connection, schema=name)
    await connection.close()


@pytest.mark.parametrize("schema", ["public", "Odd$Name"])
async def test_schema_sql_says_what_the_migrations_do(empty_database: str, database: str, schema: str) -> None:
    connection = await asyncpg.connect(empty_database)
    await connection.execute(f'create schema if not exists "{schema}"')
    await connection.execute(f'set search_path = "{schema}", pg_temp')
    await connection.execute((files("sql") / "schema.sql").read_text())
    await connection.close()
    other = await asyncpg.connect(database)
    await other.execute("drop schema public cascade; create schema public")
    await migrate(other, schema=schema)
    await other.close()
    made, said = await catalog(database, schema), await catalog(empty_database, schema)
    assert len(made) > 200
    assert sorted(set(made) ^ set(said)) == []


async def test_no_function_is_executable_by_public_and_each_fixes_its_search_path(
    empty_database: str,
) -> None:
    connection = await asyncpg.connect(empty_database)
    await migrate(connection)
    ours = "from pg_proc f where f.pronamespace = 'public'::regnamespace"
    open_to_all = await connection.fetch(
        f"select f.proname {ours} and exists (select from aclexplode(coalesce(f.proacl, "
        "acldefault('f', f.proowner))) a where a.grantee = 0)"
    )
    assert open_to_all == []
    loose = await connection.fetch(
        f"select f.proname {ours} and f.prosqlbody is null and not exists"
        " (select from unnest(f.proconfig) c where c like 'search_path=%')"
    )
    assert loose == []
    text = "".join(migration.text for migration in migrations()).lower()
    assert text.count("now()") - text.count("workflow_now()") == 4, "the clock, and defaults of the server's tables"
    await connection.close()
