"""Scratch databases: made for one run of tests, with a clock that is moved by hand, and dropped afterwards.

In one, Stepwell's own tables live in the schema `stepwell`; everything else is the author's, and is made anew
from the author's SQL before every conversation.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from uuid import UUID, uuid4

import asyncpg

from daemon.migrations import migrate
from daemon.statements import query
from daemon.store import session_settings

SCRATCH_SCHEMA = "stepwell"
SCRATCH_PREFIX = "stepwell_test_"
STALE_SECONDS = 3_600  # a run that was killed leaves its database behind; no run takes an hour


class ScratchRefused(Exception):
    """The server lets us make no database. The message is a sentence for the operator."""


class AuthorSqlRefused(Exception):
    """A .sql file beside the scripts was refused; the message has file, line and the database's sentence."""


@dataclass(frozen=True, slots=True)
class AuthorSql:
    """A .sql file beside the scripts: its name for messages, and its text."""

    name: str
    text: str


@asynccontextmanager
async def scratch_database(dsn: str) -> AsyncIterator[Scratch]:
    """Make a database beside the one of `dsn`, migrated and with a clock of its own; drop it at the end.

    Raises ScratchRefused, SchemaProblem, and what connecting raises.
    """
    name = f"{SCRATCH_PREFIX}{int(time.time())}_{uuid4().hex[:8]}"
    server: asyncpg.Connection[Any] = await asyncpg.connect(dsn)
    try:
        for row in await server.fetch(query("list_stale_scratches"), SCRATCH_PREFIX, int(time.time()) - STALE_SECONDS):
            await _drop(server, row[0])
        try:
            await server.execute(await server.fetchval(query("create_scratch_statement"), name))
        except asyncpg.InsufficientPrivilegeError:
            raise ScratchRefused(
                "The tests need a database of their own, and this role may not create one. Give it the right "
                "(alter role … createdb), or leave the address out: then the embedded server is used."
            ) from None
        try:
            async with _connected(dsn_of(dsn, name)) as scratch:
                yield scratch
        finally:
            await _drop(server, name)
    finally:
        await server.close()


@asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator[Scratch]:
    ours: asyncpg.Connection[Any] = await asyncpg.connect(dsn, server_settings=session_settings(SCRATCH_SCHEMA))
    try:
        await migrate(ours, schema=SCRATCH_SCHEMA)
        await ours.execute(query("install_clock"))
        yield Scratch(dsn, ours)
    finally:
        await ours.close()


async def _drop(server: asyncpg.Connection[Any], name: str) -> None:
    await server.execute(await server.fetchval(query("drop_scratch_statement"), name))


def dsn_of(dsn: str, database: str) -> str:
    """Return the address of another database of the same server."""
    parts = urlsplit(dsn)
    options = [(k, v) for k, v in parse_qsl(parts.query, keep_blank_values=True) if k not in ("dbname", "database")]
    return urlunsplit((parts.scheme, parts.netloc, f"/{database}", urlencode(options), ""))


class Scratch:
    """A scratch database while it lives."""

    def __init__(self, dsn: str, connection: asyncpg.Connection[Any]) -> None:
        self.dsn = dsn
        self._connection = connection

    async def set_clock(self, moment: datetime) -> None:
        """Make it that moment, for every statement from now on."""
        await self._connection.execute(query("set_clock"), moment)

    async def next_deadline(self, execution_id: UUID) -> datetime | None:
        """Return when an execution has something to do by itself, None where it has nothing."""
        moment: datetime | None = await self._connection.fetchval(query("next_deadline"), execution_id)
        return moment

    async def renew_author_schemas(self, files: Sequence[AuthorSql]) -> None:
        """Drop what authors' SQL has made and run theirs anew. Raises AuthorSqlRefused."""
        connection = await asyncpg.connect(self.dsn)
        try:
            await connection.execute(await connection.fetchval(query("drop_author_schemas_statement"), SCRATCH_SCHEMA))
            for file in files:
                try:
                    await connection.execute(file.text)
                except asyncpg.PostgresError as refused:
                    raise AuthorSqlRefused(_place(file, refused)) from None
        finally:
            await connection.close()


def _place(file: AuthorSql, refused: asyncpg.PostgresError) -> str:
    position = getattr(refused, "position", None)
    line = f":{file.text.count(chr(10), 0, int(position)) + 1}" if position and str(position).isdigit() else ""
    hint = f" ({refused.hint})" if getattr(refused, "hint", None) else ""
    return f"{file.name}{line}: {refused}{hint}"
