"""A daemon is paused (SIGSTOP, a suspended machine) in the worst moment, and another takes over (F13).

The moment: the last statement of a turn's transaction has been run, COMMIT has not been said. The transaction holds
the execution's row, and nobody is there to end it.
"""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from random import Random

import asyncpg

from tests.faults.arena import Run, prepare, wait_for_scripts, wait_until
from tests.faults.bot_server import BotServer
from tests.faults.conversation import FOLDER, make_conversations
from tests.faults.service import POLL_SECONDS, Service

LEASE = {"lease_seconds": 1.5, "heartbeat_seconds": 0.5}
LOG_SECONDS_MAX = 20.0
TAKEN_OVER_SECONDS_MAX = 20.0

HELD = "(select count(*) from pg_stat_activity where wait_event_type = 'Lock' and wait_event = 'advisory') = $1"
OPEN = "(select count(*) from pg_stat_activity where state = 'idle in transaction') = $1"
# Who sleeps, to be woken by notifications: the lock of the doze protocol, two numbers as its key.
ASLEEP = "select pid from pg_locks where locktype = 'advisory' and objsubid = 2 and mode = 'ExclusiveLock' and granted"
EVERYTHING = """
select md5(string_agg(t::text, ' ' order by t::text)) from (
    select to_jsonb(e) from workflow_executions e union all select to_jsonb(t) from workflow_turns t
    union all select to_jsonb(r) from workflow_replies r union all select to_jsonb(m) from workflow_messages m
    union all select to_jsonb(v) from workflow_session_variables v union all select to_jsonb(t) from tickets t
) t
"""


async def run_paused(run: Run, folder: Path) -> list[str]:
    """Hold conversations across the pause of their daemon and return every violation."""
    await prepare(run.dsn)
    first, second = run.service, Service(folder, run.dsn, name="second", daemon=LEASE)
    keeper = await asyncpg.connect(run.dsn)
    violations = []
    try:
        await keeper.execute((FOLDER / "stops.sql").read_text())
        first.start()
        await wait_for_scripts(run.dsn, first)
        await logged(first, "partitions_claimed")
        await wait_until(run.dsn, f"exists ({ASLEEP})", first)
        sleeper = await keeper.fetchval(ASLEEP)
        async with run.bots.holding() as everyone:
            run.bots.pace.open()
            await _pause_in_commit(run, keeper)
            second.start()
            async with asyncio.timeout(TAKEN_OVER_SECONDS_MAX):
                await everyone
        before = await keeper.fetchval(EVERYTHING)
        first.signal(signal.SIGCONT)
        await logged(first, "partitions_lost")
        if await keeper.fetchval(EVERYTHING) != before:
            violations.append("the daemon that was paused has written")
        # Each can sleep only if the other does not lie in its beds.
        await wait_until(run.dsn, f"exists ({ASLEEP} and pid <> $1)", second, 30.0, sleeper)
        status = await second.stop()
        await logged(first, "partitions_claimed", 2)
        bots = BotServer(run.dsn, make_conversations(2, run.random, plain=True), Random(1))
        bots.pace.open()
        async with bots.holding() as everyone, asyncio.timeout(TAKEN_OVER_SECONDS_MAX):
            await everyone
        violations += await run.conclude([*run.bots.talks.values(), *bots.talks.values()])
        return violations + second.complaints() + ([f"status {status}"] if status else [])
    finally:
        await keeper.close()
        first.close()
        second.close()


async def _pause_in_commit(run: Run, keeper: asyncpg.Connection) -> None:
    """Pause the daemon when every conversation's second turn, which asks the database, is all but committed."""
    await keeper.execute("select pg_advisory_lock(4242)")
    await keeper.execute("insert into fault_stop values ('checkpoint', 2)")
    await wait_until(run.dsn, HELD, run.service, 30.0, len(run.bots.talks))
    run.service.signal(signal.SIGSTOP)
    await keeper.execute("delete from fault_stop")
    await keeper.execute("select pg_advisory_unlock(4242)")
    await wait_until(run.dsn, OPEN, run.service, 30.0, len(run.bots.talks))


async def logged(service: Service, event: str, times: int = 1) -> None:
    """Return once the daemon has logged the event so often."""
    try:
        async with asyncio.timeout(LOG_SECONDS_MAX):
            while service.count_events()[event] < times:
                service.check()
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        raise AssertionError(f"{event} was not logged:\n{service.tail()}") from None
