"""The load: conversations that speak SQL, as a bot server does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

import asyncpg

POLL_SECONDS = 0.01
WARM_SECONDS = 2.0
BATCH_MAX = 64  # messages in one statement of the client that keeps everybody busy


@dataclass(frozen=True, slots=True)
class Latencies:
    """Turns a second of a closed loop, and INSERT to the committed reply in milliseconds."""

    rate: float
    p50_ms: float
    p99_ms: float


async def start_conversations(dsn: str, script: str, count: int) -> list[UUID]:
    """Start `count` conversations and wait until each of them hears."""
    connection = await asyncpg.connect(dsn)
    try:
        sessions = [uuid4() for _ in range(count)]
        await connection.execute(
            "select workflow_start($1, session_id => s) from unnest($2::uuid[]) s", script, sessions
        )
        waiting = "select count(*) from workflow_executions where session_id = any($1) and wait_kind = 'message'"
        while await connection.fetchval(waiting, sessions) < count:
            await asyncio.sleep(POLL_SECONDS)
    finally:
        await connection.close()
    return sessions


async def end_conversations(dsn: str, sessions: Sequence[UUID]) -> None:
    """Cancel the conversations, so that the next measurement has only its own."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(
            "select workflow_cancel(id, 'measured') from workflow_executions where session_id = any($1)", sessions
        )
        await connection.execute("vacuum analyze")
    finally:
        await connection.close()


async def keep_busy(
    dsn: str, sessions: Sequence[UUID], seconds: float, look: Callable[[], Sequence[float]] = tuple
) -> tuple[float, list[float]]:
    """Answer every reply at once with the next message, all that are due in one statement; return turns a second.

    So every conversation is busy all the time, and the client costs the server as little as a client can. Counted is
    from when the first replies are there and WARM_SECONDS are over. `look` gives seconds used so far, such as of CPU;
    returned is also what was used for each turn, in microseconds.
    """
    talker = await asyncpg.connect(dsn)
    listener = await asyncpg.connect(dsn)
    due: list[str] = []
    rang = asyncio.Event()

    def replied(connection: object, pid: int, channel: str, payload: object) -> None:
        due.append(str(payload))
        rang.set()

    said = await talker.prepare(
        "insert into workflow_messages (session_id, content) select s, 'hello' from unnest($1::uuid[]) s"
    )
    await listener.add_listener("workflow_replies", replied)
    count = 0
    warm = False
    used = look()
    begun = time.perf_counter()
    await said.fetch([str(s) for s in sessions])
    while not warm or time.perf_counter() - begun < seconds:
        async with asyncio.timeout(60):
            await rang.wait()
        batch, due[:BATCH_MAX] = due[:BATCH_MAX], []
        if not due:
            rang.clear()
        count += len(batch)
        if not warm and time.perf_counter() - begun > WARM_SECONDS:
            warm, count, used, begun = True, 0, look(), time.perf_counter()
        await said.fetch(batch)
    rate = count / (time.perf_counter() - begun)
    each = [(b - a) / max(1, count) * 1e6 for a, b in zip(used, look(), strict=True)]
    await asyncio.sleep(1)  # the last answers; nothing is measured any more
    await listener.close()
    await talker.close()
    return rate, each


async def converse(dsn: str, sessions: Sequence[UUID], seconds: float, connections: int) -> Latencies:
    """Every conversation says the next thing when it was answered; `connections` carry the inserts."""
    pool = await asyncpg.create_pool(dsn, min_size=connections, max_size=connections)
    listener = await asyncpg.connect(dsn)
    waiting: dict[str, asyncio.Future[None]] = {}
    loop = asyncio.get_running_loop()

    def replied(connection: object, pid: int, channel: str, payload: object) -> None:
        future = waiting.pop(str(payload), None)
        if future is not None and not future.done():
            future.set_result(None)

    await listener.add_listener("workflow_replies", replied)
    taken: list[float] = []
    end = time.perf_counter() + seconds

    async def talk(session: UUID) -> None:
        while (begun := time.perf_counter()) < end:
            answer = waiting[str(session)] = loop.create_future()
            await pool.execute("insert into workflow_messages (session_id, content) values ($1, 'hello')", session)
            await asyncio.wait_for(answer, 30)
            taken.append(time.perf_counter() - begun)

    begun = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for session in sessions:
            tasks.create_task(talk(session))
    spent = time.perf_counter() - begun
    await listener.close()
    await pool.close()
    taken.sort()
    return Latencies(len(taken) / spent, _quantile_ms(taken, 0.5), _quantile_ms(taken, 0.99))


def _quantile_ms(seconds: Sequence[float], share: float) -> float:
    return seconds[min(len(seconds) - 1, int(len(seconds) * share))] * 1000
