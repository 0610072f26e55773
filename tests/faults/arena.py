"""What a run needs: a PostgreSQL of its own, migrated and durable, a daemon's configuration, a bot server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import asyncpg

from daemon.embedded import Running, start_embedded
from daemon.migrations import migrate
from tests.faults.bot_server import BotServer, Talk
from tests.faults.conversation import FOLDER, make_conversations
from tests.faults.service import POLL_SECONDS, Service, workspace
from tests.faults.verdict import judge

Say = Callable[[str], None]

SERVER_SETTINGS = {"max_connections": "100", "shared_buffers": "64MB", "max_wal_size": "2GB"}
END_SECONDS_MAX = 120.0  # after the last fault; a daemon that moves needs a few


@contextmanager
def own_server(binaries: Path | None = None, *, fsync: bool = True) -> Iterator[tuple[Running, Path]]:
    """A server for one run, and the folder of the run."""
    with (
        workspace() as folder,
        start_embedded(folder / "pg", binaries=binaries, settings=SERVER_SETTINGS, fsync=fsync) as postgres,
    ):
        yield postgres, folder


async def prepare(dsn: str) -> None:
    """Bring an empty database to our schema, and make the tool's table and function."""
    connection = await asyncpg.connect(dsn)
    try:
        await migrate(connection)
        await connection.execute((FOLDER / "tickets.sql").read_text())
    finally:
        await connection.close()


async def wait_until(dsn: str, condition: str, service: Service, seconds: float = 30.0, *given: object) -> None:
    """Return when the SQL condition holds. Raises AssertionError with the end of the daemon's log."""
    connection = await asyncpg.connect(dsn)
    try:
        async with asyncio.timeout(seconds):
            while not await connection.fetchval(f"select {condition}", *given):
                service.check()
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        raise AssertionError(f"not within {seconds} s: {condition}\n{service.tail()}") from None
    finally:
        await connection.close()


async def wait_for_scripts(dsn: str, service: Service) -> None:
    """Return when the daemon has deployed its scripts."""
    await wait_until(dsn, "exists (select from workflow_scripts)", service)


@dataclass(slots=True)
class Run:
    """One run: the daemon, the bot server with its conversations, and where progress is told."""

    dsn: str
    service: Service
    bots: BotServer
    random: Random
    say: Say
    _violations: list[str] = field(default_factory=list)

    @property
    def answers(self) -> int:
        """How many messages the users say in all."""
        return sum(len(talk.conversation.answers) for talk in self.bots.talks.values())

    async def finish(self, everyone: asyncio.Task[None]) -> list[str]:
        """Let all conversations end; return what did not."""
        await self.end(everyone)
        return self._violations

    async def end(self, everyone: asyncio.Task[None]) -> None:
        """Let all conversations end."""
        self.bots.pace.open()
        try:
            async with asyncio.timeout(END_SECONDS_MAX):
                await asyncio.shield(everyone)
        except TimeoutError:
            stuck = [str(talk.conversation) for talk in self.bots.unfinished()]
            self._violations.append(f"{len(stuck)} conversations did not end: {', '.join(stuck[:5])}")

    async def conclude(self, talks: Iterable[Talk] = ()) -> list[str]:
        """Stop the daemon and return every violation; `talks` are those to judge, if there are more than ours."""
        async with asyncio.timeout(END_SECONDS_MAX):
            status = await self.service.stop()
        if status:
            self._violations.append(f"the daemon ended with status {status} when it was told to stop")
        self._violations += await judge(self.dsn, talks or self.bots.talks.values())
        self._violations += [f"the daemon's log: {line}" for line in self.service.complaints()]
        return self._violations


def make_run(
    dsn: str,
    folder: Path,
    conversations: int,
    seed: str,
    *,
    say: Say = lambda _: None,
    daemon: Mapping[str, object] | None = None,
    limits: Mapping[str, object] | None = None,
    plain: bool = False,
) -> Run:
    """Return a run on a prepared database; everything random comes from the seed. `plain`: short conversations."""
    random = Random(seed)
    held = make_conversations(conversations, Random(random.random()), plain=plain)
    service = Service(folder, dsn, daemon=daemon, limits=limits)
    return Run(dsn, service, BotServer(dsn, held, Random(random.random())), random, say)
