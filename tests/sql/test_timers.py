"""The timers' own table: never later than the deadline of who waits, whatever happens to it; and who is handed out first."""

from __future__ import annotations

import random
from collections import Counter
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from daemon.migrations import Connection
from daemon.store import Store
from tests.sql.world import CLOCK, ask, move_clock, start, stop_clock, turn_of

LATE = """
select e.id from workflow_executions e left join workflow_timers t on t.execution_id = e.id
where e.status = 'waiting' and e.wake_at is not null and (t.wake_at is null or t.wake_at > e.wake_at)
"""
DUE = """
select id from workflow_executions where status = 'running' or (status = 'waiting' and wake_at <= workflow_now())
"""


async def hint(connection: Connection, execution: UUID) -> datetime | None:
    at: datetime | None = await connection.fetchval(
        "select wake_at from workflow_timers where execution_id = $1", execution
    )
    return at


async def test_no_timer_is_lost_whatever_happens(store: Store, connection: Connection, rng: random.Random) -> None:
    await stop_clock(connection)
    everyone = [await start(connection, uuid4()) for _ in range(6)]
    for _ in range(150):
        one, now = rng.choice(everyone), await connection.fetchval("select workflow_now()")
        [loaded] = await store.load_executions([one])
        match rng.choice(["turn", "turn", "turn", "batch", "pause", "resume", "retry", "clock", "look", "fail"]):
            case "turn" | "batch" | "fail" as how if loaded.status in ("running", "waiting"):
                deadline = rng.choice([None, now + timedelta(seconds=rng.randint(-5, 30))])
                turn = turn_of(loaded, wait_kind="message", wake_at=deadline)
                if how == "fail":
                    turn = turn_of(loaded, status="failed", wait_kind=None, problem="x")
                assert await (store.commit_turns([turn]) if how == "batch" else store.commit_turn(turn))
            case "pause" | "resume" | "retry" as action:
                await connection.execute(f"select workflow_{action}($1)", one)
            case "clock":
                await move_clock(connection, timedelta(seconds=rng.randint(1, 8)))
            case "look":
                found = {due.id for due in await store.fetch_due([], 100)}
                assert found == {row[0] for row in await connection.fetch(DUE)}
        assert await connection.fetch(LATE) == []
    await move_clock(connection, timedelta(minutes=5))
    await store.fetch_due([], 100)
    left = "select count(*) from workflow_timers t where not exists (select from workflow_executions e"
    assert await connection.fetchval(left + " where e.id = t.execution_id and e.wake_at = t.wake_at)") == 0


async def test_a_deadline_that_moves_on_with_every_turn_writes_no_timer(store: Store, connection: Connection) -> None:
    await stop_clock(connection)
    one = await start(connection)
    for turn in range(1, 6):
        await ask(store, one, wake_at=CLOCK + timedelta(minutes=turn))
        assert await hint(connection, one) == CLOCK + timedelta(minutes=1)
    await move_clock(connection, timedelta(minutes=2))
    assert await store.fetch_due([], 10) == [] and await hint(connection, one) == CLOCK + timedelta(minutes=5)
    assert await store.next_due() == 180
    await ask(store, one, wake_at=CLOCK + timedelta(minutes=3))
    assert await hint(connection, one) == CLOCK + timedelta(minutes=3), "an earlier one is noted at once"
    await move_clock(connection, timedelta(minutes=2))
    assert [due.id for due in await store.fetch_due([], 10)] == [one]
    await ask(store, one)
    assert await hint(connection, one) is None, "one that has fired is gone with its turn"


async def test_a_timer_is_not_put_right_while_a_turn_is_being_committed(
    store: Store, database: str, connection: Connection
) -> None:
    """That turn may bring the very deadline back that is about to be forgotten."""
    await stop_clock(connection)
    deadline = CLOCK + timedelta(minutes=1)
    loaded = await ask(store, await start(connection), wake_at=deadline)
    loaded = await ask(store, loaded.id)
    await move_clock(connection, timedelta(minutes=1))
    other: Connection = await asyncpg.connect(database)
    transaction = other.transaction()
    await transaction.start()
    await other.execute("update workflow_executions set wake_at = $2 where id = $1", loaded.id, deadline)
    assert await store.fetch_due([], 10) == []
    assert await hint(connection, loaded.id) == deadline
    await transaction.commit()
    await other.close()
    assert [due.id for due in await store.fetch_due([], 10)] == [loaded.id]


async def test_timers_go_with_their_executions(store: Store, connection: Connection) -> None:
    await stop_clock(connection)
    loaded = await ask(store, await start(connection), wake_at=CLOCK + timedelta(minutes=1))
    await connection.execute("select workflow_cancel($1)", loaded.id)
    sql = "select workflow_prune('executions', workflow_now() + interval '1 day', null, null, '', 10, true)"
    await connection.execute(sql)
    assert await hint(connection, loaded.id) is None
    await connection.execute("insert into workflow_timers values (gen_random_uuid(), $1, 7)", CLOCK)
    assert await store.fetch_due([], 10) == [] and await store.next_due() is None


@pytest.mark.parametrize("lane", [0, 1 << 30, (1 << 31) - 1])
async def test_many_starts_of_one_lane_delay_no_other(store: Store, connection: Connection, lane: int) -> None:
    await stop_clock(connection)
    timer = await ask(store, await start(connection), wake_at=CLOCK)
    await connection.execute("select workflow_start('ticket.bas', gen_random_uuid()) from generate_series(1, 300)")
    other = await start(connection, uuid4(), "direct.bas")
    bot = uuid4()
    third: UUID = await connection.fetchval("select workflow_start('ticket.bas', gen_random_uuid(), $1)", bot)
    first = [due.id for due in await store.fetch_due([], 32, lane)]
    assert len(first) == 32 and {timer.id, other, third} <= set(first)
    held: list[UUID] = []
    while batch := await store.fetch_due(held, 32, lane):
        held += [due.id for due in batch]
    assert len(held) == 303 and max(Counter(held).values()) == 1
