"""fetch_fairly: however much one session or one lane has to say, the others' messages are found without reading it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from daemon.crowd import Care
from daemon.migrations import Connection
from daemon.partitions import partition_of
from daemon.rows import PendingMessage
from daemon.statements import query
from daemon.store import Store
from tests.sql.world import PLAN, asking, close_store, deploy, open_store, say

START = UUID(int=0)
PLAIN = Care((), START, ())

# Waiting conversations by the thousand, without their triggers: session n of lane l is md5(l, n).
WAITING = """
insert into workflow_executions (id, workflow_name, state_json, status, session_id, script_path, plan_hash, mode, wait_kind,
    start_order, partition)
select gen_random_uuid(), 't', '{}', 'waiting', s, 't', 'p1', 'workflow', 'message', n, workflow_partition(s)
from (select n, md5($1::integer || '-' || n)::uuid as s from generate_series(1, $2) n) x
"""
SAID = """
insert into workflow_messages (session_id, content, created_at, partition, lane)
select s, m || ' of ' || n, now(), workflow_partition(s), $1::integer
from (select n, m, md5($1::integer || '-' || n)::uuid as s from generate_series(1, $2) n, generate_series(1, $3) m) x
"""


@pytest.fixture
async def store(database: str, connection: Connection) -> AsyncIterator[Store]:
    store = await open_store(database)
    await deploy(store)
    await connection.execute("alter table workflow_messages disable trigger user")
    yield store
    await close_store(store)


async def flood(connection: Connection, lane: int, sessions: int, messages: int = 1, *, waiting: bool = True) -> None:
    if waiting:
        await connection.execute(WAITING, lane, sessions)
    await connection.execute(SAID, lane, sessions, messages)


async def buffers(connection: Connection, held: Sequence[int], care: Care) -> int:
    """Return how many pages the statement looks at, as the daemon plans it."""
    await connection.execute("analyze workflow_messages, workflow_executions")
    await connection.execute("set plan_cache_mode = force_generic_plan")
    found = await connection.fetchval(
        "explain (analyze, buffers, format json) " + query("fetch_fairly"),
        "d1", list(held), 1000, None, list(care.thick), care.start, list(care.left_out),
    )  # fmt: skip
    plan: dict[str, Any] = json.loads(found)[0]["Plan"]
    return int(plan["Shared Hit Blocks"]) + int(plan["Shared Read Blocks"])


async def test_a_session_s_flood_hides_nobody_and_is_not_read(store: Store, connection: Connection) -> None:
    pages = []
    for count in (20, 20_000):
        await connection.execute("truncate workflow_messages, workflow_executions cascade")
        await flood(connection, 5, 1, count)
        await flood(connection, 6, 1)
        found, more = await store.fetch_fairly([], 1000, None, PLAIN)
        assert more
        assert [m.content for m in found if m.lane == 5] == [f"{n} of 1" for n in range(1, 5)]
        assert [m.content for m in found if m.lane == 6] == ["1 of 1"]
        held = [m.id for m in found if m.lane == 5]
        found, more = await store.fetch_fairly(held, 1000, None, PLAIN)
        assert more and [m.lane for m in found] == [6]
        pages.append(await buffers(connection, held, PLAIN))
    assert pages[1] < 2 * pages[0] + 100  # of some 800: a thousand times as much costs no more than deeper indexes


async def test_a_lane_s_flood_leaves_room_for_each_other_lane(store: Store, connection: Connection) -> None:
    await flood(connection, 5, 3000)
    await flood(connection, 6, 1)
    await flood(connection, 4, 2)
    found, more = await store.fetch_fairly([], 10, None, PLAIN)
    assert more and len(found) == 10
    assert {lane: sum(m.lane == lane for m in found) for lane in (4, 5, 6)} == {4: 2, 5: 7, 6: 1}
    found, more = await store.fetch_fairly([], 100, None, Care((), START, (5,)))
    assert sorted(m.lane for m in found) == [4, 4, 6]


async def test_a_thick_lane_is_found_whole_by_looks_from_here_and_there(
    store: Store, connection: Connection, rng: Random
) -> None:
    await flood(connection, 5, 2500)
    await flood(connection, 6, 3)
    held: set[int] = set()
    for look in range(400):
        start = UUID(int=rng.getrandbits(128)) if look % 2 else START
        found, more = await store.fetch_fairly(held, 1000, None, Care((5,), start, ()))
        assert not held.intersection(m.id for m in found)
        held.update(m.id for m in found)
        if look == 0:
            assert sum(m.lane == 6 for m in found) == 3
        if len(held) == 2503:
            break
    assert len(held) == 2503
    found, more = await store.fetch_fairly(held, 1000, None, PLAIN)
    assert not found and not more


async def test_messages_that_nobody_hears_hide_nobody(store: Store, connection: Connection) -> None:
    await flood(connection, 5, 300, waiting=False)
    await flood(connection, 4, 1, 300, waiting=False)
    await flood(connection, 6, 300)
    held: set[int] = set()
    for _ in range(10):
        found, _ = await store.fetch_fairly(held, 1000, None, PLAIN)
        assert {m.lane for m in found} <= {6}
        held.update(m.id for m in found)
    assert len(held) == 300


async def test_f26_the_order_of_a_session_holds_across_its_lanes(store: Store, connection: Connection) -> None:
    """Its script changed: what came before is in another lane, and may be more than one look takes."""
    asked = await asking(store, connection)
    assert asked.session_id is not None
    for n in range(30):
        await say_in_lane(connection, asked.session_id, n, lane=9 if n < 20 else 3)
    await flood(connection, 5, 1)
    held: list[int] = []
    heard: list[str] = []
    for _ in range(20):
        found, _ = await store.fetch_fairly(held, 1000, None, PLAIN)
        heard += [m.content for m in found if m.session_id == asked.session_id]
        held += [m.id for m in found]
        await connection.execute("delete from workflow_messages where id = any ($1)", held)
        held.clear()
    assert heard == [str(n) for n in range(30)]


async def say_in_lane(connection: Connection, session: UUID, number: int, lane: int) -> None:
    await connection.execute(
        "insert into workflow_messages (session_id, content, created_at, partition, lane)"
        " values ($1, $2, now(), workflow_partition($1), $3)",
        session, str(number), lane,
    )  # fmt: skip


async def test_where_there_is_no_crowd_both_statements_find_the_same(
    store: Store, connection: Connection, rng: Random
) -> None:
    await connection.execute("alter table workflow_messages enable trigger user")
    # One of each partition: four messages of a lane in one partition would be a crowd.
    sessions = {partition_of(session): session for session in (uuid4() for _ in range(60))}.values()
    for number, session in enumerate(sessions):
        if number % 3:
            await asking(store, connection, session)
        for n in range(rng.randrange(4)):
            await say(connection, session, str(n))
    plain = await store.fetch_messages([], 1000)
    held = [m.id for m in plain if rng.random() < 0.3]
    usual = await store.fetch_messages(held, 1000)
    assert len(usual) > 10
    behind = {m.session_id for m in plain if m.id in held}
    await compare(store, usual, held, None, behind)
    some = sorted({m.id % 256 for m in usual})[:9]
    await compare(store, await store.fetch_messages([], 1000, some), [], some, set())


async def compare(
    store: Store,
    usual: Sequence[PendingMessage],
    held: Sequence[int],
    partitions: Sequence[int] | None,
    behind: set[UUID],
) -> None:
    """Fair looks find the same sessions, and of each the first messages: more come when these are used up. What is
    `behind` messages in hand may have to wait for them."""
    found: list[PendingMessage] = []
    while True:
        looked, _ = await store.fetch_fairly([*held, *(m.id for m in found)], 1000, partitions, PLAIN)
        found += looked
        if not looked:
            break
    for session in {m.session_id for m in usual} | {m.session_id for m in found}:
        mine = [m for m in found if m.session_id == session]
        assert mine or session in behind
        assert mine == [replace(m, now=n.now) for m, n in zip(of(usual, session), mine, strict=False)]


def of(messages: Sequence[PendingMessage], session: UUID) -> list[PendingMessage]:
    return [m for m in messages if m.session_id == session]


async def test_the_lane_of_a_message_is_its_hearer_s_script_of_its_bot(store: Store, connection: Connection) -> None:
    await connection.execute("alter table workflow_messages enable trigger user")
    alone, session, other = uuid4(), uuid4(), uuid4()
    await asking(store, connection, session)
    await asking(store, connection, other)
    for one in (alone, session, other):
        await say(connection, one)
    rows = await connection.fetch("select session_id, lane from workflow_messages")
    lanes = {row["session_id"]: row["lane"] for row in rows}
    assert lanes[alone] == 0 and lanes[session] == lanes[other] > 0
    bots = [await connection.fetchval("select workflow_lane($1, $2)", bot, PLAN.script) for bot in (None, uuid4())]
    assert lanes[session] == bots[0] != bots[1]
