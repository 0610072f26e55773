"""What an actor's life needs of the database: what to do, checkpoints, turns. One method a statement.

Every method may raise asyncpg.PostgresError, asyncpg.InterfaceError and OSError: the database is away, or
says no.
Operators' reads are in store_operators, what is asked inside a turn in store_transaction, clients' calls
in store_clients.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from operator import attrgetter
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import msgspec
from msgspec.structs import replace

from daemon.crowd import Care, Place
from daemon.migrations import Connection, check_schema_name
from daemon.rows import DeployedScript, DueExecution, LoadedExecution, PendingMessage, Signal, StoredPlan, Turn
from daemon.statements import query
from daemon.store_lanes import Lanes
from daemon.store_transaction import TurnTransaction
from daemon.store_turns import arguments_of_turn, columns_of_turns, extras_json

Pool: TypeAlias = "asyncpg.Pool[Any]"

EVERY_BOT = UUID(int=0)
_id_of = attrgetter("execution_id")
OTHERS = 2  # connections of a pool that the busy path leaves to everything else


async def open_pool(
    dsn: str,
    *,
    schema: str = "public",
    size_min: int = 1,
    size_max: int = 10,
    transaction_idle_seconds_max: float = 0.0,
    looking: bool = False,
    **options: Any,
) -> Pool:
    """Return a pool whose connections are in the schema, in UTC, and named; those for `looking` have looking_settings.
    `options` go to asyncpg.

    A connection is not reset between two uses, which would cost each turn a round trip: our statements leave
    nothing behind in it. A transaction, in which tools run that might, resets its own. The server ends one that
    says nothing for `transaction_idle_seconds_max`, if that is not 0.
    Raises BadSchemaName besides what connecting raises.
    """
    return await asyncpg.create_pool(
        dsn,
        min_size=size_min,
        max_size=size_max,
        reset=_leave,
        server_settings=(looking_settings if looking else session_settings)(schema)
        | {"idle_in_transaction_session_timeout": f"{transaction_idle_seconds_max * 1000:.0f}"},
        **options,
    )


def session_settings(schema: str) -> dict[str, str]:
    """Return the settings of every connection of ours, the listener's too. Raises BadSchemaName.

    jit is off: it costs a batch more than it can save. Plans are generic: planning one turn's commit
    anew takes longer than running it. A plan is kept, and may be made while a table is empty or nothing is known of
    it, so whole tables are not read where there is an index, whatever looks cheaper then; a test holds that there is
    one. Tools plan as usual.
    """
    return {
        "search_path": f'"{check_schema_name(schema)}", pg_temp',
        "timezone": "UTC",
        "jit": "off",
        "plan_cache_mode": "force_generic_plan",
        "enable_seqscan": "off",
        "application_name": "stepwell",
    }


def looking_settings(schema: str) -> dict[str, str]:
    """Return the settings of connections that look for what there is to do. Raises BadSchemaName.

    Only a plain scan of an index marks what it finds dead. With a bitmap, a look for messages would pass every message
    that came since the last vacuum again.
    """
    return session_settings(schema) | {"enable_bitmapscan": "off"}


class Store:
    """The statements of a daemon. `owner` names this process and no other, ever: leases go by it."""

    def __init__(self, pool: Pool, schema: str, owner: str) -> None:
        self._pool = pool
        self._lanes = Lanes(pool, max(1, pool.get_max_size() - OTHERS))
        self.schema = check_schema_name(schema)
        self.owner = owner

    async def fetch_messages(
        self, held: Collection[int], limit: int, partitions: Collection[int] | None = None
    ) -> list[PendingMessage]:
        """Return messages that can be heard now, oldest first, without those held in memory.

        More than `limit` (one more) stand for a crowd: they are any, so none of them may be handed on.

        `partitions` narrows the search to those a notification named; None searches all that are ours.
        """
        narrowed = None if partitions is None else list(partitions)
        rows = await self._lanes.fetch(query("fetch_messages"), self.owner, list(held), limit, narrowed)
        return [_pending(row) for row in rows]

    async def fetch_fairly(
        self, held: Collection[int], limit: int, care: Care
    ) -> tuple[list[PendingMessage], dict[int, Place], bool]:
        """Return messages as fetch_messages does, of each session, lane and bot a few, however much they have; where
        to go on in lanes that may have more; and whether anything was passed by."""
        partitions, sessions = [p for p, _ in care.go_on.values()], [s for _, s in care.go_on.values()]
        with_care = (list(care.left_out), list(care.go_on), partitions, sessions, care.wanted, care.first)
        rows = await self._lanes.fetch(query("fetch_fairly"), self.owner, list(held), limit, *with_care)
        cut = rows.pop()["cut"]
        go_on = {row["lane"]: (row["partition"], row["session_id"]) for row in rows if row["id"] is None}
        return [_pending(row) for row in rows if row["id"] is not None], go_on, cut

    async def fetch_signals(self, held: Collection[int], limit: int) -> list[Signal]:
        """Return signals to executions that may run, oldest first, without those held in memory."""
        rows = await self._lanes.fetch(query("fetch_signals"), self.owner, list(held), limit)
        return [_signal(row) for row in rows]

    async def tell_events(self, names: Collection[str] | None) -> int:
        """Hand out published events to who waits for them, and start what they start; return how many were.

        Those that nobody has looked at, and earlier ones of these names (None: of all names).
        """
        rows = await self._lanes.fetch(query("tell_events"), None if names is None else sorted(names))
        told: int = rows[0][0]
        return told

    async def keep_approval_settings(self, url: str, seconds: float, mail: bool, secret: str) -> None:
        """Have links to decide, and what signs their tokens, be as the configuration says."""
        await self._pool.execute(query("keep_approval_settings"), url, seconds, mail, secret)

    async def fetch_due(self, held: Collection[UUID], limit: int, lane: int = 0) -> list[DueExecution]:
        """Return executions that have something to do by now, without those held in memory: those that begin, of
        each lane in turn, from `lane` on, and between them timers, the longest due first.

        Timers whose deadline has moved on since are put right on the way.
        """
        while True:
            rows = await self._lanes.fetch(query("fetch_due"), self.owner, list(held), limit, lane)
            early = [row[0] for row in rows if row[2] is None]
            settled = await self._lanes.fetch(query("settle_timers"), early) if early else ()
            if len(early) < len(rows) or not settled or not settled[0][0]:
                return [DueExecution(*row) for row in rows if row[2] is not None]

    async def count_due(self, count_max: int) -> int:
        """Return how many have something to do by now, those in hand included: of each kind at most so many."""
        rows = await self._lanes.fetch(query("count_due"), self.owner, count_max)
        count: int = rows[0][0]
        return count

    async def next_due(self, held: Collection[UUID] = ()) -> float | None:
        """Return the seconds until the next wake_at (negative: overdue), or None if nothing is to come."""
        rows = await self._lanes.fetch(query("next_due"), self.owner, list(held))
        seconds: float | None = rows[0][0] if rows else None
        return seconds

    async def load_executions(self, ids: Collection[UUID]) -> list[LoadedExecution]:
        """Return the rows of those executions; one that is not there, or not ours, is left out."""
        rows = await self._lanes.fetch(query("load_executions"), list(ids))
        return [LoadedExecution(*row) for row in rows]

    async def commit_turn(self, turn: Turn) -> bool:
        """Commit one turn. False: it lost its race, nothing of it was written, load the execution again."""
        if turn.extras is not None:
            return bool(await self._commit_with_extras([turn]))
        arguments = arguments_of_turn(turn, self.owner)
        return bool(await self._lanes.fetch(query("commit_turn"), *arguments))

    async def commit_turns(self, turns: Sequence[Turn]) -> set[UUID]:
        """Commit many turns, of different executions, in one statement; return whose were written.

        The others lost their race. Raises ValueError if two turns are of one execution.
        """
        if not turns:
            return set()
        if any(turn.extras is not None for turn in turns):
            return await self._commit_with_extras(turns)
        ids = _different(turns)
        ordered = sorted(turns, key=_id_of)  # the order of their locks
        rows = await self._lanes.fetch(query("commit_turns"), *columns_of_turns(ordered, self.owner))
        return _written(ordered, ids, rows[0][0])

    async def _commit_with_extras(self, turns: Sequence[Turn]) -> set[UUID]:
        """Commit turns of which some write more than replies: two statements in one transaction."""
        ids = _different(turns)
        ordered = sorted(turns, key=_id_of)
        async with self._pool.acquire() as connection, connection.transaction():
            if len(turns) == 1:
                rows = await connection.fetch(query("commit_turn"), *arguments_of_turn(turns[0], self.owner))
                written = {row[0] for row in rows}
            else:
                rows = await connection.fetch(query("commit_turns"), *columns_of_turns(ordered, self.owner))
                written = _written(ordered, ids, rows[0][0])
            extras = extras_json([turn for turn in turns if turn.execution_id in written])
            if extras is not None:
                await connection.execute(query("write_extras"), extras)
        return written

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[TurnTransaction]:
        """Open the transaction of a turn that asks the database.

        It is committed if the turn was, by its commit_turn, and rolled back otherwise.
        """
        try:
            async with self._pool.acquire() as connection:
                async with connection.transaction():
                    turn = TurnTransaction(connection, self.owner)
                    yield turn
                    if not turn.committed:
                        raise _Undo
                await connection.reset()
        except _Undo:
            pass

    async def turn_outcome(self, execution_id: UUID, revision: int) -> bool:
        """Return whether our commit of the turn that began at `revision` happened (its answer was lost)."""
        happened: bool = await self._pool.fetchval(query("find_turn_outcome"), execution_id, revision, self.owner)
        return happened

    async def park(self, execution_id: UUID, revision: int, problem: str) -> bool:
        """Pause an execution that cannot go on, its state untouched. False: it moved on meanwhile."""
        text = problem.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
        parked = await self._pool.fetchval(query("park_execution"), execution_id, revision, self.owner, text)
        return parked is not None

    async def mark_lost(self, held: Collection[UUID] = (), partitions: Collection[int] | None = None) -> list[UUID]:
        """Mark the direct-mode executions that have begun and are in no one's memory; return them.

        `partitions` narrows that to some of ours.
        """
        narrowed = None if partitions is None else list(partitions)
        rows = await self._pool.fetch(query("mark_lost"), self.owner, list(held), narrowed)
        return [row[0] for row in rows]

    async def save_plan(self, plan: StoredPlan) -> None:
        """Store a plan under its hash, unless it is there."""
        sources = msgspec.json.encode(plan.sources).decode()
        await self._pool.execute(
            query("save_plan"),
            plan.hash,
            plan.script,
            plan.mode,
            plan.plan_json,
            sources,
            plan.engine_version,
        )

    async def load_plan(self, plan_hash: str) -> StoredPlan | None:
        """Return the plan of that hash, or None."""
        row = await self._pool.fetchrow(query("load_plan"), plan_hash)
        if row is None:
            return None
        sources = msgspec.json.decode(row["sources"], type=dict[str, str])
        return StoredPlan(row["hash"], row["script"], row["mode"], row["plan_json"], sources, row["engine_version"])

    async def deploy_script(self, script: str, plan_hash: str, bot_id: UUID = EVERY_BOT) -> bool:
        """Let new starts take this plan, which is stored. Return whether that changed anything."""
        return await self._pool.fetchval(query("deploy_script"), bot_id, script, plan_hash, None, "folder") is not None

    async def withdraw_script(self, script: str, bot_id: UUID = EVERY_BOT) -> bool:
        """Let nobody start the script any more. Return whether it could be started."""
        return await self._pool.fetchval(query("withdraw_script"), bot_id, script) is not None

    async def list_scripts(self) -> list[DeployedScript]:
        """Return every script that can be started."""
        return [DeployedScript(*row) for row in await self._pool.fetch(query("list_scripts"))]

    async def load_bot_parameters(self, bot_id: UUID) -> dict[str, Any]:
        """Return the bot server's param-* settings of one bot: names in lower case to values."""
        text: str = await self._pool.fetchval(query("load_bot_parameters"), bot_id)
        return msgspec.json.decode(text, type=dict[str, Any])

    async def channel(self, kind: str) -> str:
        """Return the name of this installation's channel; `kind` is wake or replies."""
        name: str = await self._pool.fetchval(query("name_channel"), kind)
        return name

    async def try_doze(self, connection: Connection, partitions: Collection[int]) -> bool:
        """Ask that rows of these partitions, which are ours, notify from now on, before sleeping. All or none.

        The protocol, on a connection of its own that listens and holds no other advisory lock:
        look for work until there is none; try_doze; False: transactions that skipped their notification are
        in flight, so look again shortly (or none of them is ours); True: look once more, for what they committed;
        found nothing: sleep until notified or due; then wake_up, and look.
        """
        dozing: bool = await connection.fetchval(query("doze"), self.owner, list(partitions))
        return dozing

    async def wake_up(self, connection: Connection) -> None:
        """Let rows come without a notification again. Harmless when awake."""
        await connection.execute(query("wake_up"))


async def _leave(_: object) -> None:
    """Leave a connection as it is."""


def _different(turns: Sequence[Turn]) -> set[UUID]:
    """Return whose turns they are. Raises ValueError if two are of one execution."""
    ids = {turn.execution_id for turn in turns}
    if len(ids) < len(turns):
        raise ValueError("two turns of one execution in one batch")
    return ids


def _written(turns: Sequence[Turn], ids: set[UUID], places: list[int] | None) -> set[UUID]:
    """Return whose turns the statement says were written: None stands for all."""
    return ids if places is None else {turns[place - 1].execution_id for place in places}


class _Undo(Exception):
    """Rolls back the transaction of a turn that was not committed."""


def _signal(row: asyncpg.Record) -> Signal:
    """Return a row as a signal. Other programs write data: what cannot be read must not keep the other signals of
    the batch from being heard, so an answer becomes an error of its request, and an event has no data."""
    kind, name, message, data = row["kind"], row["name"], row["message"], None
    try:
        data = None if row["data"] is None else msgspec.json.decode(row["data"])
    except (ValueError, RecursionError) as error:
        if kind == "completed":
            kind, name, message = "failed", "limit", f"The answer cannot be read: {error}."
    return Signal(
        id=row["id"],
        session_id=row["session_id"],
        execution_id=row["execution_id"],
        kind=kind,
        number=row["number"],
        name=name,
        data=data,
        message=message,
        created_at=row["created_at"],
        now=row["now"],
    )


def _pending(row: asyncpg.Record) -> PendingMessage:
    """Return a row as a message. Clients write attachments: those that cannot be read are left out, so that the
    other messages of the batch are heard, and this one too."""
    pending = PendingMessage(*row[:9])
    if row[4] is None:
        return pending
    try:
        return replace(pending, attachments=msgspec.json.decode(row[4]))
    except (ValueError, RecursionError):
        return replace(pending, attachments=None)
