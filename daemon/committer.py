"""Group commit: every turn that is ready when a connection is free goes into one transaction.

States of a writer: *idle* (nothing is pending: the next turn wakes it), *writing* (a batch is on its
connection; turns that become ready meanwhile collect for the next one), *troubled* (the database is away or
refuses: the batch is kept, looked up and repeated until every turn of it has an outcome). Nobody waits for
company: an idle writer commits one turn at once. A turn is never changed after it was handed over, and its
outcome is one of Committed, Stale, Refused. Turns of timers and starts are *patient*: those of messages go before, and
one writer at a time writes them, so that another is there for messages.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from time import perf_counter
from typing import TypeAlias

import anyio
import msgspec
import structlog

from daemon.backoff import Backoff
from daemon.bell import Bell
from daemon.crowd import COMMIT_TURNS
from daemon.fairness import FairQueue, Lane
from daemon.metrics import Metrics
from daemon.rows import Turn
from daemon.store import Store
from daemon.store_faults import Fault, fault_of

RETRY_SECONDS_FIRST = 0.02
RETRY_SECONDS_MAX = 5.0
PATIENT_MAX = 64  # turns in one commit of patient ones: a message's commit shares the machine with it
FEW_TURNS = 2  # of a bot, which let them pass those of others who have more
PASSED_BY_MAX = 4  # commits that may go before patient turns
WRITERS = 2  # measured: two connections commit half as much again as one, four no more than two
NO_LANE: Lane = (None, None)
TELLING_SECONDS = 0.005  # of telling outcomes, until others have their turn

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Committed:
    """The turn is true."""


@dataclass(frozen=True, slots=True)
class Stale:
    """Somebody else moved the execution on, or this daemon no longer owns it: nothing was written."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The database will not have the turn, alone and however often: nothing was written."""

    error: Exception


Outcome: TypeAlias = Committed | Stale | Refused

COMMITTED = Committed()
STALE = Stale()


Told: TypeAlias = Callable[[Outcome], None]


class _Pending(msgspec.Struct, gc=False):
    """A turn, and who is told its outcome, once."""

    turn: Turn
    told: Told | None


class Committer:
    """Takes turns over from actors and makes them true, many at a time."""

    def __init__(
        self,
        store: Store,
        metrics: Metrics,
        random: Random,
        *,
        turns_max: int,
        may_write: Callable[[], bool] = lambda: True,
    ) -> None:
        """`may_write` says whether this daemon still owns its partitions; if not, every turn is stale."""
        self._store = store
        self._metrics = metrics
        self._random = random
        self._turns_max = turns_max
        self._may_write = may_write
        self._pending: FairQueue[_Pending] = FairQueue()
        self._patient: FairQueue[_Pending] = FairQueue()
        self._collecting = self._passed_by = 0
        self._writing_patient = False
        self._bells = [Bell() for _ in range(WRITERS)]
        self._writing = 0
        self._few_went = False  # whether the last commit was of those of whom there are few
        self.hurried = False  # whether there is a crowd: commits are short then, for whoever comes to wait for few

    @property
    def idle(self) -> bool:
        """Whether no turn is waiting or being written."""
        return not self.pending and not self._writing

    @property
    def pending(self) -> int:
        """How many turns wait for a connection; those under way are not counted."""
        return len(self._pending) + len(self._patient)

    def commit(self, turn: Turn, told: Told, lane: Lane = NO_LANE, *, patient: bool = False) -> None:
        """Take a turn over; `told` is called with its outcome, once. Bots have their turns committed alternately, and
        so have the scripts of each.

        `patient`: it lets turns that are not go before.
        """
        if patient:
            self._patient.put(lane, _Pending(turn, told))
            if self._collecting:
                return
        else:
            self._pending.put(lane, _Pending(turn, told))
        self._ring()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Have patient turns that are taken over while the block runs be committed after it, together."""
        self._collecting += 1
        try:
            yield
        finally:
            self._collecting -= 1
            if self._patient:
                self._ring()

    def _ring(self) -> None:
        """Wake a writer that has nothing to do, if there is one."""
        for bell in self._bells:
            if bell.rung:
                break
            if bell.awaited:
                bell.ring()
                break

    def settle(self, turn: Turn, lane: Lane = NO_LANE) -> asyncio.Future[Outcome]:
        """Take a turn over; the future tells its outcome, unless whoever waits for it is cancelled."""
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.commit(turn, lambda told: None if outcome.done() else outcome.set_result(told), lane)
        return outcome

    async def run(self) -> None:
        """Write until cancelled."""
        async with anyio.create_task_group() as tasks:
            for bell in self._bells:
                tasks.start_soon(self._write, bell)

    async def _write(self, bell: Bell) -> None:
        while True:
            batch, patient = self._next_batch()
            if not batch:
                await bell.wait()
                continue
            if self._patient and not patient:
                self._ring()
            self._writing += 1
            self._writing_patient |= patient
            try:
                await self._settle(batch)
            except Exception as error:  # a mistake of ours: the turns must not wait for ever
                log.exception("commit_mishandled")
                _tell(batch, Refused(error))
            finally:
                self._writing -= 1
                self._writing_patient &= not patient

    def _next_batch(self) -> tuple[list[_Pending], bool]:
        """Take what is written next; and say whether it is patient turns, which are not passed by for ever."""
        patient = self._patient and not self._collecting and not self._writing_patient
        if self._pending and not (patient and self._passed_by >= PASSED_BY_MAX):
            self._passed_by += bool(patient)
            return self._next_of_messages(), False
        if not patient:
            return [], False
        self._passed_by = 0
        return self._patient.take(min(self._turns_max, PATIENT_MAX)), True

    def _next_of_messages(self) -> list[_Pending]:
        """Take turns that are not patient. In a crowd those of whom there are few go first, every other time, so that
        their commit is as short as theirs alone."""
        if not self.hurried:
            return self._pending.take(self._turns_max)
        batch = [] if self._few_went else self._pending.take_few(FEW_TURNS)
        self._few_went = bool(batch)
        return batch or self._pending.take(min(self._turns_max, COMMIT_TURNS))

    # ── one batch ──

    async def _settle(self, batch: list[_Pending]) -> None:
        """Give every turn of the batch its outcome, however long the database is away."""
        backoff = Backoff(RETRY_SECONDS_FIRST, RETRY_SECONDS_MAX, self._random)
        in_doubt = False  # whether an earlier attempt may have been committed after all
        while batch:
            if not self._may_write():
                _tell(batch, STALE)
                return
            try:
                stale = await self._commit(batch)
                if in_doubt and stale:
                    await self._look_up(stale, backoff)
                _tell(stale, STALE)
                return
            except Exception as error:
                fault = fault_of(error)
                self._metrics.count_error("database" if fault is Fault.REFUSED else "connection")
                if fault is Fault.REFUSED:
                    await self._apart(batch, error)
                    return
                log.warning("commit_repeated", turns=len(batch), fault=fault.value, error=str(error))
            await backoff.pause()
            if fault is Fault.LOST:
                in_doubt = True
                batch = await self._look_up(batch, backoff)

    async def _commit(self, batch: list[_Pending]) -> list[_Pending]:
        """Write a batch; return the turns that lost their race."""
        started = perf_counter()
        if len(batch) == 1:
            written = {batch[0].turn.execution_id} if await self._store.commit_turn(batch[0].turn) else set()
        else:
            written = await self._store.commit_turns([p.turn for p in batch])
        metrics = self._metrics
        metrics.commit_seconds.observe(perf_counter() - started)
        metrics.commit_turns.observe(len(batch))
        metrics.turns.inc(len(written))
        metrics.steps.inc(sum([p.turn.steps for p in batch]))
        stale = []
        until = perf_counter() + TELLING_SECONDS
        for pending in batch:
            if perf_counter() > until:  # who is told runs its next turn at once
                await asyncio.sleep(0)
                until = perf_counter() + TELLING_SECONDS
            told = pending.told
            if pending.turn.execution_id not in written:
                stale.append(pending)
            elif told is not None:
                pending.told = None
                told(COMMITTED)
        return stale

    async def _apart(self, batch: list[_Pending], error: Exception) -> None:
        """Commit the turns of a refused batch one by one, so that only the poisoned one is refused."""
        if len(batch) == 1:
            _tell(batch, Refused(error))
            return
        for pending in batch:
            await self._settle([pending])

    async def _look_up(self, batch: list[_Pending], backoff: Backoff) -> list[_Pending]:
        """Ask what became of a batch whose answer was lost; return the turns that were not written so far.

        A lost commit may still be under way on the server. The fence makes the repetition safe: it waits for
        the row, comes back stale, and is looked up once more.
        """
        rest: list[_Pending] = []
        for pending in batch:
            while True:
                try:
                    turn = pending.turn
                    if await self._store.turn_outcome(turn.execution_id, turn.revision):
                        _tell((pending,), COMMITTED)
                    else:
                        rest.append(pending)
                    break
                except Exception as error:
                    log.warning("outcome_unknown", turns=len(batch), error=str(error))
                    await backoff.pause()
        return rest


def _tell(batch: Sequence[_Pending], outcome: Outcome) -> None:
    for pending in batch:
        told, pending.told = pending.told, None
        if told is not None:
            told(outcome)
