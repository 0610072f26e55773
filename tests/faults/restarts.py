"""PostgreSQL killed and restarted, and its backends ended, under a daemon that is not restarted.

Nothing is lost, and afterwards it is as fast as before (F51).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from time import monotonic

import asyncpg

from daemon.embedded import Running
from tests.faults.arena import Run, prepare, wait_for_scripts
from tests.faults.bot_server import BotServer
from tests.faults.conversation import make_conversations

AWAY_SECONDS = 0.5  # the database is away for a random time up to this, besides its start
BETWEEN_SECONDS = 0.2  # so long after the daemon is back comes the next fault, at most
BACK_SECONDS_MAX = 30.0
MEASURED_BEFORE = 3
MEASURED_AFTER_MAX = 6  # the machine is shared: measured until it is as fast as before, so often at most
RATIO_MIN = 0.8
BACKENDS = "select pid from pg_stat_activity where application_name = 'stepwell'"


@dataclass(slots=True)
class Restarted:
    """What a run came to. Rates are messages heard a second, the best of several measurements."""

    kills: int = 0
    restarts: int = 0
    backends: int = 0
    longest_silence: float = 0.0  # seconds from the server's start to the first reply
    rate_before: float = 0.0
    rate_after: float = 0.0
    rate_fresh: float = 0.0  # of a new daemon, measured where the old one is slower than it was before
    violations: tuple[str, ...] = ()

    @property
    def ratio(self) -> float:
        """The rate afterwards in parts of the rate before, or of a new daemon's: other programs of the machine may
        have become busy meanwhile, and slow both."""
        return self.rate_after / min(self.rate_before, self.rate_fresh or self.rate_before)


async def run_restarts(run: Run, postgres: Running, restarts: int) -> Restarted:
    """Hold the conversations while the server is killed and stopped by turns; measure before and after."""
    await prepare(run.dsn)
    result = Restarted()
    run.service.start()
    try:
        await wait_for_scripts(run.dsn, run.service)
        meter = Meter(run)
        await meter.measure(MEASURED_BEFORE, lambda _: False)
        result.rate_before = meter.best
        pid = run.service.pid
        async with run.bots.holding() as everyone:
            for number in range(1, restarts + 1):
                half = -(-run.answers // (restarts + 1)) // 2
                run.bots.pace.give(half)
                await _fault(run, postgres, everyone, result, half)
                run.say(f"{number} faults, {run.bots.said} of {run.answers} messages, {run.bots.replies} replies")
            await run.end(everyone)
        meter.best = 0.0
        await meter.measure(MEASURED_AFTER_MAX, lambda rate: rate >= RATIO_MIN * result.rate_before)
        result.rate_after = meter.best
        assert run.service.pid == pid
        if result.ratio < RATIO_MIN:
            meter.best = 0.0
            await run.service.stop()
            run.service.start()
            await meter.measure(MEASURED_BEFORE, lambda _: False)
            result.rate_fresh = meter.best
        violations = await run.conclude(meter.talks)
        if result.ratio < RATIO_MIN:
            violations.append(f"the rate afterwards is {result.ratio:.2f} of what it should be")
        result.violations = tuple(violations)
    finally:
        run.service.close()
    return result


async def _fault(run: Run, postgres: Running, everyone: asyncio.Task[None], result: Restarted, afterwards: int) -> None:
    """Take the server away; `afterwards` messages may be said only when it is back, so that there is something to say."""
    await asyncio.sleep(run.random.random() * BETWEEN_SECONDS)
    result.backends += await _end_backends(run)
    await asyncio.sleep(run.random.random() * BETWEEN_SECONDS)
    if result.kills <= result.restarts:
        result.kills += 1
        postgres.kill()
    else:
        result.restarts += 1
        postgres.stop()
    await asyncio.sleep(run.random.random() * AWAY_SECONDS)
    postgres.start()
    run.bots.pace.give(afterwards)
    started = monotonic()
    spoken = asyncio.create_task(run.bots.spoken_since(datetime.now(UTC)))
    done, _ = await asyncio.wait((spoken, everyone), timeout=BACK_SECONDS_MAX, return_when=asyncio.FIRST_COMPLETED)
    spoken.cancel()
    assert done, f"nothing is said for {BACK_SECONDS_MAX} s after the database came back:\n{run.service.tail()}"
    result.longest_silence = max(result.longest_silence, monotonic() - started)


async def _end_backends(run: Run) -> int:
    """End some of the daemon's connections, one after another, and return how many."""
    connection = await asyncpg.connect(run.dsn)
    try:
        pids = [row["pid"] for row in await connection.fetch(BACKENDS)]
        for pid in run.random.sample(pids, (len(pids) + 1) // 2):
            await connection.execute("select pg_terminate_backend($1)", pid)
        return (len(pids) + 1) // 2
    finally:
        await connection.close()


class Meter:
    """Measures how fast conversations are held when nothing is in their way, with conversations of its own."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._random = Random(run.random.random())
        self._conversations = max(10, len(run.bots.talks) // 4)
        self.best = 0.0
        self.talks = list(run.bots.talks.values())

    async def measure(self, times_max: int, enough: Callable[[float], bool]) -> None:
        """Measure several times, until it is enough."""
        for _ in range(times_max):
            held = make_conversations(self._conversations, Random(self._random.random()))
            bots = BotServer(self._run.dsn, held, self._random)
            bots.pace.open()
            started = monotonic()
            async with bots.holding() as everyone, asyncio.timeout(BACK_SECONDS_MAX):
                await everyone
            self.best = max(self.best, bots.said / (monotonic() - started))
            self.talks += bots.talks.values()
            if enough(self.best):
                return
