"""Sessions with MCP servers, by the official SDK: one a server, opened when first used, opened anew after a failure.

States of a session: *opening* (its task starts the program, or connects, and agrees on a version), *open* (calls go
through it, many at once), *over* (it broke, or was ended; the next call opens another). The SDK's client must be
left by the task that entered it, so each session has a task of its own, in a task group that ends with the daemon.
The SDK takes a second to import: only a configuration with servers does so.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import structlog

from daemon.settings_sources import SettingsError
from daemon.settings_world import McpServer

if TYPE_CHECKING:
    from mcp import Client
    from mcp_types import CallToolResult

REOPEN_SECONDS_MIN = 1.0  # between two openings of one server: a program that ends at once must not spin
TOOL_PAGES_MAX = 100
TIMEOUTS_MAX = 3  # in a row: a server that answers nothing any more is opened anew
KEY = "stepwell.dev/idempotency-key"  # where the request's stable key stands in a call's _meta

# What becomes of a name of [mcp.servers]: tests put a server of their own process in its place.
Target: TypeAlias = "McpServer | Any"

log = structlog.get_logger(__name__)


class Unreachable(Exception):
    """The server cannot be reached now. `final` says that it never will be, as it is configured."""

    def __init__(self, message: str, *, final: bool = False) -> None:
        self.final = final
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class ServerTool:
    """A tool as its server lists it. `schema` is the JSON schema of the object that it takes."""

    name: str
    description: str
    schema: dict[str, Any]


class _Session:
    """One session: the client while it is open, and how to end it."""

    __slots__ = ("_opened", "_over", "client", "opened_at", "timeouts")

    def __init__(self, opened_at: float) -> None:
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._over = asyncio.Event()
        self.client: Client | None = None
        self.opened_at = opened_at
        self.timeouts = 0

    @property
    def over(self) -> bool:
        """Whether it has ended, or is to end."""
        return self._over.is_set()

    def end(self) -> None:
        """Have it end; the next call opens another."""
        self._over.set()

    async def run(self, name: str, target: Target) -> None:
        """Open the session, hold it open until it is ended, close it. Raises nothing but cancellation."""
        try:
            async with AsyncExitStack() as stack:
                self.client = await stack.enter_async_context(await _client(target, stack))
                if not self._opened.done():
                    self._opened.set_result(None)
                await self._over.wait()
        except Exception as error:  # the SDK's task groups raise groups of anything
            if self._opened.done():
                log.info("mcp_server_closed", server=name, error=_said(error))
            else:
                self._opened.set_exception(error)
                self._opened.exception()  # seen: whoever opened it may have given up
        finally:
            self._over.set()
            if not self._opened.done():
                self._opened.cancel()

    async def opened(self) -> Client:
        """Wait until it is open. Raises what opening raised."""
        await asyncio.shield(self._opened)
        assert self.client is not None
        return self.client


class _Server:
    """One server of the configuration: its session, if there is one."""

    def __init__(self, name: str, target: Target, tasks: asyncio.TaskGroup) -> None:
        self.name = name
        self.seconds: float = target.timeout_seconds if isinstance(target, McpServer) else 60.0
        self._target = target
        self._tasks = tasks
        self._session: _Session | None = None

    async def session(self) -> _Session:
        """Return the open session, opening one where there is none. Raises Unreachable."""
        now = asyncio.get_running_loop().time()
        session = self._session
        if session is None or session.over:
            if session is not None and now - session.opened_at < REOPEN_SECONDS_MIN:
                raise Unreachable(f"the MCP server {self.name} has only just ended")
            session = self._session = _Session(now)
            self._tasks.create_task(session.run(self.name, self._target), name=f"mcp {self.name}")
        try:
            async with asyncio.timeout(self.seconds):
                await session.opened()
        except TimeoutError:
            session.end()
            raise Unreachable(f"the MCP server {self.name} did not open within {self.seconds:g} seconds") from None
        except (FileNotFoundError, PermissionError) as error:
            message = f"the MCP server {self.name} cannot be started: {error.strerror}: {error.filename}"
            raise Unreachable(message, final=True) from None
        except Exception as error:
            raise Unreachable(f"the MCP server {self.name} cannot be reached: {_said(error)}") from error
        return session

    def end(self) -> None:
        """End the session, if there is one."""
        if self._session is not None:
            self._session.end()


class McpServers:
    """The servers of the configuration. Made by open_servers."""

    def __init__(self, targets: Mapping[str, Target], tasks: asyncio.TaskGroup) -> None:
        self._servers = {name: _Server(name, target, tasks) for name, target in targets.items()}

    async def call(self, server: str, tool: str, arguments: dict[str, Any], key: str) -> CallToolResult:
        """Call a server's tool. Raises Unreachable, TimeoutError, MCPError and what else the SDK raises."""
        from mcp import MCPError
        from mcp_types import CONNECTION_CLOSED, REQUEST_TIMEOUT

        known = self._servers[server]
        session = await known.session()
        client = await session.opened()
        meta: Any = {KEY: key}
        try:
            async with asyncio.timeout(known.seconds):
                result = await client.call_tool(tool, arguments, meta=meta)
        except TimeoutError:
            self._timed_out(session)
            raise
        except MCPError as error:
            if error.code == REQUEST_TIMEOUT:
                self._timed_out(session)
                raise TimeoutError(error.message) from None
            if error.code == CONNECTION_CLOSED:
                session.end()
                raise Unreachable(f"the MCP server {server} ended while it was asked") from None
            raise
        except (OSError, EOFError) as error:
            session.end()
            raise Unreachable(f"the MCP server {server} ended while it was asked: {_said(error)}") from error
        session.timeouts = 0
        return result

    async def list_tools(self, server: str) -> tuple[ServerTool, ...]:
        """Return the tools that a server lists. Raises what call raises."""
        from mcp import MCPError

        known = self._servers[server]
        session = await known.session()
        client = await session.opened()
        found: list[ServerTool] = []
        cursor: str | None = None
        try:
            async with asyncio.timeout(known.seconds):
                for _ in range(TOOL_PAGES_MAX):
                    page = await client.list_tools(cursor=cursor)
                    found += [ServerTool(t.name, t.description or t.title or "", t.input_schema) for t in page.tools]
                    cursor = page.next_cursor
                    if cursor is None:
                        break
        except (MCPError, TimeoutError, OSError) as error:
            session.end()
            raise Unreachable(f"the MCP server {server} did not list its tools: {_said(error)}") from error
        return tuple(found)

    def seconds_of(self, server: str) -> float:
        """Return how many seconds one call of a server may take."""
        return self._servers[server].seconds

    def end(self) -> None:
        """End all sessions."""
        for server in self._servers.values():
            server.end()

    def _timed_out(self, session: _Session) -> None:
        session.timeouts += 1
        if session.timeouts >= TIMEOUTS_MAX:
            session.end()


@asynccontextmanager
async def open_servers(targets: Mapping[str, Target]) -> AsyncIterator[McpServers]:
    """Give the servers while the block runs; none is started before it is used. Leaving the block ends them all.

    Raises SettingsError where the SDK is not installed.
    """
    if targets:
        try:
            await asyncio.to_thread(importlib.import_module, "mcp")
        except ImportError:
            first = next(iter(targets))
            raise SettingsError(f"[mcp.servers.{first}] needs a package: pip install 'stepwell[mcp]'") from None
    failure: Exception | None = None
    async with asyncio.TaskGroup() as tasks:
        servers = McpServers(targets, tasks)
        try:
            yield servers
        except Exception as error:  # told after the sessions have ended, and not inside of an ExceptionGroup
            failure = error
        servers.end()
    if failure is not None:
        raise failure


async def _client(target: Target, stack: AsyncExitStack) -> Client:
    """Return the SDK's client of a server, not yet entered."""
    from mcp import Client, StdioServerParameters
    from mcp.client.streamable_http import streamable_http_client
    from mcp.shared._httpx_utils import create_mcp_http_client

    if not isinstance(target, McpServer):
        return Client(target)
    if target.command:
        env, directory = dict(target.env), target.directory or None
        program = StdioServerParameters(command=target.command, args=[*target.args], env=env, cwd=directory)
        return Client(program, read_timeout_seconds=target.timeout_seconds)
    http = await stack.enter_async_context(create_mcp_http_client(headers=dict(target.headers)))
    transport = streamable_http_client(target.url, http_client=http)
    return Client(transport, read_timeout_seconds=target.timeout_seconds)


def _said(error: BaseException) -> str:
    """Return the innermost words of an error: the SDK wraps them in groups."""
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    return str(error) or type(error).__name__
