"""A server of tools that speaks the Model Context Protocol, made with the official SDK; a program of its own too."""

from __future__ import annotations

import asyncio
import os

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError


def make_server() -> MCPServer:
    """Return a server with tools that do what their names say."""
    server = MCPServer("tools", log_level="ERROR")

    @server.tool()
    def add(a: int, b: int = 1) -> int:
        """Add two numbers."""
        return a + b

    @server.tool()
    def greet(name: str) -> dict[str, str]:
        """Greet somebody."""
        return {"text": f"Hello, {name}\0!"}

    @server.tool(structured_output=False)
    def listed() -> str:
        """Return JSON as text."""
        return '[1, {"a": 2}]'

    @server.tool()
    def fails() -> str:
        """Fail."""
        raise ToolError("the shelf is empty")

    @server.tool()
    async def hangs() -> str:
        """Never answer."""
        await asyncio.Event().wait()
        return ""

    @server.tool()
    def key(context: Context) -> str:
        """Return the key that the call carries."""
        meta = context.request_context.meta
        return str(dict(meta or {}).get("stepwell.dev/idempotency-key"))

    @server.tool()
    def process() -> int:
        """Return the number of the server's process."""
        return os.getpid()

    @server.tool()
    def dies() -> str:
        """End the process."""
        os._exit(3)

    return server


if __name__ == "__main__":
    make_server().run("stdio")
