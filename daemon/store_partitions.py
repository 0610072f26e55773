"""Who owns which partitions: the row by which a daemon lives, and what is its own."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from daemon.statements import query
from daemon.store import Pool


@dataclass(frozen=True, slots=True)
class Herald:
    """How a daemon announces itself: its owner's name, which no other has, ever, and what operators want to know."""

    owner: str
    host: str
    pid: int
    version: str


@dataclass(frozen=True, slots=True)
class Tended:
    """What a daemon owns after a round: the epoch of each partition. `share` is how many it should own, `daemons` how
    many share them, `others` the owners besides it that may still live."""

    epochs: dict[int, int]
    share: int
    daemons: int
    others: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ListedDaemon:
    """A line of `ps --daemons`; the line of partitions that nobody owns has no owner. `seconds`: what is left of its
    lease; `executions`: how many it held in memory when it said so last."""

    owner: str | None
    host: str | None
    pid: int | None
    version: str | None
    started_at: datetime | None
    leaving: bool | None
    partitions: int
    executions: int | None
    seconds: float | None
    now: datetime


class PartitionStore:
    """The statements of one daemon about its partitions, on a pool of open_pool."""

    def __init__(self, pool: Pool, herald: Herald) -> None:
        self._pool = pool
        self._herald = herald

    async def tend(
        self, lease_seconds: float, *, leaving: bool = False, executions: int = 0, gone: Collection[str] = ()
    ) -> Tended:
        """Live for so many seconds more, end who has ended, claim what is free up to our share. Safe to repeat.

        `gone` are owners that certainly live no more; a daemon that is `leaving` claims nothing.
        """
        one = self._herald
        about = (one.owner, one.host, one.pid, one.version)
        row = await self._pool.fetchrow(
            query("tend_partitions"), *about, lease_seconds, leaving, executions, list(gone)
        )
        assert row is not None
        epochs = dict(zip(row["partitions"], row["epochs"], strict=True))
        return Tended(epochs, row["share"], row["daemons"], tuple(row["others"]))

    async def release(self, partitions: Collection[int] | None = None) -> list[int]:
        """Give some back, or all and be no daemon any more; return what that was, sorted."""
        given = None if partitions is None else list(partitions)
        rows = await self._pool.fetch(query("release_partitions"), self._herald.owner, given)
        return sorted(row[0] for row in rows)


async def list_daemons(pool: Pool) -> list[ListedDaemon]:
    """Return every daemon, the oldest first, and last a line for partitions that nobody owns, if there are any."""
    return [ListedDaemon(*row) for row in await pool.fetch(query("list_daemons"))]
