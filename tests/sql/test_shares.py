"""Many daemons share the partitions: whoever comes, leaves, dies or is paused, soon everybody has a fair share again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from random import Random
from typing import Any

import asyncpg
import pytest

from daemon.migrations import Connection
from daemon.partitions import PARTITIONS, Partitions
from daemon.store import open_pool
from daemon.store_partitions import Herald, PartitionStore
from tests.scale import examples
from tests.sql.world import move_clock, stop_clock

LEASE = 10.0
SETTLED_ROUNDS = 3  # of every daemon, in any order: all are seen, all give back, all have claimed
AT_ONCE_MAX = 4


class Fleet:
    """Daemons of which only the rounds are run, one each second of the schema's clock."""

    def __init__(self, pool: asyncpg.Pool[Any], clock: Connection, random: Random) -> None:
        self.pool = pool
        self.clock = clock
        self.random = random
        self.alive: list[Partitions] = []
        self.paused: list[Partitions] = []
        self.names = 0
        self.lost: list[frozenset[int]] = []

    def join(self) -> Partitions:
        self.names += 1
        store = PartitionStore(self.pool, Herald(f"d{self.names}", "here", self.names, "1.0"))
        daemon = Partitions(
            store,
            Random(self.random.random()),
            lease_seconds=LEASE,
            on_gain=_nothing,
            on_owned=lambda: None,
            on_loss=self.lost.append,
        )
        self.alive.append(daemon)
        return daemon

    def pick(self) -> Partitions:
        return self.alive.pop(self.random.randrange(len(self.alive)))

    async def rounds(self, count: int) -> None:
        """Every living daemon has so many rounds, in random order, some of them at the same time."""
        for _ in range(count):
            order = self.random.sample(self.alive, len(self.alive))
            while order:
                at_once = self.random.randint(1, AT_ONCE_MAX)
                together, order = order[:at_once], order[at_once:]
                await asyncio.gather(*(one._tend() for one in together))

    async def seconds(self, count: int) -> None:
        """So many seconds go by, with a round of everyone in each."""
        for _ in range(count):
            await move_clock(self.clock, timedelta(seconds=1))
            await self.rounds(1)

    async def epochs(self) -> dict[int, int]:
        return {row[0]: row[1] for row in await self.clock.fetch("select number, epoch from workflow_partitions")}

    async def check_settled(self) -> None:
        """Everything is owned once, the shares differ by one at most, and what is remembered is what is true."""
        shares = [len(one.owned) for one in self.alive]
        assert sum(shares) == PARTITIONS and len(frozenset().union(*(one.owned for one in self.alive))) == PARTITIONS
        assert max(shares) - min(shares) <= 1
        rows = await self.clock.fetch(
            "select owner, array_agg(number) as numbers from workflow_partitions group by owner"
        )
        owned = {row["owner"]: frozenset(row["numbers"]) for row in rows}
        assert owned == {one._store._herald.owner: one.owned for one in self.alive if one.owned}
        before = await self.epochs()
        await self.rounds(2)
        assert await self.epochs() == before, "and it stays so"


async def _nothing(_: frozenset[int]) -> None:
    pass


@pytest.fixture
async def fleet(database: str, connection: Connection, rng: Random) -> AsyncIterator[Fleet]:
    await stop_clock(connection)
    pool = await open_pool(database, size_max=AT_ONCE_MAX)
    yield Fleet(pool, connection, rng)
    pool.terminate()


async def test_f12_shares_converge_whoever_comes_and_goes(fleet: Fleet) -> None:
    """Joins, leaves, crashes and pauses in random order; after each, three rounds settle it."""
    for _ in range(examples(25)):
        what = fleet.random.choice(("join", "join", "leave", "crash", "pause", "wake"))
        if what == "join" or not fleet.alive:
            for _ in range(fleet.random.choice((1, 1, 1, 3))):
                fleet.join()
        elif what == "leave" and len(fleet.alive) > 1:
            leaving = fleet.pick()
            if fleet.random.random() < 0.5:
                leaving.leave()
                await leaving._tend()
                await leaving.give_back(fleet.random.sample(range(PARTITIONS), 100))
                await fleet.rounds(1)
            await leaving.release()
        elif what in ("crash", "pause") and len(fleet.alive) > 1:
            gone = fleet.pick()
            await fleet.seconds(int(LEASE) - 1)
            await fleet.rounds(1)  # at once: whoever has found it gone tells the others
            owned = await fleet.clock.fetchval(
                "select count(*) from workflow_partitions where owner in (select owner from workflow_daemons)"
            )
            assert owned == PARTITIONS, "everything of the silent one is owned again within the lease"
            if what == "pause":
                fleet.paused.append(gone)
        elif what == "wake" and fleet.paused:
            woken = fleet.paused.pop()
            held = woken.owned
            fleet.lost.clear()
            await woken._tend()
            assert not held or held <= frozenset().union(*fleet.lost), "it drops all that it held"
            fleet.alive.append(woken)
        await fleet.rounds(SETTLED_ROUNDS)
        await fleet.check_settled()


async def test_a_daemon_that_comes_takes_no_more_than_its_share(fleet: Fleet) -> None:
    """What moves is what must: the others keep what they have."""
    for count in range(1, 9):
        before = await fleet.epochs()
        fleet.join()
        await fleet.rounds(SETTLED_ROUNDS)
        after = await fleet.epochs()
        moved = sum(after[number] != epoch for number, epoch in before.items())
        assert moved <= PARTITIONS // count + count
        await fleet.check_settled()


async def test_f57_a_hundred_daemons_come_at_once(fleet: Fleet) -> None:
    for _ in range(100):
        fleet.join()
    await fleet.rounds(SETTLED_ROUNDS)
    await fleet.check_settled()
    assert {len(one.owned) for one in fleet.alive} == {2, 3}


async def test_f19_a_round_whose_answer_is_lost_is_repeated_without_harm(fleet: Fleet) -> None:
    """The database has done it, the daemon does not know: it learns so in the next round."""
    one, other = fleet.join(), fleet.join()
    await one._tend()
    tend = one._store.tend

    async def unheard(*given: Any, **named: Any) -> Any:
        await tend(*given, **named)
        raise ConnectionError

    one._store.tend = unheard  # type: ignore[method-assign]
    for _ in range(3):
        with pytest.raises(ConnectionError):
            await one._tend()
        await other._tend()
    one._store.tend = tend  # type: ignore[method-assign]
    await fleet.rounds(SETTLED_ROUNDS)
    await fleet.check_settled()
    release = one._store.release

    async def given_back_unheard(partitions: Any = None) -> list[int]:
        await release(partitions)
        raise ConnectionError

    one._store.release = given_back_unheard  # type: ignore[method-assign]
    with pytest.raises(ConnectionError):
        await one.give_back(range(PARTITIONS))
    one._store.release = release  # type: ignore[method-assign]
    await fleet.rounds(SETTLED_ROUNDS)
    await fleet.check_settled()


async def test_what_is_pinned_is_kept_and_the_rest_is_shared(fleet: Fleet) -> None:
    first = fleet.join()
    await first._tend()
    first._pinned = lambda: range(200)
    second = fleet.join()
    await fleet.rounds(3)
    assert first.owned == frozenset(range(200)) and second.owned == frozenset(range(200, PARTITIONS))


async def test_f14_nothing_is_remembered_of_others(fleet: Fleet, connection: Connection) -> None:
    """The database forgets it all, as after a restore from a backup: the rows decide, and soon all is owned again."""
    for _ in range(3):
        fleet.join()
    await fleet.rounds(SETTLED_ROUNDS)
    await connection.execute("delete from workflow_daemons")
    await connection.execute("update workflow_partitions set owner = 'of another time'")
    await fleet.rounds(SETTLED_ROUNDS)
    await fleet.check_settled()
