"""Looks at a database from outside, before anything of ours is known to be in it: what `doctor` asks."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any, Literal, TypeAlias
from uuid import uuid4

import asyncpg

NOTIFY_SECONDS_MAX = 3
Pooler: TypeAlias = Literal["none", "session", "transaction"]


@dataclass(frozen=True, slots=True)
class Probe:
    """What a database said. `clock_seconds` is how far its clock is ahead of ours.

    `data_role` is what data keywords run as, None where this login may not become it, and runs them as itself;
    `may_create_schemas` whether it can make those of bots. `schema_version` is None where no migration has run,
    `known_version` what this program would migrate to. `oldest_seconds` is for how long the oldest transaction of
    others has been open, and `oldest_by` whose it is.
    """

    version: str
    version_number: int
    read_only: bool
    schema_there: bool
    may_create: bool
    clock_seconds: float
    listen_works: bool
    pooler: Pooler
    schema_version: int | None
    known_version: int | None
    data_role: str | None = None
    may_create_schemas: bool = True
    oldest_seconds: float = 0.0
    oldest_by: str = ""


async def probe(dsn: str, schema: str, connect_seconds_max: float, data_role: str = "") -> Probe:
    """Connect twice and look. Raises asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError."""
    first = await asyncpg.connect(dsn, timeout=connect_seconds_max, statement_cache_size=0)
    try:
        second = await asyncpg.connect(dsn, timeout=connect_seconds_max, statement_cache_size=0)
        try:
            return await _look(first, second, schema, data_role)
        finally:
            await second.close(timeout=connect_seconds_max)
    finally:
        await first.close(timeout=connect_seconds_max)


async def _look(first: Any, second: Any, schema: str, data_role: str) -> Probe:
    before = datetime.now(UTC)
    row = await first.fetchrow(_query("probe_database"), schema)
    middle = before + (datetime.now(UTC) - before) / 2
    found, known = await _schema_versions(first, schema)
    rights = await first.fetchrow(_query("find_data_role"), data_role)
    return Probe(
        version=first.get_settings().server_version.split()[0],
        version_number=first.get_server_version().major,
        read_only=row["read_only"],
        schema_there=row["schema_there"],
        may_create=row["may_create"],
        clock_seconds=(row["database_time"] - middle).total_seconds(),
        listen_works=await _listen(first, second),
        pooler=await _find_pooler(first, second, row["backend"]),
        data_role=rights["name"],
        may_create_schemas=rights["may_create"],
        schema_version=found,
        known_version=known,
        oldest_seconds=row["oldest_seconds"] or 0.0,
        oldest_by=f"process {row['oldest_pid']}, {row['oldest_program'] or 'a program without a name'}"
        if row["oldest_pid"]
        else "",
    )


async def _find_pooler(first: Any, second: Any, backend: int) -> Pooler:
    """Return what stands between (F11).

    In transaction mode the backend we used is given to the other connection, which holds on to it, and we are
    answered by another one. In session mode it stays ours, but is not the one that greeted us.
    """
    async with second.transaction():
        await second.fetchrow(_query("probe_database"), "public")
        again = await first.fetchrow(_query("probe_database"), "public")
    if again["backend"] != backend:
        return "transaction"
    return "none" if backend == first.get_server_pid() else "session"


async def _listen(first: Any, second: Any) -> bool:
    """Return whether a notification arrives."""
    heard = asyncio.Event()
    channel = f"stepwell_probe_{uuid4().hex}"
    await first.add_listener(channel, lambda *_: heard.set())
    await second.fetchval(_query("probe_notify"), channel)
    try:
        async with asyncio.timeout(NOTIFY_SECONDS_MAX):
            await heard.wait()
    except TimeoutError:
        return False
    return True


async def _schema_versions(connection: Any, schema: str) -> tuple[int | None, int | None]:
    if not importlib.util.find_spec("daemon.migrations"):
        return None, None
    migrations = importlib.import_module("daemon.migrations")
    found = await migrations.schema_version(connection, schema)
    known = len(importlib.import_module("daemon.statements").migrations())
    return found or None, known


def _query(name: str) -> str:
    return (files("sql") / "queries" / f"{name}.sql").read_text(encoding="utf-8")
