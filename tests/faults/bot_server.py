"""A bot server as anyone would write it: it speaks SQL to the database and knows nothing of the daemon.

Every statement is repeated until it is answered, which the contract makes safe: a start is the running one, a
message has the channel's own id, and replies are taken in a transaction that is committed after they were passed
on, so that an answer that was lost brings them again, under the same ids.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from random import Random
from typing import Any, TypeVar
from uuid import UUID

import asyncpg

from tests.faults.conversation import SCRIPT, Conversation, expected_transcript

T = TypeVar("T")

RETRY_SECONDS = 0.02
SWEEP_SECONDS = 1.0  # notifications are hints: those of a connection that broke are lost
CONNECTIONS_MAX = 6
# InternalClientError: asyncpg's word for a statement begun between the server's last word and the connection's end.
AWAY = (asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError, asyncpg.InterfaceError,
        asyncpg.InternalClientError, OSError)  # fmt: skip


class Pace:
    """Permits to say something: whoever holds the run gives them out."""

    def __init__(self) -> None:
        self._permits = asyncio.Semaphore(0)
        self._open = False

    def give(self, count: int) -> None:
        """Let that many messages more be said."""
        for _ in range(count):
            self._permits.release()

    def open(self) -> None:
        """Let everything be said from now on."""
        self._open = True
        self.give(1)

    async def take(self) -> None:
        """Wait for a permit."""
        await self._permits.acquire()
        if self._open:
            self._permits.release()


class Talk:
    """One conversation as its user sees it."""

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation
        self.replies: dict[int, str] = {}  # by the reply's id, in the order in which they came
        self.again = 0  # replies that came once more because a commit's answer was lost
        self.news = asyncio.Event()
        self.said = 0
        self.done = False


class BotServer:
    """Holds conversations over SQL alone."""

    def __init__(self, dsn: str, conversations: list[Conversation], random: Random) -> None:
        self._dsn = dsn
        self._random = random
        self._pool: asyncpg.Pool[Any]
        self._ended = asyncio.Event()
        self.talks = {c.session_id: Talk(c) for c in conversations}
        self.pace = Pace()
        self.replies = 0
        self.said = 0
        self.retries = 0
        self._since = datetime.min.replace(tzinfo=UTC)
        self._spoke = asyncio.Event()

    @asynccontextmanager
    async def holding(self) -> AsyncIterator[asyncio.Task[None]]:
        """Hold all conversations while the block runs; the task that is yielded ends when all have ended."""
        async with asyncpg.create_pool(self._dsn, min_size=0, max_size=CONNECTIONS_MAX) as self._pool:
            async with asyncio.TaskGroup() as tasks:
                listening = tasks.create_task(self._listen())
                sweeping = tasks.create_task(self._sweep())
                everyone = tasks.create_task(self._hold_all())
                try:
                    yield everyone
                finally:
                    for task in (listening, sweeping, everyone):
                        task.cancel()
            self._pool.terminate()

    def unfinished(self) -> list[Talk]:
        """Return the conversations that still go on."""
        return [talk for talk in self.talks.values() if not talk.done]

    async def spoken_since(self, moment: datetime) -> None:
        """Return once a user has seen something that the bot said after the moment."""
        self._since = moment
        self._spoke.clear()
        await self._spoke.wait()

    # ── listening ──

    async def _listen(self) -> None:
        while True:
            with suppress(*AWAY):
                connection = await asyncpg.connect(self._dsn)
                ended = asyncio.Event()
                connection.add_termination_listener(lambda _, ended=ended: ended.set())
                try:
                    await connection.add_listener("workflow_replies", self._heard)
                    self._look_everywhere()
                    await ended.wait()
                finally:
                    connection.terminate()
            await asyncio.sleep(RETRY_SECONDS)

    def _heard(self, connection: object, pid: int, channel: str, payload: object) -> None:
        if talk := self.talks.get(UUID(str(payload))):
            talk.news.set()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self._look_everywhere()

    def _look_everywhere(self) -> None:
        for talk in self.unfinished():
            talk.news.set()

    # ── talking ──

    async def _hold_all(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for talk in self.talks.values():
                tasks.create_task(self._hold(talk))

    async def _hold(self, talk: Talk) -> None:
        session = talk.conversation.session_id
        await self._repeat(lambda: self._fetch("select workflow_start($1, $2)", SCRIPT, session))
        heard = _replies_before(talk.conversation)
        for burst in talk.conversation.bursts:
            await self._wait_for(talk, heard[talk.said])
            for text in burst:
                await self.pace.take()
                await self._say(talk, text)
        await self._wait_for(talk, heard[talk.said])
        talk.done = True

    async def _wait_for(self, talk: Talk, replies: int) -> None:
        """Take replies until the user has seen so many."""
        while True:
            talk.news.clear()
            await self._repeat(lambda: self._take(talk))
            if len(talk.replies) >= replies:
                return
            await talk.news.wait()

    async def _take(self, talk: Talk) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            rows = await connection.fetch(
                "select id, content, created_at from workflow_take_replies($1, 100)", talk.conversation.session_id
            )
            for row in rows:
                talk.again += row["id"] in talk.replies
                talk.replies.setdefault(row["id"], row["content"])
        if rows:
            self.replies += len(rows)
            if max(row["created_at"] for row in rows) > self._since:
                self._spoke.set()

    async def _say(self, talk: Talk, text: str) -> None:
        talk.said += 1
        self.said += 1
        times = self._random.choice((1, 1, 2))
        arguments = (talk.conversation.session_id, text, f"m{talk.said}")
        insert = "insert into workflow_messages (session_id, content, external_id) values ($1, $2, $3)"
        async with asyncio.TaskGroup() as tasks:  # the channel delivers some messages twice, at once
            for _ in range(times):
                tasks.create_task(self._repeat(lambda: self._fetch(insert, *arguments)))

    async def _fetch(self, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        async with self._pool.acquire() as connection:
            rows: list[asyncpg.Record] = await connection.fetch(statement, *arguments)
            return rows

    async def _repeat(self, call: Callable[[], Awaitable[T]]) -> T:
        """Do it until the database has answered."""
        while True:
            try:
                return await call()
            except AWAY:
                self.retries += 1
                await asyncio.sleep(RETRY_SECONDS)


def _replies_before(conversation: Conversation) -> list[int]:
    """Return how many replies the user has seen when saying the first, second, … thing, and at the end."""
    counts, replies = [], 0
    for line in expected_transcript(conversation, 0):
        if line.startswith("user:"):
            counts.append(replies)
        elif line.startswith("bot:"):
            replies += 1
    return [*counts, replies]
