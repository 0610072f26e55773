"""Performs the requests of kind mcp: calls of tools that MCP servers have, and what such tools are.

A call carries the request's stable key in its _meta; whether a server minds it is the server's matter. What is tried
again and what is final is said in docs/llm.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import structlog

from daemon.offered_tools import OfferedTool, open_schema
from daemon.performers.llm_wire import safe_value, shown
from daemon.performers.mcp_servers import McpServers, ServerTool, Unreachable
from daemon.performing import AttemptFailed, TakenRequest
from daemon.settings_tools import McpTool
from engine.errors import ScriptError
from engine.values import Value, check_value

ANSWER_CHARACTERS_MAX = 5_000_000

log = structlog.get_logger(__name__)


class McpPerformer:
    """Calls the tools of MCP servers by their names in [tools], and describes them."""

    kinds = frozenset({"mcp"})

    def __init__(self, tools: Mapping[str, McpTool], servers: McpServers) -> None:
        self._tools = {name.lower(): tool for name, tool in tools.items()}
        self._servers = servers
        self._listed: dict[str, tuple[ServerTool, ...]] = {}

    def host_of(self, request: TakenRequest) -> str:
        """Return what the limits per host count the request under: its server."""
        tool = self._tools.get(str(request.payload.get("tool")).lower())
        return f"mcp:{tool.server}" if tool else ""

    async def perform(self, request: TakenRequest) -> Value:
        """Make one attempt at a payload {"tool": NAME, "arguments": {…} or […]}. Raises AttemptFailed."""
        name = str(request.payload.get("tool")).lower()
        tool = self._tools.get(name)
        if tool is None:
            raise refusal(f"there is no tool {name} of an MCP server in the configuration of this daemon")
        from mcp import MCPError  # only where there are servers: it takes a second
        from mcp_types import INTERNAL_ERROR

        try:
            arguments = await self._by_name(name, tool, request.payload.get("arguments"))
            result = await self._servers.call(tool.server, tool.tool or name, arguments, request.key)
        except Unreachable as error:
            raise AttemptFailed(str(error), again=not error.final, kind="mcp") from None
        except TimeoutError:
            seconds = f"{self._servers.seconds_of(tool.server):g}"
            message = f"the tool {name} gave no answer within {seconds} seconds"
            raise AttemptFailed(message, again=True, kind="timeout") from None
        except MCPError as error:
            # What a server calls an error inside of itself may pass; an unknown tool or wrong arguments do not.
            again = error.code == INTERNAL_ERROR
            raise AttemptFailed(f"the tool {name}: {shown(error.message)}", again=again, kind="mcp") from None
        except (RuntimeError, ValueError) as error:  # an answer that is not of the protocol, or not of its own schema
            raise refusal(f"the tool {name} answered what is not of the protocol: {shown(str(error))}") from None
        if result.is_error:
            raise AttemptFailed(shown(_texts_of(result.content)) or f"the tool {name} failed", again=False, kind="tool")
        return _value_of(name, result)

    async def close(self) -> None:
        """Close nothing: the sessions end with open_servers."""

    async def describe(self, name: str) -> OfferedTool | None:
        """Return a configured tool as its server describes it; None where it does not answer or has no such tool."""
        tool = self._tools[name.lower()]
        try:
            listed = await self._find(tool.server, tool.tool or name)
        except Unreachable as error:
            log.info("mcp_tool_not_described", tool=name, error=str(error))
            return None
        if listed is None:
            return None
        return OfferedTool(name, "mcp", tool.description or listed.description, listed.schema or open_schema(()))

    async def _find(self, server: str, name: str) -> ServerTool | None:
        """Return a server's tool; the list is asked for once, and again for a tool that is not on it."""
        for tool in self._listed.get(server, ()):
            if tool.name == name:
                return tool
        self._listed[server] = await self._servers.list_tools(server)
        return next((tool for tool in self._listed[server] if tool.name == name), None)

    async def _by_name(self, name: str, tool: McpTool, given: Value) -> dict[str, Any]:
        """Return the arguments by name: scripts give them in order, models by name. Raises AttemptFailed."""
        if isinstance(given, dict):
            return dict(given)
        values = given if isinstance(given, list) else []
        if not values:
            return {}
        names = list(tool.parameters) or await self._parameters(tool, name)
        if len(values) > len(names):
            takes = f"{len(names)} argument{'s' * (len(names) != 1)}"
            raise AttemptFailed(f"{name} takes {takes} and is given {len(values)}", again=False, kind="tool")
        return dict(zip(names, values, strict=False))

    async def _parameters(self, tool: McpTool, name: str) -> list[str]:
        listed = await self._find(tool.server, tool.tool or name)
        properties = listed.schema.get("properties") if listed else None
        return list(properties) if isinstance(properties, dict) else []


def refusal(message: str) -> AttemptFailed:
    """Return a failure that no further attempt would mend."""
    return AttemptFailed(message, again=False, kind="mcp")


def _value_of(name: str, result: Any) -> Value:
    """Return a tool's result: its structured content, else its text (JSON read), else its parts as objects."""
    value: Any = result.structured_content
    if isinstance(value, dict) and value.keys() == {"result"}:
        value = value["result"]  # what the SDK puts around an answer that is no object
    elif value is None:
        value = _unstructured(result.content)
    try:
        safe = safe_value(value)
        if len(json.dumps(safe)) > ANSWER_CHARACTERS_MAX:
            raise refusal(f"the answer of the tool {name} is larger than {ANSWER_CHARACTERS_MAX:,} characters")
        return check_value(safe)
    except (ScriptError, ValueError, RecursionError) as error:
        raise refusal(f"the answer of the tool {name} is nothing that a variable can hold: {error}") from None


def _unstructured(content: list[Any]) -> Any:
    if any(part.type != "text" for part in content):
        return [part.model_dump(mode="json", by_alias=True, exclude_none=True) for part in content]
    text = _texts_of(content)
    if text.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text
    return text


def _texts_of(content: list[Any]) -> str:
    return "\n".join(part.text for part in content if part.type == "text")
