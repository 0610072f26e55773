"""The tools that the MCP servers of the configuration have, asked of the servers themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from daemon.performers.mcp_servers import Unreachable, open_servers
from daemon.settings_world import McpServer
from engine.tools import Tool


def server_tools(servers: Mapping[str, McpServer]) -> tuple[list[tuple[str, Tool]], list[str]]:
    """Return every server's tools, each with where it is from, and a sentence for every server that did not answer.

    Raises SettingsError where the package that speaks with servers is not installed.
    """
    return asyncio.run(_ask(servers))


async def _ask(servers: Mapping[str, McpServer]) -> tuple[list[tuple[str, Tool]], list[str]]:
    found: list[tuple[str, Tool]] = []
    silent: list[str] = []
    async with open_servers(servers) as open_ones:
        for name in servers:
            try:
                listed = await open_ones.list_tools(name)
            except Unreachable as error:
                silent.append(str(error))
                continue
            found += [(f"[mcp.servers.{name}]", Tool(t.name, t.description, t.schema)) for t in listed]
    return found, silent
