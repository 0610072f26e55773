"""Notifications: sent only to a sleeper, never missed by one falling asleep, never the writer's failure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import asyncpg
import pytest

from daemon.migrations import Connection
from daemon.store import Store
from engine.effects import Reply
from tests.sql.world import ask, asking, close_store, open_store, say, shares_of, start

EVERY = range(256)


class Ear:
    """A listening connection and what it heard. A round trip flushes what was sent before it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.heard: list[str] = []

    async def listen(self, channel: str) -> None:
        await self.connection.add_listener(channel, lambda *what: self.heard.append(str(what[3])))

    async def take(self) -> list[str]:
        await self.connection.execute("select 1")
        heard, self.heard = self.heard, []
        return heard


@pytest.fixture
async def ear(database: str, store: Store) -> AsyncIterator[Ear]:
    connection = await asyncpg.connect(database)
    ear = Ear(connection)
    await ear.listen(await store.channel("wake"))
    yield ear
    await connection.close()


async def partition(connection: Connection, session: UUID) -> str:
    return str(await connection.fetchval("select workflow_partition($1)", session))


async def test_only_a_sleeper_is_notified_with_the_partition(store: Store, connection: Connection, ear: Ear) -> None:
    session = uuid4()
    await say(connection, session)
    assert await ear.take() == [], "nobody sleeps: no notification"
    assert await store.try_doze(ear.connection, EVERY)
    await say(connection, session)
    assert await ear.take() == [await partition(connection, session)]
    sessions = [uuid4() for _ in range(20)]
    await connection.execute(
        "insert into workflow_messages (session_id, content) select s, 'x'"
        " from unnest($1::uuid[]) s, generate_series(1, 5)",
        sessions,
    )
    heard = await ear.take()
    assert sorted(heard) == sorted({await partition(connection, one) for one in sessions}), "once for each partition"
    await store.wake_up(ear.connection)
    await store.wake_up(ear.connection)
    await say(connection, session)
    assert await ear.take() == []


async def test_nobody_falls_asleep_over_an_insert_that_will_not_notify(
    store: Store, connection: Connection, ear: Ear
) -> None:
    session = uuid4()
    await asking(store, connection, session)
    transaction = connection.transaction()
    await transaction.start()
    await say(connection, session)
    # The row is invisible and its trigger sent nothing, for nobody slept. To sleep now would be to miss it.
    assert await store.fetch_messages([], 10) == []
    assert not await store.try_doze(ear.connection, EVERY)
    await transaction.commit()
    assert await store.try_doze(ear.connection, EVERY)
    assert len(await store.fetch_messages([], 10)) == 1, "what skipped its notification is visible to the last look"
    assert await ear.take() == []


async def test_a_doze_that_fails_holds_nothing(store: Store, connection: Connection, ear: Ear) -> None:
    transaction = connection.transaction()
    await transaction.start()
    await say(connection, uuid4())
    assert not await store.try_doze(ear.connection, EVERY)
    held = "select count(*) from pg_locks where locktype = 'advisory' and mode = 'ExclusiveLock'"
    assert await connection.fetchval(held) == 0
    await transaction.rollback()
    assert await store.try_doze(ear.connection, EVERY)
    assert await connection.fetchval(held) == 256


async def test_one_who_owns_nothing_does_not_sleep_for_others(store: Store, ear: Ear, database: str) -> None:
    other = await open_store(database, "d2")
    assert (await shares_of(other).tend(60)).epochs == {}
    assert not await other.try_doze(ear.connection, EVERY)
    await close_store(other)


async def test_no_wake_is_missed_by_a_sleeper_while_many_insert(store: Store, ear: Ear, database: str) -> None:
    """The protocol, in a race: the sleeper never ends with a row it was not told of and did not see."""
    sessions = [uuid4() for _ in range(8)]
    own = await asyncpg.connect(database)
    for session in sessions:
        await asking(store, own, session)
    seen: set[int] = set()
    told = asyncio.Event()
    await ear.connection.add_listener(await store.channel("wake"), lambda *_: told.set())

    async def insert(session: UUID) -> None:
        client = await asyncpg.connect(database)
        for number in range(25):
            await say(client, session, str(number))
        await client.close()

    async def look() -> bool:
        new = await store.fetch_messages(list(seen), 1000)
        seen.update(message.id for message in new)
        return bool(new)

    async def listen() -> None:
        while len(seen) < 200:
            while await look():
                pass
            if not await store.try_doze(ear.connection, EVERY):
                continue
            told.clear()
            if not await look() and len(seen) < 200:
                await asyncio.wait_for(told.wait(), 10)
            await store.wake_up(ear.connection)

    await asyncio.gather(listen(), *(insert(session) for session in sessions))
    assert len(seen) == 200
    await own.close()


async def test_starts_and_operators_wake_the_sleeper(store: Store, connection: Connection, ear: Ear) -> None:
    assert await store.try_doze(ear.connection, EVERY)
    session = uuid4()
    number = await partition(connection, session)
    started = await start(connection, session)
    assert await ear.take() == [f"+{number}"]
    assert await start(connection, session) == started
    assert await ear.take() == [], "nothing was started"
    for act in ("pause", "resume", "cancel"):
        await connection.execute(f"select workflow_{act}($1)", started)
        assert await ear.take() == [f"+{number}"], act
        await connection.execute(f"select workflow_{act}($1)", started)
        assert await ear.take() == [], f"the second {act} does nothing"
    alone = await start(connection)
    assert await ear.take() == ["+" + await partition(connection, alone)], (
        "without a session the execution has the share"
    )


async def test_replies_notify_once_for_each_session_of_a_commit(store: Store, connection: Connection, ear: Ear) -> None:
    await ear.listen(await store.channel("replies"))
    session = uuid4()
    await ask(store, await start(connection, session), replies=(Reply("a"), Reply("b"), Reply("c")))
    assert await ear.take() == [str(session)]
    await ask(store, await start(connection), replies=(Reply("to nobody"),))
    assert await ear.take() == []


async def test_f8_no_message_is_too_long_to_notify(store: Store, connection: Connection, ear: Ear) -> None:
    assert await store.try_doze(ear.connection, EVERY)
    session = uuid4()
    await say(connection, session, "\N{PILE OF POO}'\\" * 30_000)
    [payload] = await ear.take()
    assert len(payload) <= 3


async def test_without_the_shared_lock_a_wake_would_be_missed(store: Store, connection: Connection, ear: Ear) -> None:
    """The control of the tests above: a trigger that only looks whether someone sleeps lets a message lie."""
    trigger = await connection.fetchval("select pg_get_functiondef('workflow_messages_check'::regproc)")
    lock = "not pg_try_advisory_xact_lock_shared(hashtext('stepwell ' || current_schema()), new.partition)"
    assert lock in trigger
    looks = "exists (select from pg_locks l where l.locktype = 'advisory' and l.mode = 'ExclusiveLock')"
    await connection.execute(trigger.replace(lock, looks))
    session = uuid4()
    await asking(store, connection, session)
    transaction = connection.transaction()
    await transaction.start()
    await say(connection, session)
    assert await store.try_doze(ear.connection, EVERY), "it falls asleep while the message is in flight"
    assert await store.fetch_messages([], 10) == []
    await transaction.commit()
    assert await ear.take() == [], "and nobody ever tells it"
    assert len(await store.fetch_messages([], 10)) == 1
