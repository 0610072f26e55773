"""Finds messages: one query for all that can be heard, whenever there may be some.

States: *dozing* (every insert notifies; a notification, a commit of ours that made somebody hear, or the sweep
starts the next look), *awake* (inserts are silent, so it looks again and again with a short pause; entered when
notifications come thick, because each of them serialises the commit that sends it), *falling asleep* (nothing was
found: the doze protocol is tried; while transactions are in flight it looks again with a growing pause, and after
success once more before it sleeps), *polling* (nobody would hear a notification: it looks with a pause that grows
to POLL_SECONDS_MAX). An error of the database is waited out; the rows are still there afterwards.
"""

from __future__ import annotations

import asyncio
from random import Random
from time import perf_counter
from typing import TypeAlias
from uuid import UUID

import structlog

from daemon.backoff import Backoff
from daemon.committer import Committer
from daemon.crowd import COMMIT_TURNS, LOOK_MESSAGES, Crowd, Place
from daemon.listener import Listener
from daemon.metrics import Metrics
from daemon.partitions import Partitions
from daemon.pressure import Pressure
from daemon.rows import PendingMessage
from daemon.store import Store
from daemon.store_faults import Fault, fault_of
from daemon.supervisor import Supervisor

AWAKE_SECONDS = 0.001  # between two looks while messages come thick: what one commit takes
DUE_SECONDS = 0.02  # how long a start may go unseen while messages come thick
FALLING_SECONDS_FIRST = 0.001
FALLING_SECONDS_MAX = 0.05
POLL_SECONDS_MAX = 0.25
ROOM_SECONDS = 0.01
PAUSE_SECONDS_MAX = 0.05  # a look is followed by a pause as long as itself, at most so long
WINDOW_SECONDS = 0.1  # over which traffic is judged:
THICK_MESSAGES = 10  # as many messages in a window, …
THICK_CONVERSATIONS = 4  # … of as many conversations, keep the daemon awake (one alone is served best dozing)
THIN_MESSAGES = 5  # fewer in a window let it fall asleep

PENDING_TURNS = COMMIT_TURNS  # in a crowd: as many keep the database busy, besides what is being committed

Looked: TypeAlias = tuple[list[PendingMessage], dict[int, Place], bool]  # found, where to go on, whether there is more

log = structlog.get_logger(__name__)


class Fetcher:
    """The one task that fetches messages."""

    def __init__(
        self,
        store: Store,
        supervisor: Supervisor,
        listener: Listener,
        partitions: Partitions,
        metrics: Metrics,
        random: Random,
        pressure: Pressure,
        committer: Committer,
        *,
        batch_max: int,
        bot_held_max: int,
        sweep_seconds: float,
    ) -> None:
        self._store = store
        self._supervisor = supervisor
        self._listener = listener
        self._partitions = partitions
        self._metrics = metrics
        self._batch_max = batch_max
        self._sweep_seconds = sweep_seconds
        self._pressure = pressure
        self._committer = committer
        self._crowd = Crowd(supervisor.hand, random, bot_held_max=bot_held_max)
        self._took = self._fetched = 0.0
        self._trouble = Backoff(0.02, 5.0, random)
        self._window = _Window(0.0)
        self._falling = FALLING_SECONDS_FIRST
        self._looked_due = 0.0
        self.looking = False

    async def run(self) -> None:
        """Fetch until cancelled."""
        while True:
            try:
                await self._round()
                self._trouble.reset()
            except Exception as error:
                if fault_of(error) is Fault.REFUSED:
                    raise
                self._metrics.count_error("connection")
                log.warning("fetch_repeated", error=str(error) or type(error).__name__)
                self._supervisor.wake(None)
                await self._trouble.pause()

    async def _round(self) -> None:
        if not self._partitions.owned:
            if self._listener.dozing:  # its locks would keep whoever owns the partitions now from sleeping
                await self._listener.wake_up()
            await self._supervisor.messages_bell.wait(self._sweep_seconds)
            self._supervisor.due_bell.ring()
            return
        if self._listener.dozing and self._listener.beds != self._partitions.owned:
            await self._listener.wake_up()  # what was gained would not notify, what was lost keeps another awake
        if self._listener.dozing:
            await self._sleep_and_look()
        else:
            await self._look_awake()

    async def _sleep_and_look(self) -> None:
        if not await self._supervisor.messages_bell.wait(self._sweep_seconds):
            self._supervisor.sweep()
            found = await self._look(None)
            self._metrics.count_sweep(found=found > 0)
            self._supervisor.due_bell.ring()
            return
        found = await self._look(self._supervisor.take_named())
        if self._crowd.unsettled or (found and self._window.thick):
            await self._listener.wake_up()

    async def _look_awake(self) -> None:
        loop = asyncio.get_running_loop()
        judged = self._window
        found = await self._look(None)
        if loop.time() - self._looked_due > DUE_SECONDS:
            self._looked_due = loop.time()
            self._supervisor.due_bell.ring()
        if found:
            self._falling = FALLING_SECONDS_FIRST
        if self._listener.listening and (found or judged is self._window or judged.messages >= THIN_MESSAGES):
            await asyncio.sleep(max(AWAKE_SECONDS, self._pause))
        elif not found and not self._crowd.unsettled and await self._listener.doze(self._partitions.owned):
            await self._look(None)
            self._supervisor.due_bell.ring()
            if self._crowd.unsettled:
                await self._listener.wake_up()
        elif not found:
            longest = FALLING_SECONDS_MAX if self._listener.listening else POLL_SECONDS_MAX
            await self._supervisor.messages_bell.wait(self._falling)
            self._falling = min(2 * self._falling, longest)

    async def _look(self, partitions: frozenset[int] | None) -> int:
        """Fetch until nothing more is found; return how many messages were handed on."""
        supervisor, total = self._supervisor, 0
        self.looking = True
        try:
            while True:
                await self._pressure.clear()
                supervisor.forgotten.clear()
                fair = self._crowd.crowded or self._pressure.scarce
                messages, go_on, more = await (self._fetch_fairly() if fair else self._fetch(partitions))
                supervisor.overflowed = False
                taken = await supervisor.deliver(messages, more=fair) if messages else 0
                total += taken
                self._judge(messages)
                self._crowd.learn(len(messages), go_on, more=more or supervisor.overflowed)
                self._committer.hurried = self._crowd.crowded
                if supervisor.short_of_room:
                    await asyncio.sleep(ROOM_SECONDS)
                    await supervisor.try_again()
                if not (taken if fair else more):  # a fair look that found something may have left some of its lanes
                    return total
                if fair:
                    await asyncio.sleep(max(0.0, self._pause))
        finally:
            self.looking = False

    @property
    def _pause(self) -> float:
        """How long to wait after a look, so that looking takes half of a connection's time at most: what was found has
        been handed out meanwhile, which counts."""
        return min(self._took - (perf_counter() - self._fetched), PAUSE_SECONDS_MAX)

    async def _fetch(self, partitions: frozenset[int] | None) -> Looked:
        """Fetch what there is, or nothing where that is a crowd: handing all of it out would make the next one wait."""
        begun = perf_counter()
        limit = min(self._batch_max, self._pressure.room)
        self._pressure.hold_back(None)
        messages = await self._store.fetch_messages(self._supervisor.held, limit, partitions)
        self._fetched = perf_counter()
        self._took = self._fetched - begun
        return ([], {}, True) if len(messages) > limit else (messages, {}, False)

    async def _fetch_fairly(self) -> Looked:
        """Fetch some of each session, lane and bot; and say whether there is more."""
        begun = perf_counter()
        room = self._pressure.room
        short = 10 * room <= self._pressure.messages_max
        enough = self._committer.pending >= PENDING_TURNS
        self._pressure.hold_back("turns" if enough else "messages" if short else None)
        care = self._crowd.care(enough=enough or short)
        limit = min(self._batch_max, room, LOOK_MESSAGES)
        looked = await self._store.fetch_fairly(self._supervisor.held, limit, care)
        self._fetched = perf_counter()
        self._took = self._fetched - begun
        return looked

    def _judge(self, messages: list[PendingMessage]) -> None:
        """Count what was found into the window of now."""
        now = asyncio.get_running_loop().time()
        if now - self._window.since > WINDOW_SECONDS:
            self._window = _Window(now)
        self._window.messages += len(messages)
        if len(self._window.conversations) < THICK_CONVERSATIONS:
            self._window.conversations.update([m.execution_id for m in messages])


class _Window:
    """The traffic of a tenth of a second."""

    __slots__ = ("conversations", "messages", "since")

    def __init__(self, since: float) -> None:
        self.since = since
        self.messages = 0
        self.conversations: set[UUID] = set()

    @property
    def thick(self) -> bool:
        """Whether it is so much that notifications would cost their senders more than they are worth."""
        return self.messages >= THICK_MESSAGES and len(self.conversations) >= THICK_CONVERSATIONS
