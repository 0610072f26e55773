"""The load: conversations that speak SQL, as a bot server does. One process, whose own cost is told too."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from bench.cpu import Cost, Meter

POLL_SECONDS = 0.01
WARM_SECONDS = 2.0
BATCH_MAX = 256  # messages in one statement of the client
GATHER_SECONDS = 0.002  # many conversations: replies of about one commit are answered together
MANY = 100
SENDERS = 4
LATE_SECONDS_MAX = 30.0
# One text instead of an array of uuids: encoding elements is most of what such a client costs.
SAY = "insert into workflow_messages (session_id, content) select s::uuid, 'hello' from string_to_table($1, ',') s"


@dataclass(frozen=True, slots=True)
class Latencies:
    """Turns a second that were measured, and INSERT to the notified, committed reply in milliseconds."""

    rate: float
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Busy:
    """Turns a second of conversations that always have something to say, and the CPU of a turn in µs."""

    rate: float
    cost: Cost


async def start_conversations(dsn: str, script: str, count: int) -> list[str]:
    """Start `count` conversations and wait until each of them hears; return their sessions."""
    connection = await asyncpg.connect(dsn)
    try:
        sessions: list[UUID] = [uuid4() for _ in range(count)]
        await connection.execute(
            "select workflow_start($1, session_id => s) from unnest($2::uuid[]) s", script, sessions
        )
        waiting = "select count(*) from workflow_executions where session_id = any($1) and wait_kind = 'message'"
        while await connection.fetchval(waiting, sessions) < count:
            await asyncio.sleep(POLL_SECONDS)
    finally:
        await connection.close()
    return [str(s) for s in sessions]


async def end_conversations(dsn: str, sessions: Sequence[str]) -> None:
    """Cancel the conversations, so that the next measurement has only its own."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(
            "select workflow_cancel(id, 'measured') from workflow_executions where session_id = any($1::uuid[])",
            sessions,
        )
        await connection.execute("vacuum analyze")
    finally:
        await connection.close()


@asynccontextmanager
async def replies_heard(dsn: str, heard: Callable[[str], None]) -> AsyncIterator[None]:
    """Have `heard` called with the session of every committed reply while the block runs."""
    listener = await asyncpg.connect(dsn)

    def replied(_connection: object, _pid: int, _channel: str, payload: object) -> None:
        heard(str(payload))

    await listener.add_listener("workflow_replies", replied)
    try:
        yield
    finally:
        await listener.close()


async def _leave(_connection: object) -> None:
    """A connection is not reset between two uses, which would be a transaction more than pgbench has."""


async def keep_busy(dsn: str, sessions: Sequence[str], seconds: float, meter: Meter) -> Busy:
    """Answer every reply at once with the next message, those of about one moment in one statement.

    So every conversation is busy all the time, and the client costs the machine as little as a client can. Counted
    is from when the first replies are there and WARM_SECONDS are over.
    """
    due: deque[str] = deque()
    rang = asyncio.Event()

    def replied(session: str) -> None:
        due.append(session)
        rang.set()

    talker = await asyncpg.connect(dsn)
    said = await talker.prepare(SAY)
    count, warm = 0, False
    async with replies_heard(dsn, replied):
        begun = time.perf_counter()
        for first in range(0, len(sessions), BATCH_MAX):
            await said.fetch(",".join(sessions[first : first + BATCH_MAX]))
        while not warm or time.perf_counter() - begun < seconds:
            async with asyncio.timeout(LATE_SECONDS_MAX):
                await rang.wait()
            if len(sessions) > MANY:
                await asyncio.sleep(GATHER_SECONDS)
            batch = [due.popleft() for _ in range(min(len(due), BATCH_MAX))]
            if not due:
                rang.clear()
            if not warm and time.perf_counter() - begun > WARM_SECONDS:
                warm, count, begun = True, 0, time.perf_counter()
                meter.restart()
            count += len(batch)
            await said.fetch(",".join(batch))
        rate = count / (time.perf_counter() - begun)
        cost = meter.cost(max(1, count))
        await asyncio.sleep(1)  # the last answers; nothing is measured any more
    await talker.close()
    return Busy(rate, cost)


async def converse(dsn: str, sessions: Sequence[str], seconds: float, connections: int) -> Latencies:
    """Every conversation says the next thing when it was answered; `connections` carry the inserts."""
    pool = await asyncpg.create_pool(dsn, min_size=connections, max_size=connections, reset=_leave)
    waiting: dict[str, asyncio.Future[None]] = {}
    loop = asyncio.get_running_loop()

    def replied(session: str) -> None:
        future = waiting.pop(session, None)
        if future is not None and not future.done():
            future.set_result(None)

    taken: list[float] = []
    end = time.perf_counter() + seconds

    async def talk(session: str) -> None:
        while (begun := time.perf_counter()) < end:
            answer = waiting[session] = loop.create_future()
            await pool.execute("insert into workflow_messages (session_id, content) values ($1, 'hello')", session)
            await asyncio.wait_for(answer, LATE_SECONDS_MAX)
            taken.append(time.perf_counter() - begun)

    async with replies_heard(dsn, replied):
        begun = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for session in sessions:
                tasks.create_task(talk(session))
        spent = time.perf_counter() - begun
    await pool.close()
    return latencies_of(taken, spent)


class Paced:
    """An open loop: messages are due at moments that do not depend on the answers, at random with a mean rate.

    A latency begins when the message was due, so a client or a server that falls behind shows. Each message goes to
    the conversation that has been silent longest; where all are spoken to, it waits, and that wait counts.
    """

    def __init__(self, dsn: str, sessions: Sequence[str], rate: float, seed: int = 4) -> None:
        self._dsn = dsn
        self._free = deque(sessions)
        self._rate = rate
        self._random = Random(seed)
        self._due: deque[float] = deque()  # moments of messages that nobody has been sent yet
        self._asked: dict[str, float] = {}
        self.taken: list[tuple[float, float]] = []  # when it was due, and its latency, in seconds

    async def run(self, seconds: float) -> Latencies:
        """Speak for so long, wait for the last answers, and return the latencies of all but the warming up."""
        begun = time.perf_counter()
        stopped = asyncio.Event()
        asyncio.get_running_loop().call_later(WARM_SECONDS + seconds, stopped.set)
        await self.run_until(stopped)
        return latencies_of([taken for at, taken in self.taken if at > begun + WARM_SECONDS], seconds)

    async def run_until(self, stopped: asyncio.Event) -> None:
        """Speak until told to stop, and wait for the last answers."""
        async with replies_heard(self._dsn, self._replied):
            connections = [await asyncpg.connect(self._dsn) for _ in range(SENDERS)]
            try:
                async with asyncio.TaskGroup() as tasks:
                    planning = tasks.create_task(self._plan(stopped))
                    for connection in connections:
                        tasks.create_task(self._send(connection, planning))
                late = time.perf_counter() + LATE_SECONDS_MAX
                while self._asked and time.perf_counter() < late:
                    await asyncio.sleep(POLL_SECONDS)
            finally:
                for connection in connections:
                    await connection.close()
        now = time.perf_counter()
        self.taken += [(at, now - at) for at in self._asked.values()]  # never answered: at least so long

    async def _plan(self, stopped: asyncio.Event) -> None:
        """Have messages become due, as many and as irregularly as people do."""
        at = time.perf_counter()
        while not stopped.is_set():
            await asyncio.sleep(max(0.0, min(0.001, at - time.perf_counter())))
            while at <= time.perf_counter():
                self._due.append(at)
                at += self._random.expovariate(self._rate)

    async def _send(self, connection: asyncpg.Connection[Any], planning: asyncio.Task[None]) -> None:
        said = await connection.prepare(SAY)
        while not planning.done() or self._due:
            batch = [self._free.popleft() for _ in range(min(len(self._due), len(self._free), BATCH_MAX))]
            self._asked |= {session: self._due.popleft() for session in batch}
            if batch:
                await said.fetch(",".join(batch))
            else:
                await asyncio.sleep(0.001)

    def _replied(self, session: str) -> None:
        at = self._asked.pop(session, None)
        if at is not None:
            self.taken.append((at, time.perf_counter() - at))
            self._free.append(session)


def latencies_of(taken: Sequence[float], spent: float) -> Latencies:
    """Return the rate and quantiles of latencies in seconds that were taken within `spent` seconds."""
    ordered = sorted(taken)
    return Latencies(len(ordered) / spent, quantile_ms(ordered, 0.5), quantile_ms(ordered, 0.99))


def quantile_ms(ordered: Sequence[float], share: float) -> float:
    """Return a quantile of ordered seconds, in milliseconds; of nothing, 0."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000 if ordered else 0.0
