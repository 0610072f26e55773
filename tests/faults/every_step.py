"""The daemon is killed inside the transaction of every turn, at every place, and the transaction then takes each of
the ways that are left to it (F17, F25, F31).

The transaction is held by a trigger (stops.sql), the daemon is killed while it waits, and then: *undone*, the server
ends it; *done*, it goes on without anybody who hears its answer (a statement alone commits, a transaction of several
is rolled back by the server, because nobody says commit); *overtaken*, the next daemon runs the same turn while the
first transaction is still open; *after*, the daemon is killed as soon as the turn is visible.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from itertools import cycle

import asyncpg

from tests.faults.arena import Run, prepare, wait_for_scripts, wait_until
from tests.faults.conversation import FOLDER
from tests.faults.service import POLL_SECONDS

HELD_SECONDS_MAX = 30.0
PLACES = ("checkpoint", "message", "reply", "history", "variable", "ticket")

HELD = """
select a.pid, e.turn + 1 as turn from pg_stat_activity a, workflow_executions e
where a.wait_event_type = 'Lock' and a.wait_event = 'advisory'
"""
ENDED = "select exists (select from workflow_executions where status not in ('running', 'waiting'))"
# The new daemon got as far as it can: it waits for the old transaction's row, or it has committed the turn itself.
OVERTAKEN = """exists (select from pg_locks where not granted and pid <> $1)
    or exists (select from workflow_turns where turn = $2)"""


class Way(Enum):
    """What becomes of the transaction after the kill."""

    UNDONE = "undone"
    DONE = "done"
    OVERTAKEN = "overtaken"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class Stop:
    """Where to kill, and what becomes of the turn."""

    place: str
    way: Way


def every_stop() -> Iterator[Stop]:
    """Yield all there are; where the turn is held does not matter when the kill comes after it."""
    for place in PLACES:
        for way in (Way.UNDONE, Way.DONE, Way.OVERTAKEN):
            yield Stop(place, way)
    yield Stop("checkpoint", Way.AFTER)


@dataclass(slots=True)
class Stepped:
    """What a run came to: how many turns were killed at which stop."""

    kills: dict[Stop, int] = field(default_factory=dict)
    violations: tuple[str, ...] = ()


async def run_every_step(run: Run, stops: Iterable[Stop]) -> Stepped:
    """Hold one conversation; kill at each turn that comes to the next of the stops, which are taken in a circle."""
    await prepare(run.dsn)
    result = Stepped()
    keeper = await asyncpg.connect(run.dsn)
    try:
        await keeper.execute((FOLDER / "stops.sql").read_text())
        run.service.start()
        await wait_for_scripts(run.dsn, run.service)
        await keeper.execute("select pg_advisory_lock(4242)")
        around = cycle(stops)
        stop = next(around)
        await _set(keeper, stop, 1)
        async with run.bots.holding() as everyone:
            run.bots.pace.open()
            while held := await _held(run, keeper):
                stop, before = next(around), stop
                result.kills[before] = result.kills.get(before, 0) + 1
                await _kill(run, keeper, before, held, stop)
            await run.end(everyone)
        result.violations = tuple(await run.conclude())
    finally:
        await keeper.close()
        run.service.close()
    return result


async def _set(keeper: asyncpg.Connection, stop: Stop, turn: int) -> None:
    """Hold the first turn, of that number or later, that comes to the place."""
    async with keeper.transaction():
        await keeper.execute("delete from fault_stop")
        await keeper.execute("insert into fault_stop values ($1, $2)", stop.place, turn)


async def _held(run: Run, keeper: asyncpg.Connection) -> asyncpg.Record | None:
    """Return the process that is held and the number of its turn; None when the conversation has ended."""
    async with asyncio.timeout(HELD_SECONDS_MAX):
        while not await keeper.fetchval(ENDED):
            held: asyncpg.Record | None = await keeper.fetchrow(HELD)
            if held is not None:
                return held
            run.service.check()
            await asyncio.sleep(POLL_SECONDS)
    return None


async def _kill(run: Run, keeper: asyncpg.Connection, stop: Stop, held: asyncpg.Record, following: Stop) -> None:
    pid, turn = held["pid"], held["turn"]
    await _set(keeper, following, turn + 1)
    match stop.way:
        case Way.AFTER:
            await _release(keeper)
            await wait_until(run.dsn, "exists (select from workflow_turns where turn = $1)", run.service, 30.0, turn)
            run.service.kill()
        case Way.UNDONE:
            run.service.kill()
            await keeper.execute("select pg_terminate_backend($1)", pid)
        case Way.DONE:
            run.service.kill()
            await _release(keeper)
        case Way.OVERTAKEN:
            run.service.kill()
            run.service.start()
            await wait_until(run.dsn, OVERTAKEN, run.service, 30.0, pid, turn)
            await _release(keeper)
            return
    run.service.start()


async def _release(keeper: asyncpg.Connection) -> None:
    """Let go whoever is held, and hold the next."""
    await keeper.execute("select pg_advisory_unlock(4242)")
    await keeper.execute("select pg_advisory_lock(4242)")
