"""Every action of an operator in every state, once and twice, and against a turn in flight."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from daemon.migrations import Connection
from daemon.rows import Counted, LoadedExecution, Outcome
from daemon.store import Store
from daemon.store_operators import OperatorStore
from tests.sql.world import CLOCK, ask, asking, say, start, turn_of


@pytest.fixture
async def operator(store: Store) -> OperatorStore:
    return OperatorStore(store._pool)


STATES = (
    "fresh",
    "waiting",
    "timed",
    "paused fresh",
    "paused waiting",
    "parked",
    "completed",
    "failed",
    "cancelled",
)
DIRECT = ("direct fresh", "direct waiting", "direct failed", "direct lost")


async def bring_about(store: Store, connection: Connection, state: str) -> UUID:
    """Return an execution that came into the state the way executions do."""
    script = "direct.bas" if state.startswith("direct") else "ticket.bas"
    started = await start(connection, uuid4(), script)
    match state.removeprefix("direct ").removeprefix("paused "):
        case "fresh":
            pass
        case "timed":
            await ask(store, started, wait_kind="time", wake_at=CLOCK + timedelta(days=1))
        case "completed" | "failed" as ended:
            await ask(store, started, status=ended, wait_kind=None, problem="why")
        case _:
            await ask(store, started)
    if state.startswith("paused"):
        await connection.execute("select workflow_pause($1)", started)
    if state == "parked":
        [loaded] = await store.load_executions([started])
        assert await store.park(started, loaded.revision, "cannot be read")
    if state == "cancelled":
        await connection.execute("select workflow_cancel($1)", started)
    if state == "direct lost":
        assert started in await store.mark_lost()
    return started


# What each action makes of each state; what is not here stays as it is.
CHANGES = {
    ("cancel", "fresh"): "cancelled", ("cancel", "waiting"): "cancelled", ("cancel", "timed"): "cancelled",
    ("cancel", "paused fresh"): "cancelled", ("cancel", "paused waiting"): "cancelled", ("cancel", "parked"): "cancelled",
    ("cancel", "direct fresh"): "cancelled", ("cancel", "direct waiting"): "cancelled",
    ("pause", "fresh"): "paused", ("pause", "waiting"): "paused", ("pause", "timed"): "paused",
    ("resume", "paused fresh"): "running", ("resume", "paused waiting"): "waiting", ("resume", "parked"): "waiting",
    ("retry", "parked"): "waiting", ("retry", "failed"): "running",
}  # fmt: skip


@pytest.mark.parametrize("act", ["cancel", "pause", "resume", "retry"])
async def test_f59_every_action_in_every_state(
    store: Store, operator: OperatorStore, connection: Connection, act: str
) -> None:
    for state in STATES + DIRECT:
        execution = await bring_about(store, connection, state)
        before = await read(connection, execution)
        expected = CHANGES.get((act, state), before["status"])
        outcome: Outcome = await getattr(operator, act)(execution)
        after = await read(connection, execution)
        assert (outcome.changed, outcome.status) == ((act, state) in CHANGES, expected), state
        assert after["status"] == expected
        assert str(execution) in outcome.sentence and outcome.sentence.endswith(".")
        if outcome.changed:
            check_change(before, after)
        else:
            assert after == before, f"{state}: nothing was touched"
        again: Outcome = await getattr(operator, act)(execution)
        assert not again.changed, f"{state}: a second time does nothing"


async def read(connection: Connection, execution: UUID) -> asyncpg.Record:
    row: asyncpg.Record | None = await connection.fetchrow("select * from workflow_executions where id = $1", execution)
    assert row is not None
    return row


def check_change(before: asyncpg.Record, after: asyncpg.Record) -> None:
    assert after["revision"] == before["revision"] + 1, "what was in flight is fenced off"
    assert after["state_json"] == before["state_json"]
    assert (after["ended_at"] is not None) == (after["status"] == "cancelled")
    if after["status"] == "running":
        assert after["wake_at"] is not None and after["wait_kind"] is None, "it is due at once"
    if after["status"] in ("waiting", "paused"):
        assert (after["wake_at"], after["wait_kind"]) == (before["wake_at"], before["wait_kind"])


async def test_direct_mode_says_why_not(store: Store, operator: OperatorStore, connection: Connection) -> None:
    waiting = await bring_about(store, connection, "direct waiting")
    assert "direct mode, which cannot be paused" in (await operator.pause(waiting)).sentence
    failed = await bring_about(store, connection, "direct failed")
    assert "direct mode, which cannot be retried" in (await operator.retry(failed)).sentence


async def test_a_retry_gives_way_to_a_new_start(store: Store, operator: OperatorStore, connection: Connection) -> None:
    failed = await bring_about(store, connection, "failed")
    [row] = await store.load_executions([failed])
    rival = await start(connection, row.session_id)
    outcome = await operator.retry(failed)
    assert (outcome.changed, outcome.status) == (False, "failed")
    assert str(rival) in outcome.sentence


@pytest.mark.parametrize("act", ["cancel", "pause"])
async def test_f59_a_completing_turn_does_not_bypass_it(
    store: Store, operator: OperatorStore, connection: Connection, act: str
) -> None:
    asked = await asking(store, connection)
    assert (await getattr(operator, act)(asked.id)).changed
    finished = turn_of(asked, status="completed", wait_kind=None)
    assert not await store.commit_turn(finished)
    assert await store.commit_turns([finished]) == set()
    [now] = await store.load_executions([asked.id])
    assert now.status in ("paused", "cancelled") and now.revision == asked.revision + 1
    fresh = turn_of(now, status="completed", wait_kind=None)
    assert not await store.commit_turn(fresh), "not even with the revision of now: it may not run"


async def test_f18_cancels_and_turns_at_once_end_in_one_of_both(
    store: Store, operator: OperatorStore, connection: Connection
) -> None:
    async def finish(asked: LoadedExecution) -> bool:
        return await store.commit_turn(turn_of(asked, status="completed", wait_kind=None))

    for _ in range(15):
        asked = await asking(store, connection)
        finished, cancelled = await asyncio.gather(finish(asked), operator.cancel(asked.id, "enough"))
        status = await connection.fetchval("select status from workflow_executions where id = $1", asked.id)
        assert finished != cancelled.changed
        assert status == ("completed" if finished else "cancelled")


async def test_f60_a_cancel_is_a_status_with_its_reason(
    operator: OperatorStore, store: Store, connection: Connection
) -> None:
    asked = await asking(store, connection)
    await operator.cancel(asked.id, "the user left")
    shown = await operator.show_execution(asked.id)
    assert shown is not None and (shown.listed.status, shown.listed.problem) == ("cancelled", "the user left")
    assert shown.state_json == asked.state_json


async def test_f61_pages_neither_skip_nor_repeat(operator: OperatorStore, store: Store, connection: Connection) -> None:
    everyone = [await start(connection) for _ in range(7)]
    seen: list[UUID] = []
    below: int | None = None
    while page := await operator.list_executions(below=below, limit=3):
        seen += [one.id for one in page]
        below = page[-1].start_order
        await start(connection)
    assert seen == everyone[::-1]
    await operator.cancel(everyone[0])
    [only] = await operator.list_executions(statuses=["cancelled"])
    assert only.id == everyone[0]
    assert await operator.list_executions(session_id=uuid4()) == []
    assert len(await operator.list_executions(script="ticket.bas", limit=2)) == 2
    counts = await operator.count_executions()
    assert counts["cancelled"] == Counted(1, exact=True)


async def test_one_execution_is_shown_with_its_turns(
    operator: OperatorStore, store: Store, connection: Connection
) -> None:
    session = uuid4()
    asked = await asking(store, connection, session)
    await say(connection, session)
    await ask(store, asked.id, came_in='{"kind": "message", "content": "hi"}')
    shown = await operator.show_execution(asked.id)
    assert shown is not None
    assert (shown.listed.turn, shown.messages_pending, shown.hears, shown.plan_hash) == (2, 1, True, "p1")
    turns = await operator.list_turns(asked.id)
    assert [(turn.turn, turn.came_in["kind"]) for turn in turns] == [(2, "message"), (1, "start")]
    assert [turn.turn for turn in await operator.list_turns(asked.id, below=2)] == [1]
    assert await operator.show_execution(uuid4()) is None
    assert await operator.find_execution(str(asked.id)[:8]) == [asked.id]
    assert await operator.find_execution(str(asked.id)) == [asked.id]
    with pytest.raises(ValueError):
        await operator.find_execution("xyz")
    backlog = await operator.measure_messages()
    assert backlog.pending == 1 and backlog.oldest_seconds is not None and backlog.oldest_seconds >= 0
    standstill = await operator.measure_signals()
    assert (standstill.signals, standstill.oldest_seconds, standstill.events) == (0, None, 0)
    await store._pool.execute("select workflow_publish('nobody waits')")
    assert (await operator.measure_signals()).events == 1
