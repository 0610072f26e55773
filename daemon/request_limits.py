"""How many requests may be under way: in all, for one host, for one bot; and how many begin in a second.

What these limits count a request under is its *lane*, a host's name; requests without one are not limited so. A
host never gets more places than are left free: so however many hosts are dead, there is room for one that answers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from uuid import UUID

from daemon.settings_world import Requests as RequestSettings

LANES_KEPT_MAX = 10_000  # whose rates are remembered


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
        places = min(self._host_max, max(self.free, 1)) - used
        if self._rate_max:
            rate = self._rates.get(lane)
            places = min(places, rate.left(self._clock()) if rate else self._rate_max)
        return max(0, min(places, self.free))

    def rooms(self) -> dict[str, int]:
        """Return the room of every lane that may have less than one that was never used."""
        return {lane: self.room(lane) for lane in {"", *self._lanes, *self._rates}}

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

    def leave(self, lane: str, bot: UUID) -> None:
        """Give the places of the host and the bot back; that among all is kept until `settle`."""
        self._bots[bot] -= 1
        if not self._bots[bot]:
            del self._bots[bot]
        if lane:
            self._lanes[lane] -= 1
            if not self._lanes[lane]:
                del self._lanes[lane]

    def settle(self) -> None:
        """Give a place among all back: its answer is stored."""
        self.used -= 1

    def pause(self) -> float | None:
        """Return the seconds until a lane's rate lets the next request begin; None where none waits for that."""
        now = self._clock()
        waits = [seconds for rate in self._rates.values() if (seconds := rate.pause(now)) > 0]
        return min(waits, default=None)

    def _begin(self, lane: str) -> None:
        now = self._clock()
        rate = self._rates.get(lane)
        if rate is None:
            if len(self._rates) >= LANES_KEPT_MAX:
                self._rates = {name: kept for name, kept in self._rates.items() if kept.left(now) < self._rate_max}
            rate = self._rates[lane] = _Rate(self._rate_max, now)
        rate.take(now)


class _Rate:
    """A bucket of tokens: `per_second` of them, as many again each second."""

    __slots__ = ("_at", "_per_second", "_tokens")

    def __init__(self, per_second: int, now: float) -> None:
        self._per_second = per_second
        self._tokens = float(per_second)
        self._at = now

    def left(self, now: float) -> int:
        return int(min(self._per_second, self._tokens + (now - self._at) * self._per_second))

    def take(self, now: float) -> None:
        self._tokens = min(self._per_second, self._tokens + (now - self._at) * self._per_second) - 1.0
        self._at = now

    def pause(self, now: float) -> float:
        missing = 1.0 - (self._tokens + (now - self._at) * self._per_second)
        return max(0.0, missing / self._per_second)
