"""Who has an actor: finds what can be heard or is due, starts actors within ACTORS_MAX, lets idle ones go.

States of an execution here: *absent* (a row, nothing in memory), *starting* (its checkpoint is being loaded,
under the one lock that starts), *present* (registered, its generator lives), *leaving* (told to stop: no longer
registered, so that what comes for it starts a new actor from the row). A message is *held* from the moment it is
in a mailbox until the commit that used it up, or until its actor is gone; held ones are left out of a fetch. What
cannot be taken now (no room, a full mailbox, a checkpoint of a newer engine) is *passed over* until there is room
or the next sweep, so that it hides nobody behind it.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Collection, Iterable, Sequence
from itertools import islice, takewhile
from math import inf
from random import Random
from time import monotonic, perf_counter
from typing import TypeAlias
from uuid import UUID

import anyio
import structlog

from daemon.actor import Actor, Settled, Surrounds
from daemon.asking import Asking
from daemon.bell import Bell
from daemon.committer import Committer
from daemon.held import Awaited, Held, PassedOver
from daemon.loading import Loading
from daemon.metrics import Metrics
from daemon.partitions import partition_of
from daemon.plans import Plans
from daemon.rows import DueExecution, PendingMessage, Signal
from daemon.store import Store
from daemon.turns import World

SLICE_SECONDS = 0.01  # of handing out, until others have their turn
DUE_SLICE_SECONDS = 0.001  # the same of what is due: a message that comes meanwhile waits for that at each of its steps
SCANS_PER_IDLE = 4  # an idle actor is let go after at most a quarter more than its time

Item: TypeAlias = PendingMessage | Signal

log = structlog.get_logger(__name__)


class Supervisor:
    """The actors of this daemon."""

    def __init__(
        self,
        store: Store,
        plans: Plans,
        committer: Committer,
        asking: Asking,
        world: World,
        metrics: Metrics,
        random: Random,
        *,
        actors_max: int,
        idle_seconds_max: float,
    ) -> None:
        self._store, self._metrics = store, metrics
        self._loading = Loading(store, plans, committer, metrics, random)
        self._actors_max, self._idle_seconds_max = actors_max, idle_seconds_max
        self._actors: OrderedDict[UUID, Actor] = OrderedDict()  # the least recently used first
        self._busy: set[Actor] = set()  # actors, not ids: one that leaves may have a successor already
        self.hand = Held()  # what is held, by bots
        self._passed_over = PassedOver()
        self.forgotten: set[UUID] = set()  # sessions whose messages came free since the fetch under way began
        self._starting = anyio.Lock()
        self._tasks: asyncio.TaskGroup | None = None
        self._stopping = False
        self._named: set[int] | None = set()
        self.short_of_room = self.overflowed = False  # there was no room; a mailbox was full: the fetcher looks here
        self._due_waits = False  # there was no room for what is due or told
        self.messages_bell, self.due_bell, self.requests_bell = Bell(), Bell(), Bell()
        self.due_at, self.heard_at = 0.0, -inf  # when to look for what is due; when a message came last (monotonic)
        self.events_awaited = Awaited()
        self._around = Surrounds(
            committer,
            asking,
            world,
            metrics,
            self.hand.let_go,
            self._look_again,
            self._refill,
            self._due_in,
            self.requests_bell.ring,
            self._awaits,
            self._busy,
            self._at_length,
            self._gone,
            random,
        )

    # ── what others ask ──

    @property
    def held(self) -> Collection[int]:
        """The ids of messages that a fetch must leave out."""
        return self._passed_over.ids.union(self.hand.ids) if self._passed_over.ids else self.hand.ids

    @property
    def held_due(self) -> list[UUID]:
        """The executions whose due time is in hand: a mailbox has it, or its turn is on its way."""
        return [*(actor.id for actor in self._busy), *self._passed_over.due]

    @property
    def present(self) -> list[UUID]:
        """The executions that have an actor."""
        return list(self._actors)

    @property
    def present_count(self) -> int:
        """How many executions have an actor."""
        return len(self._actors)

    @property
    def partitions(self) -> frozenset[int]:
        """The partitions of the executions that have an actor."""
        return frozenset(_share_of(actor) for actor in self._actors.values())

    @property
    def pinned_partitions(self) -> frozenset[int]:
        """The partitions of direct-mode executions that have an actor: they would be lost with it."""
        return frozenset(_share_of(actor) for actor in self._actors.values() if actor.standing.direct)

    @property
    def busy(self) -> Collection[Actor]:
        """The actors that have something to do."""
        return self._busy

    def sweep(self) -> None:
        """Try again what was passed over, and look for every event that is waited for."""
        self.events_awaited.names = None
        self._passed_over.clear()

    def wake(self, partition: int | None) -> None:
        """Have messages fetched, of one partition or of all."""
        if partition is None:
            self._named = None
        elif self._named is not None:
            self._named.add(partition)
        self.messages_bell.ring()

    def take_named(self) -> frozenset[int] | None:
        """Return the partitions that were named since the last call; None stands for all."""
        named, self._named = self._named, set()
        return None if named is None else frozenset(named)

    def _look_again(self, session_id: UUID | None) -> None:
        if session_id is not None:
            self.wake(partition_of(session_id))

    def _awaits(self, names: Iterable[str]) -> None:
        """Have events looked for that came before their wait."""
        self.events_awaited.add(names)
        self.due_bell.ring()

    async def try_again(self) -> None:
        """Look again for what found no room. Who is handing out may be about to pass over more: it ends first."""
        async with self._starting:
            self._refill(due=self._due_waits)
            self.short_of_room = self._due_waits = False

    def _refill(self, *, due: bool = True) -> None:
        self._passed_over.clear()
        self.wake(None)
        if due:
            self.due_bell.ring()

    def _due_in(self, seconds: float) -> None:
        if anyio.current_time() + seconds < self.due_at:
            self.due_bell.ring()

    # ── life ──

    async def run(self) -> None:
        """Hold actors until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:  # for turns that take a while, and for what parks
                self._tasks = tasks
                while True:
                    await asyncio.sleep(self._idle_seconds_max / SCANS_PER_IDLE)
                    self._passivate_idle()
                    await self._let_go_ended()
        finally:
            for actor in list(self._actors.values()):
                actor.drop()
                self._forget(actor)

    def stop(self) -> None:
        """Start nothing more; every actor leaves when its turn is over."""
        self._stopping = True
        for actor in list(self._actors.values()):
            actor.stop()

    def let_go(self, partitions: Collection[int]) -> None:
        """Drop the actors of those partitions at once: they are another's now. What one that leaves still held would
        be left out when the partition comes back, and the next message heard before it."""
        for actor in list(self._actors.values()):
            if _share_of(actor) in partitions:
                actor.drop()
                self._forget(actor)

    # ── what comes in ──

    async def deliver(self, messages: Sequence[Item], *, more: bool = False) -> int:
        """Hand messages or signals to their actors, starting those that are absent; return how many were taken.
        `more`: there may be more for the same sessions, to be looked for when these are used up."""
        taken, until = 0, perf_counter() + SLICE_SECONDS
        self.heard_at = monotonic() if isinstance(next(iter(messages), None), PendingMessage) else self.heard_at
        strangers: dict[UUID, list[Item]] = {}
        behind: list[tuple[Actor, Item]] = []  # others, who may have to make room
        full = len(self._actors) >= self._actors_max
        for message in messages:
            if perf_counter() > until:
                await asyncio.sleep(0)  # let the first turns be committed while the next ones run
                until = perf_counter() + SLICE_SECONDS
            actor = self._actors.get(message.execution_id)
            if actor is None or (strangers and message.execution_id in strangers):
                strangers.setdefault(message.execution_id, []).append(message)
            elif full:
                behind.append((actor, message))
            else:
                taken += self._put(actor, message, more)
        if strangers:
            taken += await self._deliver_absent(strangers, more, type(messages[0]) is Signal)
        return taken + (await self._deliver_behind(behind, more) if behind else 0)

    async def _deliver_absent(self, strangers: dict[UUID, list[Item]], more: bool, told: bool) -> int:
        taken, until = 0, perf_counter() + SLICE_SECONDS
        async with self._starting:
            left_out = await self._start([i for i in strangers if i not in self._actors], told)
            for execution_id, waiting in strangers.items():
                if perf_counter() > until:
                    await asyncio.sleep(0)
                    until = perf_counter() + SLICE_SECONDS
                actor = self._actors.get(execution_id)
                if actor is not None:
                    taken += sum([self._put(actor, message, more) for message in waiting])
                elif execution_id in left_out:
                    self._passed_over.add(waiting)
                else:  # it ended since they were fetched, and another may hear them now; or it had to make room
                    self.wake(None)
                    self.due_bell.ring()
        return taken

    async def _deliver_behind(self, behind: list[tuple[Actor, Item]], more: bool) -> int:
        """Hand out what is for those who were there before, once whoever was not has been started. Where somebody found
        no room, who is busy gets no more messages: a conversation that never pauses would never make any (F15)."""
        taken, until, later = 0, perf_counter() + SLICE_SECONDS, set[Actor]()
        for actor, message in behind:
            if perf_counter() > until:
                await asyncio.sleep(0)
                until = perf_counter() + SLICE_SECONDS
            if self._actors.get(actor.id) is not actor:
                self.wake(None)
                self.due_bell.ring()
            elif type(message) is PendingMessage and (actor in later or (self.short_of_room and not actor.idle)):
                later.add(actor)  # fetched again by the look that follows a lack of room
            else:
                taken += self._put(actor, message, more)
        return taken

    async def deliver_due(self, due: Sequence[DueExecution]) -> set[Actor]:
        """Hand due times to their actors, starting those that are absent; return the actors that took theirs."""
        taken = set[Actor]()
        async with self._starting:
            left_out = await self._start([d.id for d in due if d.id not in self._actors], True)
            until = perf_counter() + DUE_SLICE_SECONDS
            with self._around.committer.together():
                for item in due:
                    if perf_counter() > until:
                        await asyncio.sleep(0)
                        until = perf_counter() + DUE_SLICE_SECONDS
                    actor = self._actors.get(item.id)
                    if actor is not None:
                        self._use(actor)
                        actor.mailbox.put_due(item)
                        actor.poke()
                        taken.add(actor)
                    elif item.id in left_out:
                        self._passed_over.add_due(item.id)
        return taken

    def _put(self, actor: Actor, message: Item, more: bool) -> bool:
        if message.id in self.hand:
            return False
        if self.forgotten and message.session_id in self.forgotten and isinstance(message, PendingMessage):
            return False  # one before it may have come free since it was fetched: all are fetched again, in order
        mailbox = actor.mailbox
        if not (mailbox.put(message) if isinstance(message, PendingMessage) else mailbox.put_signal(message)):
            self.overflowed = True
            self._passed_over.add((message,))
            return False
        if more:
            mailbox.more = True
        self.hand.add(message)
        self._use(actor)
        if actor.idle:
            actor.resume()
        return True

    def _use(self, actor: Actor) -> None:
        self._actors.move_to_end(actor.id)
        actor.last_used = monotonic()

    # ── starting ──

    async def _start(self, ids: list[UUID], due: bool = False) -> Collection[UUID]:
        """Start as many as there is room for; return whom it left out, also as not for us. Under the lock."""
        room = self._make_room(len(ids))
        if room < len(ids):
            self.short_of_room, self._due_waits = True, self._due_waits or due
            self.messages_bell.ring()
        if not room or self._stopping:
            return set(ids)
        standings, ended = await self._loading.load(ids[:room], self._actors.keys())
        for standing in standings:
            actor = Actor(standing, self._around)
            actor.last_used = monotonic()
            self._actors[actor.id] = actor
            self._metrics.actors_started.inc()
            actor.resume()
        return set(ids).difference(ended, [standing.id for standing in standings])

    def _make_room(self, wanted: int) -> int:
        """Let the least recently used idle actors go; return how many may start, `wanted` at most."""
        room = self._actors_max - len(self._actors)
        if room < wanted:
            for actor in list(islice((a for a in self._actors.values() if a.may_passivate), wanted - room)):
                self._leave(actor)
                self._metrics.actors_passivated.inc()
            room = self._actors_max - len(self._actors)
        return max(0, min(room, wanted))

    # ── one actor's life ──

    def _at_length(self, actor: Actor, rest: Awaitable[Settled]) -> None:
        """Run the rest of a turn in a task, and drive its actor on with what came of it."""
        assert self._tasks is not None, "actors live inside run()"
        self._tasks.create_task(actor.settle(rest))

    def _gone(self, actor: Actor, error: Exception | None) -> None:
        """Take leave of an actor that has ended; what ended by an error is put aside first."""
        if error is None:
            self._forget(actor)
        else:
            assert self._tasks is not None, "actors live inside run()"
            self._tasks.create_task(self._put_aside(actor, error))

    async def _put_aside(self, actor: Actor, error: Exception) -> None:
        try:
            await self._loading.park(actor.id, actor.standing.revision, error)
        finally:
            self._forget(actor)

    def _leave(self, actor: Actor) -> None:
        """Tell an actor to stop, and have what comes for it from now on start another."""
        if self._actors.get(actor.id) is actor:
            del self._actors[actor.id]
        actor.stop()

    def _forget(self, actor: Actor) -> None:
        if self._actors.get(actor.id) is actor:
            del self._actors[actor.id]
        self._busy.discard(actor)
        mailbox = actor.mailbox
        left: list[Item] = [*mailbox.messages, *mailbox.signals, *mailbox.later]
        if left or actor.in_hand is not None:
            self.hand.let_go([actor.in_hand or 0, *(item.id for item in left)])
            if actor.standing.row.session_id is not None:
                self.forgotten.add(actor.standing.row.session_id)
            self._look_again(actor.standing.row.session_id)
        if left or actor.in_hand is not None or mailbox.due is not None:
            self.due_bell.ring()
        if self._passed_over:  # there is room now
            self._refill()

    def _passivate_idle(self) -> None:
        oldest = monotonic() - self._idle_seconds_max
        for actor in list(takewhile(lambda a: a.last_used <= oldest, self._actors.values())):
            if actor.may_passivate:
                self._leave(actor)
                self._metrics.actors_passivated.inc()

    async def _let_go_ended(self) -> None:
        """Let go direct-mode actors whose execution was cancelled: nothing else would ever wake them."""
        direct = [a for a in self._actors.values() if a.standing.direct and a.idle]
        live = await self._loading.still_live([a.id for a in direct]) if direct else frozenset()
        for actor in direct:
            if actor.id not in live and actor.idle:
                self._leave(actor)


def _share_of(actor: Actor) -> int:
    return partition_of(actor.standing.row.session_id or actor.id)
