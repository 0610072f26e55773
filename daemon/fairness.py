"""Fair order among bots, and among a bot's scripts: what is many in one of them does not delay the others.

A *lane* is a script of a bot. Within a lane the order is that of arrival. Bots in turn give one each, and each of a
bot's lanes in turn gives the bot's one: so a bot with ten busy scripts has no more than one with a single script. Where
there is one lane only, it has everything.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import Generic, TypeAlias, TypeVar

from daemon.rows import LoadedExecution

T = TypeVar("T")
Lane: TypeAlias = tuple[Hashable, Hashable]  # the bot, the script


def lane_of(row: LoadedExecution) -> Lane:
    """Return the lane of an execution."""
    return row.bot_id, row.script


class _Alternating(Generic[T]):
    """A queue that gives from each of its keys in turn."""

    __slots__ = ("_queues",)

    def __init__(self) -> None:
        self._queues: OrderedDict[Hashable, deque[T]] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._queues)

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    def put(self, key: Hashable, item: T) -> None:
        """Add to the end of what a key has."""
        queue = self._queues.get(key)
        if queue is None:
            self._queues[key] = deque((item,))
        else:
            queue.append(item)

    def take(self, count: int) -> list[T]:
        """Return so many, or all there are: one of each key in turn."""
        queues, taken = self._queues, list[T]()
        while queues and len(taken) < count:
            key, queue = queues.popitem(last=False)
            if queues:
                taken.append(queue.popleft())
            else:
                taken += [queue.popleft() for _ in range(min(count - len(taken), len(queue)))]
            if queue:
                queues[key] = queue
        return taken


class FairQueue(Generic[T]):
    """Gives from each bot in turn, and of a bot from each lane in turn. Whoever fills it sees to its bound."""

    __slots__ = ("_bots", "_count")

    def __init__(self) -> None:
        self._bots: OrderedDict[Hashable, _Alternating[T]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def put(self, lane: Lane, item: T) -> None:
        """Add to the end of a lane."""
        bot, script = lane
        queue = self._bots.get(bot)
        if queue is None:
            queue = self._bots[bot] = _Alternating()
        queue.put(script, item)
        self._count += 1

    def take(self, count_max: int) -> list[T]:
        """Return so many, or all there are: one of each bot in turn."""
        bots, taken = self._bots, list[T]()
        count = min(count_max, self._count)
        self._count -= count
        while len(taken) < count:
            bot, queue = bots.popitem(last=False)
            taken += queue.take(1 if bots else count - len(taken))
            if queue:
                bots[bot] = queue
        return taken

    def take_few(self, few: int) -> list[T]:
        """Return all that bots have who have so few, where others have more; else nothing."""
        bots = self._bots
        passing = [bot for bot, queue in bots.items() if len(queue) <= few] if len(bots) > 1 else []
        if len(passing) == len(bots):
            return []
        taken = [item for bot in passing for item in bots.pop(bot).take(few)]
        self._count -= len(taken)
        return taken


class FairPlaces:
    """So many may enter at once; a place that becomes free goes to each bot in turn, and of a bot to each lane in turn.

    The last place is kept for bots that have none, so one bot alone fills all but that one.
    """

    def __init__(self, count: int) -> None:
        self._free = count
        self._kept = 1 if count > 1 else 0
        self._inside: Counter[Hashable] = Counter()
        self._waiting: OrderedDict[Hashable, _Alternating[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def of(self, lane: Lane) -> AsyncIterator[None]:
        """Be inside while the block runs, once there is a place."""
        bot = lane[0]
        if bot not in self._waiting and self._may_enter(bot):
            self._enter(bot)
        else:
            await self._wait(lane)
        try:
            yield
        finally:
            self._leave(bot)

    def _may_enter(self, bot: Hashable) -> bool:
        return self._free > (self._kept if self._inside[bot] else 0)

    def _enter(self, bot: Hashable) -> None:
        self._free -= 1
        self._inside[bot] += 1

    async def _wait(self, lane: Lane) -> None:
        bot, script = lane
        place = asyncio.get_running_loop().create_future()
        queue = self._waiting.get(bot)
        if queue is None:
            queue = self._waiting[bot] = _Alternating()
        queue.put(script, place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():  # it was given the place in the same moment
                self._leave(bot)
            raise

    def _leave(self, bot: Hashable) -> None:
        self._free += 1
        self._inside[bot] -= 1
        if not self._inside[bot]:
            del self._inside[bot]
        for waiting in list(self._waiting):
            if not self._free:
                return
            if self._may_enter(waiting):
                self._let_in(waiting)

    def _let_in(self, bot: Hashable) -> None:
        """Let the first of a bot in that still waits; the bot is the last one then."""
        queue = self._waiting.pop(bot)
        while queue:
            [place] = queue.take(1)
            if not place.done():
                self._enter(bot)
                place.set_result(None)
                break
        if queue:
            self._waiting[bot] = queue


class Slices:
    """Turns that take long go on one slice at a time: one of them, of each bot in turn, in a round of the loop.

    So whoever has something short to do waits for one slice in each round, not for one of every endless loop.
    """

    def __init__(self) -> None:
        self._waiting: FairQueue[asyncio.Future[None]] = FairQueue()
        self._passing = False

    def __len__(self) -> int:
        return len(self._waiting)

    async def wait(self, lane: Lane) -> None:
        """Return when it is the turn of the next slice."""
        loop = asyncio.get_running_loop()
        place = loop.create_future()
        self._waiting.put(lane, place)
        if not self._passing:
            self._passing = True
            loop.call_soon(self._pass, loop)
        await place

    def _pass(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._waiting:
            [place] = self._waiting.take(1)
            if not place.done():  # else whoever waited was cancelled
                place.set_result(None)
                loop.call_soon(self._pass, loop)
                return
        self._passing = False
