"""Floods: how long somebody else waits for an answer while a session, a bot, a script or endless loops have the daemon busy.

The quiet one says something, waits for the reply's notification, takes a breath and goes on. Each flood is compared with
the quiet time just before it, so the machine's speed falls out of the ratio.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from time import perf_counter
from uuid import UUID

import asyncpg

from tests.faults.arena import prepare, wait_for_scripts, wait_until
from tests.faults.service import Service

Say = Callable[[str], None]

SCRIPTS = ("quiet.bas", "flood.bas", "endless.bas")
ANSWER_SECONDS_MAX = 120.0
BREATH_SECONDS = 0.03
LOOPS = 50
LIMITS = {"steps_per_turn_max": 1_000_000}
HEARING = "not exists (select from workflow_executions where status = 'running')"
MANY = "insert into workflow_messages (session_id, content) select s, n::text from generate_series(1, $2) n, unnest($1::uuid[]) s"
START = "select workflow_start($1, s, $3::uuid) from unnest($2::uuid[]) s"


@dataclass(frozen=True, slots=True)
class Flooded:
    """What the quiet one saw: seconds to each answer before and meanwhile, and how much was left of the flood."""

    name: str
    before: Sequence[float]
    meanwhile: Sequence[float]
    left: int

    def __str__(self) -> str:
        shown = []
        for share in (0.5, 0.99):
            one, other = _quantile(self.before, share), _quantile(self.meanwhile, share)
            shown.append(f"p{share * 100:.0f} {one * 1000:.1f} -> {other * 1000:.1f} ms ({other / one:.1f} x)")
        many = f"{len(self.before)} and {len(self.meanwhile)} answers, {self.left} messages of the flood left"
        return f"{self.name}: {', '.join(shown)}; {many}"


class Quiet:
    """One conversation that nobody else should delay."""

    def __init__(self, dsn: str, session: UUID) -> None:
        self._dsn = dsn
        self._session = session

    async def talk(self, seconds: float) -> list[float]:
        """Say one thing after the other for so long, at least ten; return the seconds to each answer."""
        connection = await asyncpg.connect(self._dsn)
        loop, taken = asyncio.get_running_loop(), list[float]()
        answer: asyncio.Future[None] = loop.create_future()

        def heard(_: object, __: int, ___: str, payload: object) -> None:
            if payload == str(self._session) and not answer.done():
                answer.set_result(None)

        await connection.add_listener("workflow_replies", heard)
        begun = perf_counter()
        try:
            while len(taken) < 10 or perf_counter() - begun < seconds:
                answer = loop.create_future()
                since = perf_counter()
                await connection.execute(
                    "insert into workflow_messages (session_id, content) values ($1, 'hello')", self._session
                )
                await asyncio.wait_for(answer, ANSWER_SECONDS_MAX)
                taken.append(perf_counter() - since)
                await asyncio.sleep(BREATH_SECONDS)
        finally:
            await connection.close()
        return taken


async def run_floods(dsn: str, folder: Path, size: int, seconds: float, seed: str, say: Say) -> list[Flooded]:
    """Flood in every way, one after the other, with `size` messages each; return what the quiet one saw."""
    await prepare(dsn)
    random = Random(seed)
    service = Service(folder, dsn, limits=LIMITS, scripts=SCRIPTS)
    service.start()
    connection = await asyncpg.connect(dsn)
    found = []
    try:
        await wait_for_scripts(dsn, service)
        [mine] = sessions_of(random, 1)
        await connection.execute(START, "quiet.bas", [mine], _id_of(random))
        quiet = Quiet(dsn, mine)
        bot = _id_of(random)
        wide = max(1, size // 20)
        for name, script, bots, sessions, messages in (
            ("a session", "flood.bas", None, 1, size),
            ("a bot", "flood.bas", bot, wide, size // wide),
            ("a script", "flood.bas", None, wide, size // wide),
            (f"{LOOPS} endless loops", "endless.bas", None, LOOPS, 1),
        ):
            flood = sessions_of(random, sessions)
            await connection.fetch(START, script, flood, bots)
            await wait_until(dsn, HEARING, service, 300.0)
            before = await quiet.talk(seconds)
            await connection.execute(MANY, flood, messages)
            meanwhile = await quiet.talk(seconds)
            left = await connection.fetchval("select count(*) from workflow_messages")
            found.append(Flooded(name, before, meanwhile, left))
            say(str(found[-1]))
            await _end(connection, flood)
            await wait_until(dsn, HEARING, service, 300.0)
    finally:
        await connection.close()
        with suppress(AssertionError):
            await service.stop()
        service.close()
    return found


async def _end(connection: asyncpg.Connection, flood: Sequence[UUID]) -> None:
    """End a flood whatever is left of it: its conversations are moving, so one after the other."""
    await connection.execute("delete from workflow_messages")
    for session in flood:
        await connection.execute("select workflow_cancel(id) from workflow_executions where session_id = $1", session)


def sessions_of(random: Random, count: int) -> list[UUID]:
    """Return so many ids."""
    return [_id_of(random) for _ in range(count)]


def _id_of(random: Random) -> UUID:
    return UUID(int=random.getrandbits(128), version=4)


def _quantile(seconds: Sequence[float], share: float) -> float:
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
