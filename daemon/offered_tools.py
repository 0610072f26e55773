"""What a language model is told of the tools that a script offers: names to descriptions and JSON schemas."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol, TypeAlias, cast
from uuid import UUID

import structlog

from engine.tools import tool_name
from engine.values import Value

ToolKind: TypeAlias = Literal["sql", "http", "mcp", "script"]
Schema: TypeAlias = dict[str, Value]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class OfferedTool:
    """One tool. `schema` is the JSON schema of the object it takes; `parameters` are its names in the order in which
    a SQL tool takes them; `script` is the path of a script that is a tool."""

    name: str
    kind: ToolKind
    description: str = ""
    schema: Schema | None = None
    parameters: tuple[str, ...] = ()
    script: str = ""


Resolve: TypeAlias = Callable[[Sequence[str], UUID], Awaitable[Sequence[OfferedTool]]]
"""Gives the tools of some names, for a bot; what nobody knows is left out."""
FindScript: TypeAlias = Callable[[UUID, str], Awaitable[OfferedTool | None]]
"""Gives the script of a bot that is a tool of that name, or None."""


class Configured(Protocol):
    """What all kinds of [tools.NAME] have."""

    @property
    def kind(self) -> str:
        """Return sql, http, mcp or script."""

    @property
    def description(self) -> str:
        """Return what it does, for people and models; may be empty."""


class Catalogue(Protocol):
    """Where the descriptions of MCP servers' tools come from."""

    async def describe(self, name: str) -> OfferedTool | None:
        """Return a configured tool as its server describes it, or None where the server does not answer."""


async def no_scripts(bot_id: UUID, name: str) -> OfferedTool | None:
    """Find no script: for tests, and where none is deployed."""
    return None


def open_schema(parameters: Iterable[str]) -> Schema:
    """Return the schema of parameters of which only the names are known: any type is taken, none is required."""
    return {"type": "object", "properties": {name: {} for name in parameters}}


class ToolBook:
    """Knows the tools of the configuration, of MCP servers and of deployed scripts by their names."""

    def __init__(
        self,
        tools: Mapping[str, Configured],
        *,
        servers: Catalogue | None = None,
        find_script: FindScript = no_scripts,
    ) -> None:
        self._tools = {name.lower(): tool for name, tool in tools.items()}
        self._servers = servers
        self._find_script = find_script

    async def resolve(self, names: Sequence[str], bot_id: UUID) -> list[OfferedTool]:
        """Return the tools of these names, in order, each once. The configuration comes before scripts."""
        found = []
        for name in dict.fromkeys(n.lower() for n in names):
            tool = await self._find(name, bot_id)
            if tool is None:
                log.info("tool_unknown", tool=name)
            else:
                found.append(tool)
        return found

    async def _find(self, name: str, bot_id: UUID) -> OfferedTool | None:
        tool = self._tools.get(name)
        if tool is None:
            return await self._find_script(bot_id, name)
        if tool.kind == "script":
            found = await self._find_script(bot_id, tool_name(str(getattr(tool, "script", name))))
            return (
                None if found is None else replace(found, name=name, description=tool.description or found.description)
            )
        if tool.kind == "mcp" and self._servers is not None:
            described = await self._servers.describe(name)
            if described is not None:
                return described
        parameters: tuple[str, ...] = tuple(getattr(tool, "parameters", ()))
        # A server that does not answer just now may do so when its tool is called: it is offered all the same.
        return OfferedTool(name, cast(ToolKind, tool.kind), tool.description, open_schema(parameters), parameters)
