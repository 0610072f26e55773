"""Stores what became of attempts, many at once, however long the database is away.

An answer is *waiting* (in memory, bounded by the places of requests), *being stored* (one statement for a batch, in
one transaction with the signals to the executions), *settled*: stored, or dropped by that statement because the
attempt is not ours any more. What the database refuses is stored apart from the others, as an error of its request.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

import structlog

from daemon.backoff import Backoff
from daemon.bell import Bell
from daemon.metrics import Metrics
from daemon.settings_world import Requests as RequestSettings
from daemon.store_faults import Fault, fault_of
from daemon.store_requests import Answer, RequestStatus, RequestStore

ANSWERS_MAX = 500  # that one statement stores, …
ANSWER_BYTES_MAX = 16_000_000  # … and their size, unless one alone is larger
WAITING_BYTES_MAX = 64_000_000  # above which no attempt begins
RETRY_SECONDS_FIRST = 0.02
RETRY_SECONDS_MAX = 5.0
TEXT_CHARACTERS_MAX = 10_000

log = structlog.get_logger(__name__)


class Answers:
    """The answers on their way into the database."""

    def __init__(
        self,
        store: RequestStore,
        metrics: Metrics,
        random: Random,
        settings: RequestSettings,
        on_settled: Callable[[Answer, RequestStatus], None],
        on_stored: Callable[[], None],
    ) -> None:
        """`on_settled` is told what each request is now, `on_stored` that a batch was stored."""
        self._store = store
        self._metrics = metrics
        self._random = random
        self._settings = settings
        self._on_settled = on_settled
        self._on_stored = on_stored
        self._waiting: list[Answer] = []
        self._bell = Bell()
        self._bytes = 0

    @property
    def full(self) -> bool:
        """Whether so much waits for the database that no attempt should begin."""
        return self._bytes > WAITING_BYTES_MAX

    def add(self, answer: Answer) -> None:
        """Take over an answer; it is settled sooner or later."""
        self._waiting.append(answer)
        self._bytes += len(answer.result_json)
        self._bell.ring()

    async def run(self) -> None:
        """Store until cancelled."""
        while True:
            if not self._waiting:
                await self._bell.wait()
                continue
            await self._settle(self._next_batch())
            self._on_stored()

    def _next_batch(self) -> list[Answer]:
        count = size = 0
        for answer in self._waiting[:ANSWERS_MAX]:
            size += len(answer.result_json)
            if count and size > ANSWER_BYTES_MAX:
                break
            count += 1
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        self._bytes -= sum(len(answer.result_json) for answer in batch)
        return batch

    async def _settle(self, batch: list[Answer]) -> None:
        """Store a batch. Where the answer to the statement itself was lost, it is simply repeated: what was stored
        then is not ours any more."""
        settings = self._settings
        backoff = Backoff(RETRY_SECONDS_FIRST, RETRY_SECONDS_MAX, self._random)
        lost = False
        while True:
            try:
                stored = await self._store.answer(batch, settings.attempts_max, settings.in_doubt)
                break
            except Exception as error:
                fault = fault_of(error)
                self._metrics.count_error("database" if fault is Fault.REFUSED else "connection")
                if fault is Fault.REFUSED:
                    await self._apart(batch, error)
                    return
                lost = lost or fault is Fault.LOST
                log.warning("answers_repeated", answers=len(batch), error=str(error) or type(error).__name__)
            await backoff.pause()
        for answer in batch:
            unknown: RequestStatus = "done" if lost else "cancelled"
            self._on_settled(answer, stored.get(answer.id, unknown))

    async def _apart(self, batch: list[Answer], error: Exception) -> None:
        """Store a refused batch one by one; the answer that cannot be stored is its request's error."""
        if len(batch) > 1:
            for answer in batch:
                await self._settle([answer])
            return
        [answer] = batch
        log.warning("answer_refused", request=str(answer.id), error=str(error))
        if answer.outcome == "done":
            text = storable(f"The answer cannot be kept: {error}.")
            plain = Answer(answer.id, answer.attempt, "failed", error=text, kind="limit")
        elif answer.otherwise:
            plain = replace(answer, result_json=b"null", otherwise=False)
        else:
            raise error
        await self._settle([plain])


def storable(text: str) -> str:
    """Return a text for people without what the database cannot store, and not longer than people read."""
    return text[:TEXT_CHARACTERS_MAX].replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
