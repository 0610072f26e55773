"""Turns that ask the database: each runs in a transaction of its own, and commits in it.

States of such a turn: *queued* (all connections for asking are in use), *open* (its transaction is open;
every question can be undone alone), *committed*, *undone* (rolled back: the whole turn is run again from the
last committed state, after a pause). These connections are never the committer's, so slow questions delay
nobody but each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random

import structlog

from daemon.backoff import Backoff
from daemon.committer import COMMITTED, STALE, Committer, Outcome, Refused
from daemon.fairness import FairPlaces, lane_of
from daemon.files import READ_FILE, Files
from daemon.rows import LoadedExecution
from daemon.store import Store
from daemon.store_faults import Fault, fault_of
from daemon.store_transaction import DATA, TOOL, TurnTransaction
from daemon.turns import Asks, Ran, Running
from engine.effects import Query
from engine.events import Event, QueryFailed
from engine.values import Value

ATTEMPTS_MAX = 10  # with the pauses between them about a quarter of a minute
RETRY_SECONDS_FIRST = 0.02
RETRY_SECONDS_MAX = 5.0

log = structlog.get_logger(__name__)


class _Attempt:
    """One attempt at a turn; `ran` is set once it may be committed."""

    __slots__ = ("ran",)

    def __init__(self) -> None:
        self.ran: Ran | None = None


class Asking:
    """Runs turns that ask, a bounded number at a time."""

    def __init__(
        self,
        store: Store,
        committer: Committer,
        random: Random,
        *,
        connections_max: int,
        tools: Mapping[str, str],
        files: Files,
        data: Mapping[str, Value],
        may_write: Callable[[], bool] = lambda: True,
    ) -> None:
        """`tools` maps the configured names, in lower case, to PostgreSQL functions; `data` is how data keywords
        run, as workflow_data takes it: prefix, role, rows_max, zone."""
        self._store = store
        self._committer = committer
        self._random = random
        self._places = FairPlaces(connections_max)
        self._tools = tools
        self._files = files
        self._data = dict(data)
        self._may_write = may_write

    async def run(self, asks: Asks, again: Callable[[], Running]) -> tuple[Ran | None, Outcome]:
        """Run the rest of a turn and commit it; `again` makes the turn anew for another attempt.

        Returns the turn as it was run last, and its outcome. A turn that was rolled back by a deadlock or a
        time-out is run again up to `ATTEMPTS_MAX` times; where the database is away, until it is back.
        """
        backoff = Backoff(RETRY_SECONDS_FIRST, RETRY_SECONDS_MAX, self._random)
        while True:
            attempt = _Attempt()
            try:
                return await self._attempt(asks, attempt)
            except Exception as error:
                fault = fault_of(error)
                passing = fault is Fault.AGAIN or isinstance(error, TimeoutError)
                if fault is Fault.REFUSED or (passing and backoff.attempts >= ATTEMPTS_MAX):
                    return None, Refused(error)
                log.info("turn_repeated", fault=fault.value, error=str(error) or type(error).__name__)
            await backoff.pause()
            if attempt.ran is not None and await self._happened(attempt.ran, backoff):
                return attempt.ran, COMMITTED
            begun = await again().run()
            if isinstance(begun, Ran):  # at another moment it need not ask
                return begun, await self._committer.settle(begun.turn, lane_of(begun.after.row))
            asks = begun

    async def _attempt(self, asks: Asks, attempt: _Attempt) -> tuple[Ran, Outcome]:
        running = asks.running
        lane = lane_of(running.standing.row)
        async with self._places.of(lane), self._store.transaction() as transaction:
            ran = await running.go_on(lambda query, row: self._ask(transaction, query, row))
            attempt.ran = ran
            written = self._may_write() and await transaction.commit_turn(ran.turn)
        return ran, COMMITTED if written else STALE

    async def _happened(self, ran: Ran, backoff: Backoff) -> bool:
        """Ask whether the turn was committed although its connection was lost while it was."""
        while True:
            try:
                return await self._store.turn_outcome(ran.turn.execution_id, ran.turn.revision)
            except Exception as error:
                log.info("outcome_unknown", error=str(error) or type(error).__name__)
                await backoff.pause()

    async def _ask(self, transaction: TurnTransaction, query: Query, row: LoadedExecution) -> Event:
        if query.name.startswith(TOOL):
            name = query.name.removeprefix(TOOL)
            function = self._tools.get(name.lower())
            if function is None:
                return QueryFailed(f"There is no tool {name} in the configuration of this daemon.", "tool")
            query = Query(TOOL + function, query.arguments)
        elif query.name == READ_FILE:
            return await self._files.answer(query, row)
        elif query.name.startswith(DATA):
            query = Query(query.name, (*query.arguments, self._data))
        return await transaction.ask(query, row)
