"""fetch_fairly: however much is said in one session, in one lane or to one bot, the others' messages are found without reading it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from daemon.crowd import Care, Crowd, Place
from daemon.held import Held
from daemon.migrations import Connection
from daemon.rows import PendingMessage, bot_of_lane
from daemon.statements import query
from daemon.store import Store
from tests.sql.world import PLAN, asking, close_store, deploy, open_store, say

PLAIN = Care()

# Waiting conversations by the thousand, without their triggers: session n of lane l is md5(l, n), lane l is script l % 10
# of bot l / 10.
WAITING = """
insert into workflow_executions (id, workflow_name, state_json, status, session_id, script_path, plan_hash, mode, wait_kind,
    start_order, partition)
select gen_random_uuid(), 't', '{}', 'waiting', s, 't', 'p1', 'workflow', 'message', n, workflow_partition(s)
from (select n, md5($1::integer || '-' || n)::uuid as s from generate_series(1, $2) n) x
"""
SAID = """
insert into workflow_messages (session_id, content, created_at, partition, lane)
select s, m || ' of ' || n, now(), workflow_partition(s), ($1::bigint / 10) << 32 | $1 % 10
from (select n, m, md5($1::integer || '-' || n)::uuid as s from generate_series(1, $2) n, generate_series(1, $3) m) x
"""


def lane(number: int) -> int:
    return number // 10 << 32 | number % 10


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
    places = list(care.go_on.values())
    found = await connection.fetchval(
        "explain (analyze, buffers, format json) " + query("fetch_fairly"),
        "d1", list(held), 64, list(care.left_out), list(care.go_on), [p for p, _ in places], [s for _, s in places],
        care.wanted, care.first,
    )  # fmt: skip
    plan: dict[str, Any] = json.loads(found)[0]["Plan"]
    return int(plan["Shared Hit Blocks"]) + int(plan["Shared Read Blocks"])


def by_lanes(found: Sequence[PendingMessage]) -> dict[int, int]:
    return dict(sorted(Counter(bot_of_lane(m.lane) * 10 + (m.lane & 0xFFFFFFFF) for m in found).items()))


async def test_a_session_s_flood_hides_nobody_and_is_not_read(store: Store, connection: Connection) -> None:
    pages = []
    for count in (20, 20_000):
        await connection.execute("truncate workflow_messages, workflow_executions cascade")
        await flood(connection, 50, 1, count)
        await flood(connection, 60, 1)
        found, go_on, more = await store.fetch_fairly([], 1000, PLAIN)
        assert more and not go_on
        assert [m.content for m in found if m.lane == lane(50)] == [f"{n} of 1" for n in range(1, 5)]
        assert [m.content for m in found if m.lane == lane(60)] == ["1 of 1"]
        held = [m.id for m in found if m.lane == lane(50)]
        pages.append(await buffers(connection, held, PLAIN))
    assert pages[1] < pages[0] + 100  # a thousand times as much costs no more than deeper indexes


async def test_a_lane_s_many_sessions_are_not_read_to_find_another_lane(store: Store, connection: Connection) -> None:
    pages = []
    for sessions in (100, 5_000):
        await connection.execute("truncate workflow_messages, workflow_executions cascade")
        await flood(connection, 50, sessions)
        await flood(connection, 60, 1)
        found, go_on, more = await store.fetch_fairly([], 64, PLAIN)
        assert more and by_lanes(found) == {50: 8, 60: 1}
        found, go_on, more = await store.fetch_fairly([m.id for m in found], 64, Care((), go_on))
        assert more and by_lanes(found) == {50: 32}
        pages.append(await buffers(connection, [], Care((), go_on)))
    assert pages[1] < pages[0] + 300


async def test_each_bot_has_as_many_as_every_other_whatever_its_scripts(store: Store, connection: Connection) -> None:
    for script in range(10):
        await flood(connection, 50 + script, 20)
    await flood(connection, 60, 20)
    await flood(connection, 40, 2)
    found, go_on, more = await store.fetch_fairly([], 14, PLAIN)
    assert more and by_lanes(found) == {40: 2, **{50 + n: 1 for n in range(6)}, 60: 6}
    held = [m.id for m in found]
    found, go_on, more = await store.fetch_fairly(held, 14, Care((5,), go_on))
    assert more and by_lanes(found) == {60: 14}
    found, _, more = await store.fetch_fairly([*held, *(m.id for m in found)], 14, Care((5, 6), go_on))
    assert more and not found


async def test_of_more_bots_than_a_look_takes_each_has_its_turn(
    store: Store, connection: Connection, rng: Random
) -> None:
    for bot in range(100):
        await flood(connection, bot * 10, 3)
    first = Counter[int]()
    for _ in range(30):
        found, _, more = await store.fetch_fairly([], 10, Care(first=rng.randrange(100)))
        assert more and len(by_lanes(found)) == 10
        first.update(by_lanes(found).keys())
    assert len(first) > 80


async def test_a_crowd_is_found_whole(store: Store, connection: Connection, rng: Random) -> None:
    """A thick lane, a bot with several, sessions that talk a lot, and messages that nobody hears among them."""
    await flood(connection, 50, 700)
    for script in range(3):
        await flood(connection, 70 + script, 40, 3)
    await flood(connection, 60, 1, 30)
    await flood(connection, 80, 300, waiting=False)
    await connection.execute("delete from workflow_executions where session_id in (select session_id from workflow_executions"
                             " where partition between 100 and 130)")  # fmt: skip
    usual = {m.id for m in await store.fetch_messages([], 5000)}
    held, crowd = Held(), Crowd(Held(), rng, bot_held_max=500)  # as if all that was found were used up at once
    seen: dict[UUID, int] = {}
    for _ in range(400):
        found, go_on, more = await store.fetch_fairly(list(held.ids), 32, crowd.care(enough=False))
        crowd.learn(len(found), go_on, more=more)
        for message in found:
            assert message.id in usual and message.id not in held
            assert seen.get(message.session_id, 0) < message.id, "the order of a session"
            seen[message.session_id] = message.id
            held.add(message)
        if not crowd.crowded:
            break
    assert not crowd.unsettled and set(held.ids) == usual


async def test_messages_that_nobody_hears_hide_nobody(store: Store, connection: Connection, rng: Random) -> None:
    await flood(connection, 50, 300, waiting=False)
    await flood(connection, 40, 1, 300, waiting=False)
    await flood(connection, 60, 300)
    held, crowd = set[int](), Crowd(Held(), rng, bot_held_max=500)
    for _ in range(60):
        found, go_on, more = await store.fetch_fairly(held, 1000, crowd.care(enough=False))
        crowd.learn(len(found), go_on, more=more)
        assert set(by_lanes(found)) <= {60}
        held.update(m.id for m in found)
        if not crowd.crowded:
            break
    assert len(held) == 300 and not crowd.crowded


async def test_partitions_of_another_daemon_are_passed_over(store: Store, connection: Connection, rng: Random) -> None:
    await flood(connection, 50, 300)
    await connection.execute("update workflow_partitions set owner = 'other' where number % 4 > 0")
    usual = {m.id for m in await store.fetch_messages([], 5000)}
    held, crowd = set[int](), Crowd(Held(), rng, bot_held_max=500)
    for _ in range(60):
        found, go_on, more = await store.fetch_fairly(held, 1000, crowd.care(enough=False))
        crowd.learn(len(found), go_on, more=more)
        held.update(m.id for m in found)
        if not crowd.crowded:
            break
    assert not crowd.crowded and held == usual and 30 < len(held) < 150


async def test_f26_the_order_of_a_session_holds_across_its_lanes(store: Store, connection: Connection) -> None:
    """Its script changed: what came before is in another lane, and may be more than one look takes."""
    asked = await asking(store, connection)
    assert asked.session_id is not None
    for n in range(30):
        await say_in_lane(connection, asked.session_id, n, lane=90 if n < 20 else 30)
    await flood(connection, 50, 1)
    held: list[int] = []
    heard: list[str] = []
    for _ in range(20):
        found, _, _ = await store.fetch_fairly(held, 1000, PLAIN)
        heard += [m.content for m in found if m.session_id == asked.session_id]
        held += [m.id for m in found]
        await connection.execute("delete from workflow_messages where id = any ($1)", held)
        held.clear()
    assert heard == [str(n) for n in range(30)]


async def say_in_lane(connection: Connection, session: UUID, number: int, lane: int) -> None:
    await connection.execute(
        "insert into workflow_messages (session_id, content, created_at, partition, lane)"
        " values ($1, $2, now(), workflow_partition($1), $3)",
        session, str(number), lane // 10 << 32 | lane % 10,
    )  # fmt: skip


async def test_where_there_is_no_crowd_both_statements_find_the_same(
    store: Store, connection: Connection, rng: Random
) -> None:
    await connection.execute("alter table workflow_messages enable trigger user")
    sessions = [uuid4() for _ in range(60)]
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
    await compare(store, usual, held, behind)


async def compare(
    store: Store,
    usual: Sequence[PendingMessage],
    held: Sequence[int],
    behind: set[UUID],
) -> None:
    """Fair looks find the same sessions, and of each the first messages: more come when these are used up. What is
    `behind` messages in hand may have to wait for them."""
    found: list[PendingMessage] = []
    go_on: Mapping[int, Place] = {}
    while True:
        looked, go_on, _ = await store.fetch_fairly([*held, *(m.id for m in found)], 1000, Care((), go_on))
        found += looked
        if not (looked or go_on):
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
    another = await connection.fetchval("select workflow_lane(null, 'another.bas')")
    assert bot_of_lane(another) == bot_of_lane(bots[0]) != bot_of_lane(bots[1]) and another != bots[0]
