"""What a client does, through the same functions a bot server calls: start, send, take replies."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from daemon.rows import TakenReply
from daemon.statements import query
from daemon.store import Pool
from engine.values import Value


class ClientStore:
    """The statements of a client, on a pool of open_pool. Wrong input raises PostgresError, class SW."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def start(
        self,
        script: str,
        *,
        session_id: UUID | None = None,
        bot_id: UUID | None = None,
        params: dict[str, Value] | None = None,
        start_key: str | None = None,
    ) -> UUID:
        """Start a script and return the execution: the running one, if the session runs it already."""
        given = msgspec.json.encode(params or {}).decode()
        started: UUID = await self._pool.fetchval(
            query("start_execution"), script, session_id, bot_id, given, start_key
        )
        return started

    async def send(
        self,
        session_id: UUID,
        content: str,
        *,
        attachments: list[dict[str, Value]] | None = None,
        external_id: str | None = None,
        execution_id: UUID | None = None,
        prompt_id: str | None = None,
        bot_id: UUID | None = None,
    ) -> UUID | None:
        """Say something and return the execution that will hear it; None: nobody, and it is not kept."""
        files = None if attachments is None else msgspec.json.encode(attachments).decode()
        hearer: UUID | None = await self._pool.fetchval(
            query("send_message"), session_id, content, files, external_id, execution_id, prompt_id, bot_id
        )
        return hearer

    async def publish(self, event: str, data: Value = None, bot_id: UUID | None = None) -> UUID:
        """Publish an event and return its id; bot_id None: to every bot."""
        text = None if data is None else msgspec.json.encode(data).decode()
        published: UUID = await self._pool.fetchval(query("publish"), event, text, bot_id)
        return published

    async def approve(self, token: str, decision: str, by: str | None = None, comment: str | None = None) -> str:
        """Decide an approval and return the sentence about it."""
        row = await self._pool.fetchrow(query("approve"), token, decision, by, comment)
        assert row is not None, "the function always answers"
        return str(row["sentence"])

    async def take_replies(self, session_id: UUID, limit: int = 100) -> list[TakenReply]:
        """Take what was said to the session and nobody has taken yet, in order."""
        rows = await self._pool.fetch(query("take_replies"), session_id, limit)
        return [_taken(dict(row)) for row in rows]


def _taken(values: dict[str, Any]) -> TakenReply:
    suggestions = values.pop("suggestions")
    return TakenReply(suggestions=None if suggestions is None else msgspec.json.decode(suggestions), **values)
