"""Deployed scripts as tools: what a language model is told of them."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from daemon.offered_tools import OfferedTool, open_schema
from daemon.statements import query
from daemon.store import Pool


class ToolStore:
    """Finds scripts that are tools, on a pool of open_pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def find_script(self, bot_id: UUID, name: str) -> OfferedTool | None:
        """Return the script that a bot has as a tool of that name; one that declares nothing takes nothing."""
        row = await self._pool.fetchrow(query("find_tool"), bot_id, name.lower())
        if row is None:
            return None
        declared: dict[str, Any] = json.loads(row["tool"]) if row["tool"] else {}
        schema = declared.get("parameters") or open_schema(())
        return OfferedTool(name.lower(), "script", declared.get("description", ""), schema, script=row["script"])
