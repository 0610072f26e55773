"""How many requests may be under way: in all, for one host, for one bot; and how many begin in a second.

What these limits count a request under is its *lane*, a host's name; requests without one are not limited so. A host
whose attempts fail is given fewer and fewer places, down to one, and gets them back as it answers. A tenth of all
places is kept for hosts that have a few only: a host that answers has room beside however many that do not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from uuid import UUID

from daemon.settings_world import Requests as RequestSettings

LANES_KEPT_MAX = 10_000  # of which anything is remembered
KEPT_SHARE = 10  # a tenth of all places is kept …
FEW = 5  # … for hosts that have fewer than so many
FAILURE_FACTOR = 0.9  # what a failed attempt leaves of a host's places


class Limits:
    """The places of one daemon. `clock` gives seconds that only grow."""

    def __init__(self, settings: RequestSettings, clock: Callable[[], float]) -> None:
        self._all_max = settings.in_flight_max
        self._host_max = settings.in_flight_per_host_max
        self._bot_max = settings.in_flight_per_bot_max
        self._rate_max = settings.rate_per_host_max
        self._clock = clock
        self._lanes: Counter[str] = Counter()
        self._bots: Counter[UUID] = Counter()
        self._windows: dict[str, float] = {}  # of hosts that failed lately: the places each may have
        self._rates: dict[str, _Rate] = {}
        self.used = 0

    @property
    def free(self) -> int:
        """How many requests may begin, whatever they are."""
        return max(0, self._all_max - self.used)

    @property
    def full_bots(self) -> list[UUID]:
        """The bots for which none may begin."""
        return [bot for bot, count in self._bots.items() if count >= self._bot_max]

    def room(self, lane: str) -> int:
        """Return how many requests of a lane may begin now."""
        if not lane:
            return self.free
        used = self._lanes.get(lane, 0)
        places = int(self._windows.get(lane, self._host_max)) - used
        places = min(places, max(FEW - used, self.free - self._all_max // KEPT_SHARE))
        if self._rate_max:
            rate = self._rates.get(lane)
            places = min(places, rate.left(self._clock()) if rate else self._rate_max)
        return max(0, min(places, self.free))

    def rooms(self) -> dict[str, int]:
        """Return the room of every lane that may have another than one that was never used."""
        return {lane: self.room(lane) for lane in {"", *self._lanes, *self._rates, *self._windows}}

    def enter(self, lane: str, bot: UUID) -> bool:
        """Take a place; False where there is none."""
        if self.room(lane) < 1 or self._bots.get(bot, 0) >= self._bot_max:
            return False
        self.used += 1
        self._bots[bot] += 1
        if lane:
            self._lanes[lane] += 1
            if self._rate_max:
                self._begin(lane)
        return True

    def leave(self, lane: str, bot: UUID, *, answered: bool | None = None) -> None:
        """Give the places of the host and the bot back; that among all is kept until `settle`. `answered` says
        whether the host did, None that the attempt told nothing about it."""
        self._bots[bot] -= 1
        if not self._bots[bot]:
            del self._bots[bot]
        if lane:
            self._lanes[lane] -= 1
            if not self._lanes[lane]:
                del self._lanes[lane]
            if answered is not None:
                self._learn(lane, answered)

    def settle(self) -> None:
        """Give a place among all back: its answer is stored."""
        self.used -= 1

    def pause(self) -> float | None:
        """Return the seconds until a lane's rate lets the next request begin; None where none waits for that."""
        now = self._clock()
        waits = [seconds for rate in self._rates.values() if (seconds := rate.pause(now)) > 0]
        return min(waits, default=None)

    def _learn(self, lane: str, answered: bool) -> None:
        window = self._windows.get(lane)
        if answered:
            if window is not None and window + 1 < self._host_max:
                self._windows[lane] = window + 1
            else:
                self._windows.pop(lane, None)
            return
        if window is None and len(self._windows) >= LANES_KEPT_MAX:
            del self._windows[next(iter(self._windows))]
        self._windows[lane] = max(1.0, (window or self._host_max) * FAILURE_FACTOR)

    def _begin(self, lane: str) -> None:
        now = self._clock()
        rate = self._rates.get(lane)
        if rate is None:
            if len(self._rates) >= LANES_KEPT_MAX:
                self._rates = {name: kept for name, kept in self._rates.items() if kept.left(now) < self._rate_max}
            rate = self._rates[lane] = _Rate(self._rate_max, now)
        rate.take(now)


class _Rate:
    """A bucket of tokens: `per_second` of them at most, and as many again each second."""

    __slots__ = ("_at", "_per_second", "_tokens")

    def __init__(self, per_second: int, now: float) -> None:
        self._per_second = per_second
        self._tokens = float(per_second)
        self._at = now

    def left(self, now: float) -> int:
        """Return how many may begin now."""
        return int(min(self._per_second, self._tokens + (now - self._at) * self._per_second))

    def take(self, now: float) -> None:
        """Let one begin."""
        self._tokens = min(self._per_second, self._tokens + (now - self._at) * self._per_second) - 1.0
        self._at = now

    def pause(self, now: float) -> float:
        """Return the seconds until one may begin."""
        missing = 1.0 - (self._tokens + (now - self._at) * self._per_second)
        return max(0.0, missing / self._per_second)
