"""A deploy of a new version while conversations go on: migrate, start the new daemon beside the old one, stop that."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from daemon.migrations import migrate
from engine.state import CHECKPOINT_VERSION
from tests.faults.arena import Run, prepare, wait_for_scripts, wait_until
from tests.faults.conversation import plan
from tests.faults.newer import VERSION, newer_migrations
from tests.faults.service import Service

ROUNDS = 5
SPEAK_SECONDS_MAX = 60.0
SHARED = "(select count(*) = 2 and min(partitions) = 128 from workflow_shares)"
OWNS_ALL = "exists (select from workflow_shares where partitions = 256 and version = $1)"
NEWER_STATES = f"""
exists (select from workflow_executions where state_json ~ '"version": ?{CHECKPOINT_VERSION + 1}')
"""


async def run_rolling(run: Run, folder: Path, daemon: dict[str, object]) -> list[str]:
    """Hold conversations across the deploy, in which the first new daemon dies, and return every violation."""
    plan()  # takes seconds of CPU, in which nobody here would notice anything
    await prepare(run.dsn)
    old = run.service
    new, last = (
        Service(folder, run.dsn, name=name, daemon=daemon, program="tests.faults.newer") for name in ("new", "last")
    )
    violations: list[str] = []
    try:
        old.start()
        await wait_for_scripts(run.dsn, old)
        async with run.bots.holding() as everyone:
            await _speak(run)
            await _migrate(run.dsn)
            await _speak(run)  # the old daemon goes on with the newer schema
            new.start()
            await wait_until(run.dsn, SHARED, new)
            await _speak(run)
            await wait_until(run.dsn, NEWER_STATES, new)
            new.kill()  # its conversations wait for a newer daemon, the others go on
            last.start()
            await wait_until(run.dsn, SHARED, last)
            if status := await old.stop():
                violations.append(f"the old daemon ended with status {status}")
            await wait_until(run.dsn, OWNS_ALL, last, 30.0, VERSION)
            violations += await run.finish(everyone)
        old.start()
        if await old.ended() == 0 or "Install the newer program" not in old.tail():
            violations.append("a daemon of the old version starts with the newer schema")
        violations += [f"the old daemon's log: {line}" for line in old.complaints()]
        run.service = last
        return violations + await run.conclude()
    finally:
        for service in (old, new, last):
            service.close()


async def _speak(run: Run) -> None:
    """Have some messages said, and return once the bot has answered one."""
    run.bots.pace.give(-(-run.answers // ROUNDS))
    async with asyncio.timeout(SPEAK_SECONDS_MAX):
        await run.bots.spoken_since(datetime.now(UTC))  # the database's clock is this machine's


async def _migrate(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        assert await migrate(connection, known=newer_migrations()) == 1
    finally:
        await connection.close()
