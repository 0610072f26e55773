"""What every test may ask for: a real PostgreSQL, a database of its own, and randomness that says its seed.

One server a process (so one a worker of pytest-xdist), one template migrated once, one database a test.
STEPWELL_TEST_POSTGRES_BIN names a folder of other PostgreSQL programs; STEPWELL_TEST_SEED repeats a run.
"""

from __future__ import annotations

import asyncio
import fcntl
import itertools
import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import pytest
from hypothesis import Phase, settings

from daemon.embedded import Running, start_embedded
from daemon.migrations import create_roles, migrate
from tests import run_state

T = TypeVar("T")

TEMPLATE = "stepwell_template"
WITH_ROLES = "stepwell_template_with_roles"
BINARIES = os.environ.get("STEPWELL_TEST_POSTGRES_BIN")
# Trusted to the test alone: what a crash of the machine would lose is thrown away at the end anyway.
SERVER_SETTINGS = {
    "max_connections": "200",
    "shared_buffers": "64MB",
    "autovacuum": "off",
    "wal_level": "minimal",
}
SERVER_SETTINGS |= {"max_wal_senders": "0", "max_wal_size": "2GB"}

# A copy of the template is hundreds of small files: on a disk they cost three times the CPU that they cost in memory.
MEMORY = "/dev/shm"
MEMORY_BYTES_MIN = 2 * 2**30  # two workers held a third of one at most

# Explaining a failure traces every line: what takes seconds takes minutes.
PHASES = [Phase.explicit, Phase.reuse, Phase.generate, Phase.target, Phase.shrink]
settings.register_profile("dev", max_examples=30, deadline=None, print_blob=True, phases=PHASES)
settings.register_profile("ci", max_examples=30, deadline=None, print_blob=True, phases=PHASES, database=None)
settings.register_profile("thorough", max_examples=3000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """One seed for the run, its workers and hypothesis, unless one is given."""
    given = getattr(config, "workerinput", {}).get("seed") or os.environ.get("STEPWELL_TEST_SEED")
    given = given or config.getoption("hypothesis_seed", None)
    seed = str(given or random.SystemRandom().randrange(10**9))
    config.stash[SEED] = seed
    config.option.hypothesis_seed = seed


def pytest_sessionstart(session: pytest.Session) -> None:
    """The run's state directory is made before its workers are, which find it in their environment."""
    if not hasattr(session.config, "workerinput"):
        session.config.stash[STATE] = run_state.make(tables_cache(session.config))
    run_state.use_tables()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """The run that made it removes it."""
    if made := session.config.stash.get(STATE, None):
        run_state.end(made, tables_cache(session.config))


def tables_cache(config: pytest.Config) -> Path:
    """Return where tables wait for the next run: without pytest's cache, nowhere."""
    cache = getattr(config, "cache", None)
    return Path(cache.mkdir("stepwell")) if cache else Path(os.devnull)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Hand the seed to a worker of pytest-xdist."""
    node.workerinput["seed"] = node.config.stash[SEED]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones come first: at the end, one worker would wait for the other's."""
    items.sort(key=lambda item: not item.nodeid.startswith("tests/faults/"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how to repeat this run; at its end, where -q shows it too."""
    seed = terminalreporter.config.stash[SEED]
    programs = BINARIES or "its package"
    terminalreporter.write_line(f"STEPWELL_TEST_SEED={seed} repeats this run; PostgreSQL from {programs}")


SEED = pytest.StashKey[str]()
STATE = pytest.StashKey[Path]()


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """A generator of the run's seed and the test's name: the same numbers whatever runs beside it."""
    return random.Random(f"{request.config.stash[SEED]}:{request.node.nodeid}")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` in a thread and loop of its own, so that a test inside its loop may ask for it too."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def roomy_memory() -> str | None:
    """Return the folder whose files are memory, where it is ours to use, has room and lets programs run; else None."""
    try:
        found = os.statvfs(MEMORY)
    except OSError:
        return None
    roomy = found.f_bavail * found.f_frsize >= MEMORY_BYTES_MIN and not found.f_flag & (os.ST_NOEXEC | os.ST_RDONLY)
    return MEMORY if roomy and os.access(MEMORY, os.W_OK | os.X_OK) else None


@pytest.fixture(scope="session")
def state_home() -> Iterator[Path]:
    """A short-named folder that the server's user can enter, also where pytest's own is private to root."""
    with tempfile.TemporaryDirectory(prefix="stepwell-test-", dir=roomy_memory(), ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)
        yield Path(name)


def start_server(folder: Path) -> Running:
    """Start a server for tests in `folder`."""
    binaries = Path(BINARIES) if BINARIES else None
    return start_embedded(folder, binaries=binaries, settings=SERVER_SETTINGS, fsync=False)


@pytest.fixture(scope="session")
def made_cluster() -> Path:
    """The files of a server that was made and stopped: initdb runs once, whoever of the run's processes comes first."""
    folder = Path(os.environ[run_state.VARIABLE]) / "cluster"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "made").exists():
            start_server(folder).close()
            (folder / "made").touch()
    return folder / "data"


def copy_cluster(made: Path, folder: Path) -> Path:
    """Return `folder`, in which a server now starts on a copy of the files that initdb made for another."""
    folder.mkdir()
    folder.chmod(0o711)
    subprocess.run(["cp", "-a", str(made), str(folder / "data")], check=True)  # whose they are, too
    return folder


@pytest.fixture(scope="session")
def postgres(state_home: Path, made_cluster: Path) -> Iterator[Running]:
    """The server of this process, fsync off. Do not stop or kill it: ask for `own_postgres` to do that."""
    with start_server(copy_cluster(made_cluster, state_home / "pg")) as running:
        yield running


@pytest.fixture
def own_postgres(state_home: Path, made_cluster: Path) -> Iterator[Running]:
    """A server of this test's own, to be restarted or killed: a few tenths of a second."""
    folder = Path(tempfile.mkdtemp(prefix="own-", dir=state_home))
    folder.chmod(0o711)
    with start_server(copy_cluster(made_cluster, folder / "pg")) as running:
        yield running
    shutil.rmtree(folder, ignore_errors=True)


async def execute(dsn: str, *statements: str) -> None:
    """Run statements, each in a transaction of its own, over one connection."""
    connection = await asyncpg.connect(dsn)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def migrate_template(dsn: str) -> None:
    """Bring the template to the newest schema, with the project's own migrations."""
    connection = await asyncpg.connect(dsn)
    try:
        await migrate(connection, schema="public")
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def template(postgres: Running) -> str:
    """The name of the migrated database that every test's own is copied from."""
    run(execute(postgres.dsn, f"CREATE DATABASE {TEMPLATE}"))
    run(migrate_template(postgres.dsn_of(TEMPLATE)))
    return TEMPLATE


@pytest.fixture(scope="session")
def template_with_roles(postgres: Running, template: str) -> str:
    """The name of a copy of the template in which the roles of the contract have their rights."""
    run(execute(postgres.dsn, copying(WITH_ROLES, template)))
    run(grant_roles(postgres.dsn_of(WITH_ROLES)))
    return WITH_ROLES


async def grant_roles(dsn: str) -> None:
    """Make the roles, of which there is one set in a server, and give them their rights in this database."""
    connection = await asyncpg.connect(dsn)
    try:
        await create_roles(connection)
    finally:
        await connection.close()


def copying(name: str, source: str) -> str:
    """Return the statement that copies a database as files: half the CPU of writing its pages to the log too."""
    return f"CREATE DATABASE {name} TEMPLATE {source} STRATEGY file_copy"


def own_rights(name: str) -> str:
    """Return the statement that gives a database the rights on itself of the one with roles: no copy takes them over."""
    given = f"(SELECT datacl FROM pg_database WHERE datname = '{WITH_ROLES}')"
    return f"UPDATE pg_database SET datacl = {given} WHERE datname = '{name}'"


_numbers = itertools.count(1)


@pytest.fixture
def make_database(postgres: Running, request: pytest.FixtureRequest) -> Iterator[Callable[..., str]]:
    """Make databases that end with the test: `make_database()` migrated, `empty=True` not, `roles=True` with roles."""
    made: list[str] = []

    def make(*, empty: bool = False, roles: bool = False) -> str:
        migrated = "template_with_roles" if roles else "template"
        source = "template0" if empty else request.getfixturevalue(migrated)
        name = f"t{next(_numbers)}"
        run(execute(postgres.dsn, copying(name, source), *((own_rights(name),) if roles else ())))
        made.append(name)
        return postgres.dsn_of(name)

    yield make
    if made:
        run(execute(postgres.dsn, *(f"DROP DATABASE {name} WITH (FORCE)" for name in made)))


@pytest.fixture
def database(make_database: Callable[..., str]) -> str:
    """The address of a fresh, migrated database of this test's own."""
    return make_database()


@pytest.fixture
def empty_database(make_database: Callable[..., str]) -> str:
    """The address of a fresh database without our schema."""
    return make_database(empty=True)
