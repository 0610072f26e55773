"""Databases for the tests of the contract: a fresh migrated one per test, made from a template."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from itertools import count
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from daemon.migrations import Connection, create_roles, migrate
from tests.sql.server import binaries, private_server

NUMBERS = count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The DSN of a private server: STEPWELL_TEST_POSTGRES says embedded (the default), or 15 and so on."""
    programs = binaries(os.environ.get("STEPWELL_TEST_POSTGRES", "embedded"))
    if programs is None:
        pytest.fail("the PostgreSQL that STEPWELL_TEST_POSTGRES names is not installed")
    with private_server(programs) as dsn:
        yield dsn


def at_database(dsn: str, name: str) -> str:
    parts = urlsplit(dsn)
    return urlunsplit(parts._replace(path=f"/{name}"))


@pytest.fixture(scope="session")
def template_made() -> list[str]:
    return []


async def create_database(server: str, template: str | None = None) -> str:
    name = f"case_{next(NUMBERS)}"
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(f"create database {name} template {template or 'template0'}")
    finally:
        await connection.close()
    return name


async def drop_database(server: str, name: str) -> None:
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(f"drop database {name} with (force)")
    finally:
        await connection.close()


@pytest.fixture
async def empty_database(server: str) -> AsyncIterator[str]:
    name = await create_database(server)
    yield at_database(server, name)
    await drop_database(server, name)


@pytest.fixture
async def database(server: str, template_made: list[str]) -> AsyncIterator[str]:
    if not template_made:
        template = await create_database(server)
        connection = await asyncpg.connect(at_database(server, template))
        await migrate(connection)
        await create_roles(connection)
        await connection.close()
        template_made.append(template)
    name = await create_database(server, template_made[0])
    yield at_database(server, name)
    await drop_database(server, name)


@pytest.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    """A connection of the owner to a fresh migrated database."""
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()
