"""Looks at a database from outside, before anything of ours is known to be in it: what `doctor` asks."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any
from uuid import uuid4

import asyncpg

NOTIFY_SECONDS_MAX = 3


@dataclass(frozen=True, slots=True)
class Probe:
    """What a database said. `clock_seconds` is how far its clock is ahead of ours.

    `schema_version` is None where no migration has run, `known_version` what this program would migrate to.
    """

    version: str
    version_number: int
    read_only: bool
    schema_there: bool
    may_create: bool
    clock_seconds: float
    listen_works: bool
    pooled: bool
    schema_version: int | None
    known_version: int | None


async def probe(dsn: str, schema: str, connect_seconds_max: float) -> Probe:
    """Connect twice and look. Raises asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError."""
    first = await asyncpg.connect(dsn, timeout=connect_seconds_max, statement_cache_size=0)
    try:
        second = await asyncpg.connect(dsn, timeout=connect_seconds_max, statement_cache_size=0)
        try:
            return await _look(first, second, schema)
        finally:
            await second.close(timeout=connect_seconds_max)
    finally:
        await first.close(timeout=connect_seconds_max)


async def _look(first: Any, second: Any, schema: str) -> Probe:
    before = datetime.now(UTC)
    row = await first.fetchrow(_query("probe_database"), schema)
    middle = before + (datetime.now(UTC) - before) / 2
    again = await first.fetchrow(_query("probe_database"), schema)
    version = first.get_server_version()
    found, known = await _schema_versions(first, schema)
    listens, same_backend = await _listen(first, second)
    return Probe(
        version=f"{version.major}.{version.minor}",
        version_number=version.major,
        read_only=row["read_only"],
        schema_there=row["schema_there"],
        may_create=row["may_create"],
        clock_seconds=(row["database_time"] - middle).total_seconds(),
        listen_works=listens,
        # A pooler in transaction mode gives another backend to another transaction (F11).
        pooled=row["backend"] != again["backend"] or not same_backend,
        schema_version=found,
        known_version=known,
    )


async def _listen(first: Any, second: Any) -> tuple[bool, bool]:
    """Return whether a notification arrives, and whether the backend that greeted us is the one that answers.

    A pooler drops LISTEN with the transaction, and shows the process id of a backend it has since taken away.
    """
    heard = asyncio.Event()
    channel = f"stepwell_probe_{uuid4().hex}"
    await first.add_listener(channel, lambda *_: heard.set())
    row = await first.fetchrow(_query("probe_database"), "public")
    await second.fetchval(_query("probe_notify"), channel)
    try:
        async with asyncio.timeout(NOTIFY_SECONDS_MAX):
            await heard.wait()
    except TimeoutError:
        return False, row["backend"] == first.get_server_pid()
    return True, row["backend"] == first.get_server_pid()


async def _schema_versions(connection: Any, schema: str) -> tuple[int | None, int | None]:
    if not importlib.util.find_spec("daemon.migrations"):
        return None, None
    migrations = importlib.import_module("daemon.migrations")
    found = await migrations.schema_version(connection, schema)
    known = len(importlib.import_module("daemon.statements").migrations())
    return found or None, known


def _query(name: str) -> str:
    return (files("sql") / "queries" / f"{name}.sql").read_text(encoding="utf-8")
