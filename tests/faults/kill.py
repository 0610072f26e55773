"""SIGKILL to the daemon, again and again, while conversations are held."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic

from tests.faults.arena import Run, prepare, wait_for_scripts

STARTING = 0.2  # the share of kills that meet a daemon while it starts
START_SECONDS = 1.5  # within so many
RUNNING_SECONDS = 0.12  # else so long after it said something: the messages of a round take about as long
WAKE_SECONDS_MAX = 20.0  # a daemon that was started says something within that, whoever died before


@dataclass(slots=True)
class Killed:
    """What a run came to."""

    kills: int = 0
    while_starting: int = 0
    silences: list[float] = field(default_factory=list)  # seconds from each start to the first reply after it
    violations: tuple[str, ...] = ()


async def run_kills(run: Run, kills: int) -> Killed:
    """Hold the conversations, kill the daemon that often, and judge."""
    await prepare(run.dsn)
    result = Killed()
    run.service.start()
    try:
        await wait_for_scripts(run.dsn, run.service)
        async with run.bots.holding() as everyone:
            for number in range(1, kills + 1):
                await _round(run, kills, everyone, result)
                run.service.kill()
                run.service.start()
                result.kills += 1
                if number % max(1, kills // 10) == 0:
                    run.say(f"{number} kills, {run.bots.said} of {run.answers} messages, "
                            f"{run.bots.replies} replies")  # fmt: skip
            await run.end(everyone)
        result.violations = tuple(await run.conclude())
    finally:
        run.service.close()
    return result


async def _round(run: Run, kills: int, everyone: asyncio.Task[None], result: Killed) -> None:
    """Let some messages be said, and return at the moment of the next kill."""
    run.bots.pace.give(-(-run.answers // (kills + 1)))
    if run.random.random() < STARTING:
        result.while_starting += 1
        await asyncio.sleep(run.random.random() * START_SECONDS)
        return
    started = monotonic()
    try:
        async with asyncio.timeout(WAKE_SECONDS_MAX):
            await run.bots.spoken_since(datetime.now(UTC))  # the database's clock is this machine's
    except TimeoutError:
        if not everyone.done():
            raise AssertionError(f"nothing is said for {WAKE_SECONDS_MAX} s:\n{run.service.tail()}") from None
    result.silences.append(monotonic() - started)
    await asyncio.sleep(run.random.random() * RUNNING_SECONDS)
