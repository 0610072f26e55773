"""Those who perform requests, one module a kind. Nothing else knows a library of HTTP or of mail."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from daemon.metrics import Metrics
from daemon.offered_tools import FindScript, ToolBook
from daemon.performers.http import HttpPerformer
from daemon.performers.llm import LlmPerformer
from daemon.performers.mail import MailPerformer
from daemon.performers.mcp import McpPerformer
from daemon.performers.mcp_servers import open_servers
from daemon.performing import Performer
from daemon.settings import HttpTool, McpTool, Settings


@asynccontextmanager
async def open_performers(
    settings: Settings, metrics: Metrics, find_script: FindScript
) -> AsyncIterator[tuple[Performer, ...]]:
    """Open the performers that the configuration makes; close them at the end of the block.

    `find_script` finds scripts that are tools for language models. Raises SettingsError where a package is missing.
    """
    web_tools = {name: tool for name, tool in settings.tools.items() if isinstance(tool, HttpTool)}
    mcp_tools = {name: tool for name, tool in settings.tools.items() if isinstance(tool, McpTool)}
    async with AsyncExitStack() as stack:
        servers = await stack.enter_async_context(open_servers(settings.mcp.servers))
        mcp = McpPerformer(mcp_tools, servers)
        book = ToolBook(settings.tools, servers=mcp, find_script=find_script)
        performers: list[Performer] = [
            HttpPerformer(settings.web, web_tools),
            LlmPerformer(settings.llm, metrics, book.resolve),
            MailPerformer(settings.mail),
            mcp,
        ]
        for performer in performers:
            stack.push_async_callback(performer.close)
        yield tuple(performers)
