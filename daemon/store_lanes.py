"""Connections that are kept between two statements of the busy path.

A pool gives back a connection by a task of its own, which costs a turn alone as much as the engine does. A lane
stays out of its pool while it works; one that fails goes back, where it is looked after or replaced.
"""

from __future__ import annotations

from typing import Any

import asyncpg


class Lanes:
    """At most `kept_max` idle connections of a pool; more run at once where the pool has them."""

    def __init__(self, pool: asyncpg.Pool[Any], kept_max: int) -> None:
        self._pool = pool
        self._kept_max = kept_max
        self._idle: list[Any] = []

    async def fetch(self, statement: str, *arguments: object) -> list[Any]:
        """Run a statement that stands alone and return its rows. Raises what asyncpg raises."""
        connection = self._idle.pop() if self._idle else await self._pool.acquire()
        if connection.is_closed():
            await self._pool.release(connection)
            connection = await self._pool.acquire()
        try:
            rows: list[Any] = await connection.fetch(statement, *arguments)
        except BaseException:
            await self._pool.release(connection)
            raise
        if len(self._idle) < self._kept_max:
            self._idle.append(connection)
        else:
            await self._pool.release(connection)
        return rows
