"""SIGKILL to the daemon while conversations mail, call HTTP and run children.

Must hold: each HTTP effect arrives at least once and always under the same key; each mail has one Message-ID; each
SQL effect exists exactly once; no execution is stuck; what is in doubt is listed, and goes on when it is retried.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from time import monotonic
from uuid import UUID

import asyncpg

from daemon.migrations import Connection
from tests.faults.arena import Say, prepare, wait_until
from tests.faults.outside import Outside, open_outside
from tests.faults.service import Service

SCRIPTS = ("world.bas", "left.bas", "right.bas")
TICKETS_EACH = 3
ROUND_SECONDS = 0.6  # a kill comes at a random moment of so long after the daemon works again
END_SECONDS_MAX = 240.0

WORLD = """
[web]
base_url = "http://127.0.0.1:{http}"
allow_hosts = ["127.0.0.1"]
timeout_seconds = 5
[mail]
host = "127.0.0.1"
port = {smtp}
tls = "none"
sender = "bot@example.com"
[requests]
in_doubt = "{in_doubt}"
backoff_seconds_first = 0.05
backoff_seconds_max = 0.5
attempts_max = 50
"""


ALL_ENDED = """
select count(*) filter (where parent_id is null) = $1 and count(*) filter (where status in ('running', 'waiting')) = 0
from workflow_executions
"""
LEFT = """
select count(*), concat_ws(' ', 'execution', script_path, status, wait_kind, 'at step', current_step::text, problem)
from workflow_executions where status <> 'completed' group by 2
union all
select count(*), concat_ws(' ', 'request', kind, status, error) from workflow_requests group by 2
"""


@dataclass(slots=True)
class Result:
    """What a run came to."""

    kills: int = 0
    repeated: int = 0  # HTTP effects and mails that arrived more than once
    in_doubt: int = 0
    violations: list[str] = field(default_factory=list)


async def run_requests(
    dsn: str, folder: Path, conversations: int, kills: int, seed: str, *, park: bool = False, say: Say = lambda _: None
) -> Result:
    """Hold the conversations, kill the daemon that often, and judge."""
    random = Random(seed)
    await prepare(dsn)
    result = Result()
    async with open_outside(Random(random.random())) as outside:
        more = WORLD.format(http=outside.http_port, smtp=outside.smtp_port, in_doubt="park" if park else "repeat")
        service = Service(folder, dsn, scripts=SCRIPTS, more=more)
        connection = await asyncpg.connect(dsn)
        try:
            service.start()
            await wait_until(dsn, f"(select count(*) from workflow_scripts) = {len(SCRIPTS)}", service)
            sessions = [UUID(int=random.getrandbits(128), version=4) for _ in range(conversations)]
            await _hold(connection, service, sessions, kills, random, result, say)
            await _end(connection, service, sessions, result, park)
            await service.stop()
            result.violations += await judge(connection, sessions, outside)
            result.violations += [f"the daemon's log: {line}" for line in service.complaints()]
            result.repeated = sum(len(keys) - 1 for keys in (*outside.effects.values(), *outside.mails.values()))
            say(f"{outside.refused} requests were refused once, {outside.unanswered} answers never came")
        finally:
            await connection.close()
            service.close()
    return result


async def _hold(
    connection: Connection, service: Service, sessions: list[UUID], kills: int, random: Random, result: Result, say: Say
) -> None:
    """Start the conversations a share at a time, and kill the daemon while they run."""
    each = -(-len(sessions) // (kills + 1))
    for number in range(kills + 1):
        for place in range(number * each, min(len(sessions), (number + 1) * each)):
            await connection.execute("select workflow_start('world.bas', $1)", sessions[place])
            await connection.execute("select workflow_send($1, $2)", sessions[place], name_of(place))
        if number < kills:
            await asyncio.sleep(random.random() * ROUND_SECONDS)
            service.kill()
            service.start()
            result.kills += 1
            if result.kills % max(1, kills // 10) == 0:
                done = await connection.fetchval("select count(*) from workflow_executions where status = 'completed'")
                say(f"{result.kills} kills, {done} executions have ended")
            if random.random() < 0.8:
                await _works(connection, service)


async def _works(connection: Connection, service: Service) -> None:
    """Return when the daemon that was just started has committed something, or nothing is to be done."""
    before = await connection.fetchval("select max(at) from workflow_turns")
    for _ in range(200):
        service.check()
        now = await connection.fetchval("select max(at) from workflow_turns")
        moving = await connection.fetchval(
            "select exists (select from workflow_executions where status in ('running', 'waiting'))"
        )
        if now != before or not moving:
            return
        await asyncio.sleep(0.02)


async def _end(connection: Connection, service: Service, sessions: list[UUID], result: Result, park: bool) -> None:
    """Wait until every execution has ended; what was parked is listed, and retried by the operator."""
    ends = monotonic() + END_SECONDS_MAX
    while monotonic() < ends:
        service.check()
        if park:
            listed = await connection.fetch("select id from workflow_requests where status = 'in_doubt'")
            result.in_doubt += len(listed)
            for row in listed:
                await connection.execute("select workflow_retry_request($1)", row["id"])
        if await connection.fetchval(ALL_ENDED, len(sessions)):
            return
        await asyncio.sleep(0.1)
    for row in await connection.fetch(LEFT):
        result.violations.append(f"not within {END_SECONDS_MAX:.0f} s: {row[0]} x {row[1]}")


def name_of(place: int) -> str:
    """Return the name of the conversation's user: letters only, no two the same."""
    return f"user{place:04d}"


async def judge(connection: Connection, sessions: list[UUID], outside: Outside) -> list[str]:
    """Return every promise that was broken."""
    wrong: list[str] = []
    for place, session in enumerate(sessions):
        name = name_of(place)
        wanted = [f'POST /orders {{"name":"{name}"}}', f"GET /rate/{name}"]
        wanted += [f'POST /pack/{side} {{"name":"{name}"}}' for side in ("left", "right")]
        for effect in wanted:
            keys = outside.effects.get(effect, [])
            if not keys or len(set(keys)) != 1 or not keys[0]:
                wrong.append(f"{effect}: arrived {len(keys)} times under {len(set(keys))} keys")
        ids = outside.mails.get(f"Order of {name}", [])
        if len(set(ids)) != 1:
            wrong.append(f"the mail of {name} arrived {len(ids)} times under {len(set(ids))} Message-IDs")
        said = await connection.fetch("select content from workflow_replies where session_id = $1 order by id", session)
        if [row["content"] for row in said] != ["Who?", f"{name}: 200, {len(f'/rate/{name}')}, 200, 200"]:
            wrong.append(f"{name} was told {[row['content'] for row in said]}")
    counts = await connection.fetchrow(
        "select (select count(*) from tickets) as tickets, (select count(distinct description) from tickets) as described,"
        " (select count(*) from workflow_requests) as requests, (select count(*) from workflow_signals) as signals,"
        " (select count(*) from workflow_executions where status <> 'completed') as stuck"
    )
    assert counts is not None
    expected = len(sessions) * TICKETS_EACH
    if (counts["tickets"], counts["described"]) != (expected, expected):
        wrong.append(f"{counts['tickets']} tickets, {counts['described']} of them different, and not {expected}")
    for row in await connection.fetch(LEFT):
        wrong.append(f"{row[0]} x {row[1]}")
    for left in ("requests", "signals", "stuck"):
        if counts[left]:
            wrong.append(f"{counts[left]} {left} are left over")
    return wrong
