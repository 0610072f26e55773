"""Which share of the sessions is ours, and until when.

States: *none* (nothing is owned; claiming is tried again and again: another daemon's lease may end), *held* (every
write is allowed until `until`, a moment of our own monotonic clock that lies before the lease's end on the
database's), *late* (renewal was not answered in time: the daemon fences itself, commits nothing more, and claims
anew), *released*. The fence that counts is in the statements: they write nothing for who is not the owner. What is
remembered here only saves the trouble, so a daemon that was paused and wakes up late needs no other care.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from time import monotonic

import structlog

from daemon.bell import Bell
from daemon.store import Store

PARTITIONS = 256
RENEWALS_PER_LEASE = 3
CLAIM_SECONDS_MAX = 2.0  # how long a free partition may lie unclaimed

log = structlog.get_logger(__name__)


class Partitions:
    """The leases of this daemon, on a connection of their own."""

    def __init__(
        self,
        store: Store,
        random: Random,
        *,
        lease_seconds: float,
        on_gain: Callable[[], Awaitable[None]],
        on_owned: Callable[[], None],
        on_loss: Callable[[], None],
        is_gone: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """`on_gain` runs before anything newly owned is worked on, `on_owned` when that may begin, `on_loss` when
        something was taken away. `is_gone` tells whether another owner certainly has ended: its lease is not waited
        for."""
        self._store = store
        self._random = random
        self._lease_seconds = lease_seconds
        self._on_gain = on_gain
        self._on_owned = on_owned
        self._on_loss = on_loss
        self._is_gone = is_gone
        self._until = 0.0
        self._poke = Bell()
        self.owned: frozenset[int] = frozenset()
        self.problem = "the partitions are not claimed yet"

    def may_write(self) -> bool:
        """Whether the lease certainly still runs."""
        return monotonic() < self._until

    @property
    def reason(self) -> str | None:
        """Why the daemon is not ready, or None."""
        if not self.owned:
            return self.problem
        return None if self.may_write() else "the lease could not be renewed in time"

    async def run(self) -> None:
        """Claim and renew until cancelled."""
        while True:
            try:
                async with asyncio.timeout(self._lease_seconds / RENEWALS_PER_LEASE):
                    await self._tend()
            except Exception as error:
                self.problem = f"the partitions cannot be claimed: {error or type(error).__name__}"
                log.warning("lease_not_renewed", error=str(error) or type(error).__name__)
                if self.owned and not self.may_write():
                    self._lose("the lease could not be renewed in time")
                await asyncio.sleep(min(1.0, self._lease_seconds / 10) * (0.5 + self._random.random() / 2))
                continue
            whole = len(self.owned) == PARTITIONS
            pause = self._lease_seconds / RENEWALS_PER_LEASE
            pause = pause if whole else min(CLAIM_SECONDS_MAX, pause)
            await self._poke.wait(pause * (0.75 + self._random.random() / 4))

    async def _tend(self) -> None:
        """Claim what is free or ours; who owns all only renews. Both may be done twice without harm."""
        asked = monotonic()
        renews = len(self.owned) == PARTITIONS and self.may_write()
        if renews:
            owned = await self._store.renew_partitions(self._lease_seconds)
        else:
            await self._free_the_dead()
            owned = await self._store.claim_partitions(self._lease_seconds)
            if self.owned:  # claiming skips rows that others are looking at; ours among them are still ours
                owned = await self._store.renew_partitions(self._lease_seconds)
        before = self.owned
        if before - set(owned):
            self._lose("another daemon took partitions over")
            self._poke.ring()
            return
        if set(owned) - before:
            log.info("partitions_claimed", owned=len(owned), of=PARTITIONS)
            await self._on_gain()
        # A lease's end is reckoned from before it was asked for, and a tenth early.
        self._until = asked + self._lease_seconds * 0.9 if owned else 0.0
        self.owned = frozenset(owned)
        if self.owned - before:
            self._on_owned()
        if not owned:
            if self.problem != WAITING:
                log.warning("partitions_waiting", reason=WAITING)
            self.problem = WAITING

    async def _free_the_dead(self) -> None:
        for owner in await self._store.list_owners():
            if self._is_gone(owner):
                freed = await self._store.release_partitions(owner)
                log.warning("owner_gone", owner=owner, partitions=len(freed))

    def _lose(self, reason: str) -> None:
        log.error("partitions_lost", reason=reason)
        self.owned = frozenset()
        self._until = 0.0
        self.problem = reason
        self._on_loss()

    async def release(self) -> None:
        """Give everything back at once, so that nobody has to wait for the lease to end."""
        self._until = 0.0
        self.owned = frozenset()
        await self._store.release_partitions()


WAITING = "another daemon owns the conversations of this schema; waiting until it stops or its lease ends"
