"""Which share of the sessions is ours, and until when.

A daemon lives by a row that it prolongs; whoever finds a row whose lease has ended deletes it, and what it owned is
free. Each takes its share of the 256 partitions and gives back what it has above that, so daemons may come and go
without anybody being told. Nothing about the others is remembered: each round asks the database.

States: *joining* (no round has been answered yet), *held* (every write is allowed until `until`, a moment of our own
clock that lies before the lease's end on the database's), *late* (rounds are not answered: the daemon fences itself,
drops what it holds in memory, commits nothing more, and joins anew), *leaving* (it claims nothing more and gives back
what it can), *released*. The fence that counts is in the statements: they write nothing for who is not the owner.
What is remembered here only saves the trouble, so a daemon that was paused and wakes up late needs no other care.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from random import Random

import structlog

from daemon.bell import Bell
from daemon.store_partitions import PartitionStore

PARTITIONS = 256
# Of the lease that is configured. Silent for that long, a daemon has been succeeded already: its row ends before, by as
# much as the others may take to look, and it stops itself before its row ends, however fast its clock runs.
TERM_SHARE = 0.8
FENCE_SHARE = 0.7
ROUNDS_PER_LEASE = 10
ATTEMPTS_PER_LEASE = 3
ROUND_SECONDS_MAX = 1.0
HERD_SECONDS = 0.002  # for each daemon that looks because another came or went, so that not all do at once
HERD_SECONDS_MAX = 0.25

log = structlog.get_logger(__name__)


def seconds_awake() -> float:
    """Return a clock that never goes back, and goes on while the machine is suspended (the monotonic one may not)."""
    return time.clock_gettime(_CLOCK)


_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Partitions:
    """The leases of this daemon, on a connection of their own."""

    def __init__(
        self,
        store: PartitionStore,
        random: Random,
        *,
        lease_seconds: float,
        on_gain: Callable[[frozenset[int]], Awaitable[None]],
        on_owned: Callable[[], None],
        on_loss: Callable[[frozenset[int]], None],
        is_gone: Callable[[str], bool] = lambda _: False,
        in_memory: Callable[[], int] = lambda: 0,
        pinned: Callable[[], Collection[int]] = frozenset,
    ) -> None:
        """`on_gain` runs before anything newly owned is worked on, `on_owned` when that may begin, `on_loss` when
        something is another's from now on. `is_gone` tells whether another owner certainly has ended: its lease is
        not waited for. `in_memory` is how many executions are; `pinned` are partitions that are not given back for
        others' sake, because what is in memory for them is nowhere else."""
        self._store = store
        self._random = random
        self._lease_seconds = lease_seconds
        self._on_gain = on_gain
        self._on_owned = on_owned
        self._on_loss = on_loss
        self._is_gone = is_gone
        self._in_memory = in_memory
        self._pinned = pinned
        self._until = 0.0
        self._epochs: dict[int, int] = {}  # of what is owned: it may be lost and owned again between two rounds
        self._others: tuple[str, ...] = ()
        self._strays: frozenset[int] = frozenset()  # what was on its way into memory when they were given back
        self._leaving = False
        self._poke = Bell()
        self._one_at_a_time = asyncio.Lock()
        self.owned: frozenset[int] = frozenset()
        self.problem = "the partitions are not claimed yet"

    def may_write(self) -> bool:
        """Whether the lease certainly still runs."""
        return seconds_awake() < self._until

    @property
    def alone(self) -> bool:
        """Whether no other daemon was there in the last round."""
        return not self._others

    @property
    def reason(self) -> str | None:
        """Why the daemon is not ready, or None. One whose share others still have, or that has none, is ready."""
        return None if self.may_write() else self.problem

    def look(self) -> None:
        """Have a round soon: another daemon came, went, or gave something back."""
        self._poke.ring()

    async def run(self) -> None:
        """Hold our share until cancelled."""
        pause = min(ROUND_SECONDS_MAX, self._lease_seconds / ROUNDS_PER_LEASE)
        while True:
            try:
                async with asyncio.timeout(self._lease_seconds / ATTEMPTS_PER_LEASE), self._one_at_a_time:
                    await self._tend()
            except Exception as error:
                said = str(error) or type(error).__name__
                self.problem = f"the lease cannot be prolonged: {said}"
                log.warning("lease_not_renewed", error=said)
                if self.owned and not self.may_write():
                    self._lose(self.owned, "the lease could not be prolonged in time")
                await asyncio.sleep(pause * (0.5 + self._random.random() / 2))
                continue
            if await self._poke.wait(pause * (0.75 + self._random.random() / 4)):
                herd = min(HERD_SECONDS_MAX, HERD_SECONDS * len(self._others))
                await asyncio.sleep(herd * self._random.random())

    async def _tend(self) -> None:
        """One round. A round that is cut short is done again, and nothing of it counts twice."""
        if self._strays:
            self._on_loss(self._strays - self.owned)
            self._strays = frozenset()
        gone = [owner for owner in self._others if self._is_gone(owner)]
        for owner in gone:
            log.warning("owner_gone", owner=owner)
        asked = seconds_awake()
        tended = await self._store.tend(
            self._lease_seconds * TERM_SHARE, leaving=self._leaving, executions=self._in_memory(), gone=gone
        )
        epochs, self._others = tended.epochs, tended.others
        if lost := frozenset(n for n, epoch in self._epochs.items() if epochs.get(n) != epoch):
            self._lose(lost, "another daemon took partitions over")
        if gained := frozenset(epochs) - self.owned:
            log.info("partitions_claimed", gained=len(gained), owned=len(epochs), of=PARTITIONS, daemons=tended.daemons)
            await self._on_gain(gained)
        # The lease's end is reckoned from before it was asked for.
        self._until = asked + self._lease_seconds * FENCE_SHARE
        self._epochs, self.owned = epochs, frozenset(epochs)
        self.problem = "the lease could not be prolonged in time"
        if gained:
            self._on_owned()
        if len(epochs) > tended.share:
            await self._give_back_surplus(len(epochs) - tended.share)
        if any(self._is_gone(owner) for owner in self._others):
            self._poke.ring()

    async def _give_back_surplus(self, count: int) -> None:
        pinned = self._pinned()
        spare = sorted(self.owned.difference(pinned))
        await self._give_back(self._random.sample(spare, min(count, len(spare))))

    async def give_back(self, partitions: Collection[int]) -> None:
        """Give those back that are ours. Raises what the database raises; the next round tells what became of it."""
        async with self._one_at_a_time:
            await self._give_back(partitions)

    async def _give_back(self, partitions: Collection[int]) -> None:
        given = self.owned.intersection(partitions)
        if not given:
            return
        self._forget(given)
        await self._store.release(given)
        log.info("partitions_given_back", given=len(given), owned=len(self.owned), of=PARTITIONS)
        self._on_loss(given)  # not before, or what is fetched meanwhile would bring it back into memory
        self._strays |= given

    def _lose(self, lost: frozenset[int], reason: str) -> None:
        log.error("partitions_lost", reason=reason, partitions=len(lost))
        self._forget(lost)
        self._strays |= lost
        self._on_loss(lost)

    def _forget(self, partitions: frozenset[int]) -> None:
        self.owned -= partitions
        self._epochs = {number: epoch for number, epoch in self._epochs.items() if number in self.owned}

    def leave(self) -> None:
        """Claim nothing more, and have the others share what is given back."""
        self._leaving = True
        self._poke.ring()

    async def release(self) -> None:
        """Give everything back at once, so that nobody has to wait for the lease to end."""
        self._until = 0.0
        self._forget(self.owned)
        await self._store.release()
