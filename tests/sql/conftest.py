"""Databases for the tests of the contract: the suite's own, with the roles, where every login is trusted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import asyncpg
import pytest

from daemon.embedded import Running
from daemon.migrations import Connection
from daemon.store import Store
from tests.conftest import execute, run
from tests.sql.world import close_store, deploy, open_store


@pytest.fixture(scope="session")
def trusting(postgres: Running) -> None:
    """Let any role log in without a password, which the launcher's own file does not: the socket's folder is
    the tests' own. The server reads the file when it is told to, a moment later."""
    (postgres.state_dir / "hba.conf").write_text("local all all trust\n")
    run(execute(postgres.dsn, "select pg_reload_conf()"))
    run(wait_for_rule(postgres.dsn))


async def wait_for_rule(dsn: str) -> None:
    """Wait until a login under a name that the launcher's map does not have is refused for its name alone."""
    name = "nobody_of_that_name"
    for _ in range(500):
        try:
            await asyncpg.connect(dsn, user=name)
        except asyncpg.InvalidAuthorizationSpecificationError as error:
            if "does not exist" in str(error):
                return
        await asyncio.sleep(0.01)
    raise AssertionError("the server did not read its hba.conf anew within 5 s")


@pytest.fixture
def database(make_database: Callable[..., str], trusting: None) -> str:
    """A fresh migrated database that has the roles of the contract."""
    return make_database(roles=True)


@pytest.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    """A connection of the owner to a fresh migrated database."""
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


@pytest.fixture
async def store(database: str) -> AsyncIterator[Store]:
    """A daemon's statements on a database with the plans of tests.sql.world; it owns all partitions."""
    store = await open_store(database)
    await deploy(store)
    yield store
    await close_store(store)
