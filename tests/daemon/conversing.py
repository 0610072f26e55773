"""Holding conversations with a real daemon on a real database, in the words of a chat."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec

from daemon.app import Daemon, run_daemon
from daemon.performing import Performer
from daemon.rows import ShownExecution
from daemon.settings import Settings, SqlTool, load_settings
from daemon.store import Pool, open_pool
from daemon.store_clients import ClientStore
from daemon.store_operators import OperatorStore

TICKET = """
#workflow
TALK "Describe the issue"
HEAR description
TALK "Ticket for ${description}"
"""

ECHO = """
#workflow
DO
  HEAR x
  TALK "you said ${x}"
LOOP
"""


def settings_of(**flags: object) -> Settings:
    """Return the defaults, with `section__key=value` changed; sweeps are rare, so that no test passes by one.

    `tools` maps names to PostgreSQL functions, or to tools.
    """
    given: dict[str, object] = {"daemon.sweep_seconds": 3600.0, "http.listen": ""}
    tools = flags.pop("tools", {})
    assert isinstance(tools, dict)
    given |= {key.replace("__", "."): value for key, value in flags.items()}
    settings = load_settings(flags=given, environ={}, directory=Path("/"))
    functions = {n: SqlTool(function=tool) if isinstance(tool, str) else tool for n, tool in tools.items()}
    return msgspec.structs.replace(settings, tools=functions)


async def until(condition: Callable[[], bool], seconds_max: float = 30) -> None:
    """Wait until a condition of the daemon holds."""
    async with asyncio.timeout(seconds_max):
        while True:
            if condition():
                return
            await asyncio.sleep(0.005)


class Chat:
    """A daemon, and a client and an operator with connections of their own."""

    def __init__(self, daemon: Daemon, dsn: str, pool: Pool) -> None:
        self.daemon = daemon
        self.dsn = dsn
        self.clients = ClientStore(pool)
        self.operators = OperatorStore(pool)

    async def idle(self) -> None:
        """Wait until nothing moves, also while the daemon's connections are cut."""
        async with asyncio.timeout(60):
            while True:
                try:
                    await self.daemon.idle()
                    return
                except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
                    await asyncio.sleep(0.01)

    async def start(self, script: str, session: UUID | None = None, **params: Any) -> tuple[UUID, UUID]:
        """Start a script; return session and execution once nothing moves any more."""
        session = session or uuid4()
        execution = await self.clients.start(script, session_id=session, params=params)
        await self.idle()
        return session, execution

    async def say(self, session: UUID, *texts: str) -> list[str]:
        """Say something, wait until nothing moves, and return what the bot said since last asked."""
        for text in texts:
            assert await self.clients.send(session, text) is not None
        await self.idle()
        return await self.said(session)

    async def said(self, session: UUID) -> list[str]:
        """Return what the bot said to the session and nobody has taken yet."""
        return [reply.content for reply in await self.clients.take_replies(session, 1000)]

    async def until_said(self, session: UUID, seconds_max: float = 30) -> list[str]:
        """Return what the bot says next, as soon as it does; nothing here makes the daemon look."""
        async with asyncio.timeout(seconds_max):
            while True:
                if said := await self.said(session):
                    return said
                await asyncio.sleep(0.005)

    async def show(self, execution: UUID) -> ShownExecution:
        """Return all about an execution."""
        shown = await self.operators.show_execution(execution)
        assert shown is not None
        return shown

    async def status(self, execution: UUID) -> str:
        """Return an execution's status."""
        return (await self.show(execution)).listed.status

    async def later(self, seconds: float) -> None:
        """Move the clock of the schema ahead, and wait until nothing moves."""
        await execute(self.dsn, CLOCK.format(seconds=seconds))
        self.daemon.look()
        await self.idle()


CLOCK = """
create or replace function workflow_now() returns timestamptz
    stable parallel safe language sql return now() + make_interval(secs => {seconds})
"""


async def execute(dsn: str, *statements: str) -> None:
    """Run statements on a connection of their own."""
    connection = await asyncpg.connect(dsn)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def fetch(dsn: str, statement: str, *arguments: Any) -> list[asyncpg.Record]:
    """Run a query on a connection of its own."""
    connection = await asyncpg.connect(dsn)
    try:
        rows: list[asyncpg.Record] = await connection.fetch(statement, *arguments)
        return rows
    finally:
        await connection.close()


@asynccontextmanager
async def chatting(
    dsn: str,
    scripts: Mapping[str, str] | None = None,
    *,
    through: str | None = None,
    performers: Sequence[Performer] | None = None,
    **flags: object,
) -> AsyncIterator[Chat]:
    """Run a daemon with some scripts deployed; `flags` are settings, `section__key=value`.

    `through` is the address that the daemon alone uses (a wire's).
    """
    pool = await open_pool(dsn, size_min=0, size_max=4)
    try:
        async with run_daemon(settings_of(**flags), dsn=through or dsn, seed=7, performers=performers) as daemon:
            deployment = await daemon.deploy(scripts or {"ticket.bas": TICKET, "echo.bas": ECHO})
            assert not deployment.refused, [p.render() for p in deployment.problems]
            yield Chat(daemon, dsn, pool)
    finally:
        await pool.close()
