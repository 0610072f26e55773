"""Whether a turn costs more once there is much: waiting or ended executions, history, messages of one conversation."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import asyncpg

from bench.copies import copy_conversation, settle
from bench.load import POLL_SECONDS, keep_busy, start_conversations
from bench.plain import SCRIPTS
from bench.processes import Daemon
from bench.surroundings import Bench

SIZES = (1_000, 10_000, 100_000, 1_000_000)
TALKING = 100
# Rows of history, of other executions or of one: what its first turn wrote, again and again.
OTHER_TURNS = """
    insert into workflow_turns (execution_id, turn, revision, epoch, from_step, to_step, came_in, went_out, steps,
        duration_us, at)
    select gen_random_uuid(), turn, revision, epoch, from_step, to_step, came_in, went_out, steps, duration_us, at
    from (select * from workflow_turns order by at limit 1) t, generate_series(1, $1::integer)
"""
OWN_TURNS = """
    insert into workflow_turns (execution_id, turn, revision, epoch, from_step, to_step, came_in, went_out, steps,
        duration_us, at)
    select t.execution_id, n, t.revision, t.epoch, t.from_step, t.to_step, t.came_in, t.went_out, t.steps,
        t.duration_us, t.at
    from workflow_executions e join workflow_turns t on t.execution_id = e.id and t.turn = 1,
        generate_series(e.turn + 1, e.turn + $1::integer) n
    where e.session_id = $2::text::uuid
"""
OWN_REPLIES = """
    insert into workflow_replies (session_id, execution_id, turn, position, content, created_at, taken_at)
    select e.session_id, e.id, n, 1, 'You said hello', now(), now()
    from workflow_executions e, generate_series(e.turn + 1, e.turn + $1::integer) n where e.session_id = $2::text::uuid
"""
# Pages that all statements so far have touched, and turns of those who talk: what does not depend on how fast the
# machine is just now.
PAGES = """
    select sum(shared_blks_hit + shared_blks_read)::bigint from pg_stat_statements
    where toplevel and dbid = (select oid from pg_database where datname = current_database())
"""
TURNS = "select sum(turn)::bigint from workflow_executions where session_id = any ($1::text[]::uuid[])"
OWN_COUNT = """
    update workflow_executions set turn = turn + $1::integer, revision = revision + 1 where session_id = $2::text::uuid
"""


@dataclass(slots=True)
class Grown:
    """A database in which something grows, its daemon, and who talks there."""

    dsn: str
    daemon: Daemon
    original: str  # a conversation to copy
    sessions: list[str]
    size: int = 0


async def measure_growth(bench: Bench, most: int) -> None:
    """For each kind of growth, compare a turn's CPU at every size with that at 1,000, in turn."""
    kinds: dict[str, tuple[Callable[[Grown, int], Awaitable[None]], int]] = {
        "waiting executions": (_copy, TALKING),
        "ended executions": (_copy, TALKING),
        "rows of history": (_add_history, TALKING),
        "messages that the one conversation has had": (_add_own, 1),
    }
    for kind, (grow, talking) in kinds.items():
        async with AsyncExitStack() as stack:
            few = await _begin(bench, stack, talking, ended=kind.startswith("ended"))
            many = await _begin(bench, stack, talking, ended=kind.startswith("ended"))
            await _grow_to(few, SIZES[0], grow)
            for size in [s for s in SIZES if s <= most]:
                await _grow_to(many, size, grow)
                for _ in range(bench.rounds if size in (SIZES[0], most) else 1):
                    await _compare(bench, kind, few, many)


async def _compare(bench: Bench, kind: str, few: Grown, many: Grown) -> None:
    found = []
    for one in (few, many):
        turns, pages = await _ask(one, TURNS, one.sessions), await _ask(one, PAGES)
        busy = await keep_busy(one.dsn, one.sessions, bench.seconds, bench.meter(one.daemon))
        pages = await _ask(one, PAGES) - pages  # before the question for turns, which reads many
        found.append((busy.cost, pages / max(1, await _ask(one, TURNS, one.sessions) - turns)))
    (base, base_pages), (cost, many_pages) = found
    scenario, of = f"Growth: {kind}", f"that with {SIZES[0]:,}"
    add, size = bench.sheet.add, f"{many.size:,}"
    add(scenario, f"{size}: pages a turn", many_pages, "", to=base_pages, of=of, aim="≈ 1")
    add(scenario, f"{size}: CPU a turn", cost.both, "µs", to=base.both, of=of, aim="≈ 1")
    add(scenario, f"{size}: of that, PostgreSQL", cost.postgres, "µs", to=base.postgres, of=of)


async def _ask(grown: Grown, question: str, *given: object) -> int:
    connection = await asyncpg.connect(grown.dsn)
    try:
        return int(await connection.fetchval(question, *given))
    finally:
        await connection.close()


async def _begin(bench: Bench, stack: AsyncExitStack, talking: int, *, ended: bool) -> Grown:
    """Make a database with a daemon, those who talk, and one conversation to copy."""
    dsn = await stack.enter_async_context(bench.database())
    await bench.execute(dsn, "create extension pg_stat_statements")
    daemon = await stack.enter_async_context(bench.daemon(dsn))
    original = (await start_conversations(dsn, SCRIPTS[0], 1))[0]
    if ended:
        await bench.execute(
            dsn,
            f"select workflow_send('{original}', 'stop')",
        )
        await _until_ended(dsn, original)
    return Grown(dsn, daemon, original, await start_conversations(dsn, SCRIPTS[0], talking))


async def _until_ended(dsn: str, session: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        ended = "select ended_at from workflow_executions where session_id = $1"
        while await connection.fetchval(ended, session) is None:
            await asyncio.sleep(POLL_SECONDS)
    finally:
        await connection.close()


async def _grow_to(grown: Grown, size: int, grow: Callable[[Grown, int], Awaitable[None]]) -> None:
    if size > grown.size:
        begun = time.perf_counter()
        await grow(grown, size - grown.size)
        print(f"  {size - grown.size:,} more in {time.perf_counter() - begun:.1f} s", flush=True)
        grown.size = size


async def _copy(grown: Grown, more: int) -> None:
    await copy_conversation(grown.dsn, grown.original, more)


async def _add_history(grown: Grown, more: int) -> None:
    await _run(grown.dsn, (OTHER_TURNS, (more,)))


async def _add_own(grown: Grown, more: int) -> None:
    own = (more, grown.sessions[0])
    await _run(grown.dsn, (OWN_TURNS, own), (OWN_REPLIES, own), (OWN_COUNT, own))


async def _run(dsn: str, *statements: tuple[str, tuple[object, ...]]) -> None:
    """Run statements in one transaction; nobody is told of what they write."""
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            await connection.execute("set local session_replication_role = replica")
            for statement, arguments in statements:
                await connection.execute(statement, *arguments)
    finally:
        await connection.close()
    await settle(dsn)
