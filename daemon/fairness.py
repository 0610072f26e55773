"""Fair order among lanes: what is many in one of them does not delay the others.

A *lane* is a script of a bot. Within a lane the order is that of arrival; among lanes each in turn gives one. Where
there is one lane only, it has everything.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

from daemon.rows import LoadedExecution

T = TypeVar("T")


def lane_of(row: LoadedExecution) -> Hashable:
    """Return the lane of an execution."""
    return row.bot_id, row.script


class FairQueue(Generic[T]):
    """A queue that gives from each lane in turn. Whoever fills it sees to its bound."""

    __slots__ = ("_count", "_lanes")

    def __init__(self) -> None:
        self._lanes: OrderedDict[Hashable, deque[T]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def put(self, lane: Hashable, item: T) -> None:
        """Add to the end of a lane."""
        queue = self._lanes.get(lane)
        if queue is None:
            self._lanes[lane] = deque((item,))
        else:
            queue.append(item)
        self._count += 1

    def take(self, count_max: int) -> list[T]:
        """Return so many, or all there are: one of each lane in turn."""
        lanes, taken = self._lanes, list[T]()
        count = min(count_max, self._count)
        self._count -= count
        while len(taken) < count:
            lane, queue = lanes.popitem(last=False)
            if not lanes:
                taken += [queue.popleft() for _ in range(count - len(taken))]
            else:
                taken.append(queue.popleft())
            if queue:
                lanes[lane] = queue
        return taken


class FairPlaces:
    """So many may enter at once; a place that becomes free goes to each lane in turn.

    The last place is kept for lanes that have none, so one lane alone fills all but that one.
    """

    def __init__(self, count: int) -> None:
        self._free = count
        self._kept = 1 if count > 1 else 0
        self._inside: Counter[Hashable] = Counter()
        self._waiting: OrderedDict[Hashable, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def of(self, lane: Hashable) -> AsyncIterator[None]:
        """Be inside while the block runs, once there is a place."""
        if lane not in self._waiting and self._may_enter(lane):
            self._enter(lane)
        else:
            await self._wait(lane)
        try:
            yield
        finally:
            self._leave(lane)

    def _may_enter(self, lane: Hashable) -> bool:
        return self._free > (self._kept if self._inside[lane] else 0)

    def _enter(self, lane: Hashable) -> None:
        self._free -= 1
        self._inside[lane] += 1

    async def _wait(self, lane: Hashable) -> None:
        place = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(lane, deque()).append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():  # it was given the place in the same moment
                self._leave(lane)
            raise

    def _leave(self, lane: Hashable) -> None:
        self._free += 1
        self._inside[lane] -= 1
        if not self._inside[lane]:
            del self._inside[lane]
        for waiting in list(self._waiting):
            if not self._free:
                return
            if self._may_enter(waiting):
                self._let_in(waiting)

    def _let_in(self, lane: Hashable) -> None:
        """Let the first of a lane in that still waits; the lane is the last one then."""
        queue = self._waiting.pop(lane)
        while queue:
            place = queue.popleft()
            if not place.done():
                self._enter(lane)
                place.set_result(None)
                break
        if queue:
            self._waiting[lane] = queue


class Slices:
    """Turns that take long go on one slice at a time: one of them, of each lane in turn, in a round of the loop.

    So whoever has something short to do waits for one slice in each round, not for one of every endless loop.
    """

    def __init__(self) -> None:
        self._waiting: FairQueue[asyncio.Future[None]] = FairQueue()
        self._passing = False

    def __len__(self) -> int:
        return len(self._waiting)

    async def wait(self, lane: Hashable) -> None:
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
