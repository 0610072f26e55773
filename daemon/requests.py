"""Performs the requests of this daemon's partitions: take, perform, answer.

States of a request here: *taken* (a row is ours, its attempt is about to begin), *under way* (a task performs it; it
costs memory and a place, no connection), *answered* (the attempt is over, its outcome waits to be stored), *settled*
(stored, or somebody else's by now). A row is taken only where its host and its bot have room, so what must wait
stays in the database. An attempt is ours as long as its row says so, and an answer to one that is not is dropped by
the statement that stores answers. A daemon whose lease has ended begins no attempt; those under way go on, because
the requests may be nobody else's yet, and are cancelled as soon as they are. Those of partitions that were given back
stay ours until they end: others see that we live.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from time import monotonic, perf_counter
from uuid import UUID

import msgspec
import structlog

from daemon.backoff import EXPONENT_MAX, Backoff
from daemon.bell import Bell
from daemon.metrics import Metrics, RequestOutcome
from daemon.partitions import Partitions
from daemon.performing import AttemptFailed, Performer, TakenRequest
from daemon.request_answers import Answers, storable
from daemon.request_limits import Limits
from daemon.settings_world import Requests as RequestSettings
from daemon.store_faults import Fault, fault_of
from daemon.store_requests import Answer, Outcome, RequestStatus, RequestStore, Taken
from engine.errors import ScriptError
from engine.values import check_value

EVERY_KIND = "*"
ANY_OTHER_LANE = "\0"  # no host is called so: what a host may have that has none under way
TAKE_MAX = 500  # requests that one statement takes
RETRY_SECONDS_MAX = 5.0
RETRY_AFTER_SECONDS_MAX = 86_400.0
STORE_SECONDS_MAX = 2.0  # for the last answers of a daemon that stops
ENDED_HOURS_KEPT = 24
CLEANING_SECONDS = 3600.0
POLL_SECONDS = 0.005  # while stopping
AGAIN_SECONDS = 0.002  # until the next look at what became due during this one

# How the metrics call what a request is once its answer was stored; "cancelled": nobody waited for it any more.
OUTCOMES: dict[RequestStatus, RequestOutcome] = {
    "done": "done",
    "failed": "failed",
    "pending": "again",
    "in_doubt": "in_doubt",
    "cancelled": "lost",
}

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Attempt:
    """An attempt under way, or one whose answer is not stored yet."""

    request: TakenRequest
    lane: str
    task: asyncio.Task[None] | None = None
    answered: bool = False
    lost: bool = False  # nobody waits for it any more, it is another's, or it was never begun


class Requests:
    """The loop that performs requests."""

    def __init__(
        self,
        store: RequestStore,
        performers: Sequence[Performer],
        partitions: Partitions,
        metrics: Metrics,
        random: Random,
        settings: RequestSettings,
        bell: Bell,
        *,
        sweep_seconds: float,
        on_answered: Callable[[], None],
    ) -> None:
        """`bell` says that there may be something to take; `on_answered` is called when executions were told."""
        self._store = store
        self._performers = {kind: performer for performer in performers for kind in performer.kinds}
        self._kinds = None if EVERY_KIND in self._performers else frozenset(self._performers)
        self._partitions = partitions
        self._metrics = metrics
        self._random = random
        self._settings = settings
        self._bell = bell
        self._sweep_seconds = sweep_seconds
        self._on_answered = on_answered
        self._begun: set[UUID] = set()  # attempts of ours that ended with their task and may have had an effect
        self._stopping = False
        self._swept = self._cleaned = -CLEANING_SECONDS
        self.looking = False
        self._begin_anew()

    def _begin_anew(self) -> None:
        settings = self._settings
        self._limits = Limits(settings, monotonic)
        self._attempts: dict[UUID, _Attempt] = {}
        self._answers = Answers(self._store, self._metrics, self._random, settings, self._settled, self._have_room)
        self._short = False  # whether something that is due may have found no room
        self._next_at = 0.0  # when the next pause between two attempts may be over
        self._told = False  # whether an execution was told since that was last said

    @property
    def in_flight(self) -> int:
        """How many attempts are under way, or not stored yet."""
        return len(self._attempts)

    @property
    def moving(self) -> bool:
        """Whether something is being taken, performed or stored, or will be at once."""
        return self.looking or bool(self._attempts) or (self._bell.rung and bool(self._performers))

    async def count(self) -> dict[RequestStatus, int]:
        """Return how many requests nobody has answered yet, of all daemons, by status."""
        return await self._store.count()

    def sweep(self) -> None:
        """Look for attempts that were cut short and for everything that is due, now."""
        self._swept = -self._sweep_seconds
        self._next_at = 0.0
        self._bell.ring()

    # ── life ──

    async def run(self) -> None:
        """Perform until cancelled."""
        trouble = Backoff(0.05, RETRY_SECONDS_MAX, self._random)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._answers.run(), name="answers")
                pause = 0.0
                while True:
                    await self._bell.wait(pause)
                    try:
                        pause = await self._round(tasks)
                        trouble.reset()
                    except Exception as error:
                        if fault_of(error) is Fault.REFUSED:
                            raise
                        self._metrics.count_error("connection")
                        log.warning("requests_repeated", error=str(error) or type(error).__name__)
                        pause = trouble.next_pause()
        finally:
            self._begun.update(self._attempts)  # where they stand nobody knows
            self._begin_anew()

    async def stop(self, seconds: float) -> None:
        """Begin nothing more, give what is under way that time, store what was answered, and leave the rest to
        who comes next: repeated, or in doubt. Raises what the database raises."""
        self._stopping = True
        try:
            async with asyncio.timeout(seconds):
                await self._until_settled()
        except TimeoutError:
            log.warning("attempts_cut_short", requests=len(self._attempts))
            for attempt in list(self._attempts.values()):
                if attempt.task is not None:
                    attempt.task.cancel()
            with suppress(TimeoutError):
                async with asyncio.timeout(STORE_SECONDS_MAX):
                    await self._until_settled()
        self._begun.update(self._attempts)
        await self._store.recover((), self._begun, self._settings.in_doubt)

    async def _until_settled(self) -> None:
        while self._attempts or self.looking:  # noqa: ASYNC110 - once, in a daemon that stops
            await asyncio.sleep(POLL_SECONDS)

    # ── taking ──

    async def _round(self, tasks: asyncio.TaskGroup) -> float:
        """Take and begin what there is room for; return the seconds to sleep."""
        self.looking = True
        try:
            if monotonic() - self._swept >= self._sweep_seconds:
                await self._sweep()
            if self._stopping or not self._partitions.owned or not self._performers:
                return self._sweep_seconds
            while await self._take(tasks):
                pass
            if monotonic() >= self._next_at:
                # A pause may have ended since the last look; where there was no room, room made is what wakes us.
                seconds = await self._store.next_due(self._kinds, not self._short)
                pause = self._sweep_seconds if seconds is None else max(seconds, AGAIN_SECONDS)
                self._next_at = monotonic() + pause
        finally:
            self.looking = False
        waits = [self._next_at - monotonic(), self._swept + self._sweep_seconds - monotonic()]
        if (rate := self._limits.pause()) is not None:
            waits.append(rate)
        return max(0.001, min(waits))

    async def _take(self, tasks: asyncio.TaskGroup) -> bool:
        """Take a batch and begin its attempts; return whether there may be more to take."""
        limits = self._limits
        count = min(TAKE_MAX, limits.free)
        if not count or self._answers.full or self._stopping or not self._partitions.may_write():
            self._short = True
            return False
        rooms, full_bots = limits.rooms(), limits.full_bots
        self._short = bool(full_bots) or 0 in rooms.values()
        taken, lanes = await self._store.take(self._kinds, count, rooms, limits.room(ANY_OTHER_LANE), full_bots)
        if taken:
            await self._begin(tasks, taken)
        return len(taken) >= max(1, count // max(1, lanes))

    async def _begin(self, tasks: asyncio.TaskGroup, taken: Sequence[Taken]) -> None:
        """Begin attempts; what finds no room after all goes back, with its lane."""
        back: list[TakenRequest] = []
        lanes: list[str] = []
        for item in taken:
            request = item.request
            performer = self._performers.get(request.kind) or self._performers[EVERY_KIND]
            lane = self._lane(performer, request)
            if self._partitions.may_write() and self._limits.enter(lane, request.bot_id):
                attempt = self._attempts[request.id] = _Attempt(request, lane)
                task = tasks.create_task(self._attempt(attempt, performer, self._seconds(item)))
                task.add_done_callback(partial(self._ended, attempt))
                attempt.task = task
            else:
                self._short = True
                back.append(request)
                lanes.append(lane)
        if back:
            await self._store.give_back(back, lanes)

    def _lane(self, performer: Performer, request: TakenRequest) -> str:
        """Return what the limits count a request under; what its performer cannot tell is for `perform` to say."""
        try:
            return storable(performer.host_of(request))
        except Exception as error:
            log.debug("host_unknown", request=request.key, error=str(error))
            return ""

    def _seconds(self, item: Taken) -> float:
        """Return how long an attempt may take: to the request's deadline, and never for ever."""
        longest = self._settings.attempt_seconds_max
        deadline = item.request.deadline
        return longest if deadline is None else min(longest, (deadline - item.now).total_seconds())

    async def _sweep(self) -> None:
        """Find what was cut short, here or elsewhere, and what nobody waits for any more."""
        self._swept = monotonic()
        held = [a.request for a in self._attempts.values()]
        for lost in await self._store.list_lost(held) if held else ():
            attempt = self._attempts.get(lost)
            if attempt is not None and attempt.task is not None:
                attempt.lost = True
                attempt.task.cancel()
        if not self._partitions.may_write():
            return
        settings = self._settings
        for id, kind, status in await self._store.recover(self._attempts, self._begun, settings.in_doubt):
            self._metrics.count_request(kind, "in_doubt" if status == "in_doubt" else "cut_short")
            log.warning("attempt_cut_short", request=str(id), kind=kind, now=status)
        self._begun.clear()
        await self._store.tell_settings(
            settings.attempts_max, settings.backoff_seconds_first, settings.backoff_seconds_max
        )
        if monotonic() - self._cleaned > CLEANING_SECONDS:
            self._cleaned = monotonic()
            await self._store.delete_ended(ENDED_HOURS_KEPT)

    # ── one attempt ──

    async def _attempt(self, attempt: _Attempt, performer: Performer, seconds: float) -> None:
        """Make one attempt and hand its outcome on."""
        if not self._partitions.may_write():  # the loop stood still: by now it may be another's
            attempt.lost = True
            return
        began = perf_counter()
        answer = await self._perform(attempt, performer, seconds)
        self._metrics.attempt_seconds.observe(perf_counter() - began)
        well = None if answer.outcome == "failed" else answer.outcome == "done"
        self._limits.leave(attempt.lane, attempt.request.bot_id, answered=well)
        attempt.answered = True
        attempt.task = None
        self._answers.add(answer)

    def _ended(self, attempt: _Attempt, _: object) -> None:
        """Let an attempt go that has no answer, because it was cancelled or not begun: its row says what follows."""
        id = attempt.request.id
        if not attempt.answered and self._attempts.get(id) is attempt:
            del self._attempts[id]
            self._limits.leave(attempt.lane, attempt.request.bot_id)
            self._limits.settle()
            if not attempt.lost:
                self._begun.add(id)
            self._have_room()

    async def _perform(self, attempt: _Attempt, performer: Performer, seconds: float) -> Answer:
        request = attempt.request
        try:
            async with asyncio.timeout(seconds):
                value = await performer.perform(request)
            return Answer(request.id, request.attempt, "done", msgspec.json.encode(check_value(value)))
        except AttemptFailed as failed:
            outcome: Outcome = ("unsure" if failed.unsure else "again") if failed.again else "failed"
            pause = self._pause(request.attempt, failed.after_seconds)
            answer = self._failed(attempt, outcome, failed.message, failed.kind, pause)
            return self._with_otherwise(answer, failed)
        except TimeoutError:
            message = f"There was no answer within {seconds:g} seconds."
            return self._failed(attempt, "unsure", message, "timeout", self._pause(request.attempt, None))
        except ScriptError as error:
            return self._failed(attempt, "failed", f"The answer cannot be kept: {error.message}", error.kind)
        except Exception as error:
            self._metrics.count_error("internal")
            log.exception("performer_failed", kind=request.kind, request=request.key)
            message = f"Performing {request.kind} failed by a mistake of Stepwell: {type(error).__name__}."
            return self._failed(attempt, "failed", message, "internal")

    def _failed(self, attempt: _Attempt, outcome: Outcome, message: str, kind: str, pause: float = 0.0) -> Answer:
        request = attempt.request
        log.info("attempt_failed", request=request.key, kind=request.kind, attempt=request.attempt, outcome=outcome)
        return Answer(
            request.id,
            request.attempt,
            outcome,
            error=storable(message) or "The request failed.",
            kind=storable(kind),
            pause_seconds=pause,
            lane=attempt.lane,
        )

    def _with_otherwise(self, answer: Answer, failed: AttemptFailed) -> Answer:
        """Return the outcome with what the script gets, instead of an error, once no attempt is left."""
        answer = replace(answer, attempts_max=failed.attempts_max)
        if failed.otherwise is None:
            return answer
        return replace(answer, result_json=msgspec.json.encode(failed.otherwise.value), otherwise=True)

    def _pause(self, attempt: int, after_seconds: float | None) -> float:
        """Return the seconds before the next attempt: doubling, with jitter, or what the server asked for if that
        is longer, up to a day."""
        settings = self._settings
        grown = settings.backoff_seconds_first * 2.0 ** min(max(attempt - 1, 0), EXPONENT_MAX)
        pause = min(settings.backoff_seconds_max, grown) * (0.5 + self._random.random() / 2)
        if after_seconds is None or not after_seconds > pause:  # NaN too
            return pause
        return min(after_seconds, RETRY_AFTER_SECONDS_MAX)

    # ── answering ──

    def _settled(self, answer: Answer, status: RequestStatus) -> None:
        """Take note of what a request is now."""
        attempt = self._attempts.pop(answer.id, None)
        if attempt is not None:
            self._limits.settle()
            self._metrics.count_request(attempt.request.kind, OUTCOMES[status])
        if status in ("done", "failed"):
            self._told = True
        elif status == "pending" and monotonic() + answer.pause_seconds < self._next_at:
            self._next_at = monotonic() + answer.pause_seconds
            self._bell.ring()  # it may sleep for longer than that

    def _have_room(self) -> None:
        """Wake whoever waits for what was just stored or let go."""
        if self._told:
            self._told = False
            self._on_answered()
        if self._short:
            self._bell.ring()
