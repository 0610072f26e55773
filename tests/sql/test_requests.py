"""Requests in the database: taken by one, answered once, never forgotten, never behind another host's backlog."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from daemon.migrations import Connection
from daemon.rows import Signal
from daemon.store import Store
from daemon.store_requests import Answer, RequestStore
from tests.sql.world import CLOCK, close_store, move_clock, open_store, requesting, shares_of, start, stop_clock

TAKE = "select * from workflow_take_requests('SEND FILE', $1, lease => '1 minute')"
ROW = "select * from workflow_requests where id = $1"


@pytest.fixture
def requests(store: Store) -> RequestStore:
    return RequestStore(store._pool, store.owner)


async def signals(store: Store) -> list[Signal]:
    return await store.fetch_signals([], 100)


async def take(requests: RequestStore, limit: int = 10, **rooms: int) -> list[UUID]:
    taken, _ = await requests.take(None, limit, {"": 100, **rooms}, 100, [])
    return [item.request.id for item in taken]


# ── other programs ──


async def test_another_program_takes_and_answers_once(store: Store, connection: Connection) -> None:
    made = await requesting(store, connection)
    [row] = await connection.fetch(TAKE, 10)
    assert (row["id"], row["kind"], row["attempt"]) == (made, "SEND FILE", 1)
    assert row["payload"] == '{"clauses": {}, "arguments": ["a.pdf"]}'
    assert row["session_id"] is not None and row["deadline"] is None
    assert await connection.fetch(TAKE, 10) == [], "nobody else takes it"
    complete = "select workflow_complete($1, $2)"
    assert await connection.fetchval(complete, made, '{"url": "https://x"}') is True
    assert await connection.fetchval(complete, made, '{"url": "https://y"}') is False
    assert await connection.fetchval("select workflow_fail($1, 'late')", made) is False
    assert await connection.fetchval(complete, uuid4(), "1") is False, "what was heard is gone"
    [signal] = await signals(store)
    assert (signal.kind, signal.number, signal.data) == ("completed", 1, {"url": "https://x"})


async def test_takers_are_told_once_a_statement_and_only_of_keywords(store: Store, connection: Connection) -> None:
    heard: list[object] = []
    channel = await connection.fetchval("select workflow_channel('requests')")
    assert channel == "workflow_requests"
    await connection.add_listener(channel, lambda *said: heard.append(said[3]))
    await requesting(store, connection, "http")
    await requesting(store, connection, "USE KB")
    await connection.execute("select 1")
    await connection.execute("select 1")
    assert heard == ["USE KB"]


async def test_a_lease_that_ran_out_gives_the_request_to_the_next_and_the_first_answer_wins(
    store: Store, connection: Connection
) -> None:
    await stop_clock(connection)
    made = await requesting(store, connection)
    await connection.fetch(TAKE, 10)
    await move_clock(connection, timedelta(seconds=59))
    assert await connection.fetch(TAKE, 10) == []
    await move_clock(connection, timedelta(seconds=1))
    [row] = await connection.fetch(TAKE, 10)
    assert (row["id"], row["attempt"]) == (made, 2)
    assert await connection.fetchval("select workflow_fail($1, 'slow', attempt => 1)", made) is False
    assert await connection.fetchval("select workflow_complete($1, '1')", made) is True, "whoever it is"
    assert await connection.fetchval("select workflow_complete($1, '2')", made) is False
    assert [s.data for s in await signals(store)] == [1]


async def test_a_failed_attempt_waits_longer_each_time_until_none_is_left(store: Store, connection: Connection) -> None:
    await stop_clock(connection)
    made = await requesting(store, connection)
    pauses = []
    for attempt in range(1, 9):
        [row] = await connection.fetch(TAKE, 10)
        assert row["attempt"] == attempt
        assert await connection.fetchval("select workflow_fail($1, 'busy', retry => true)", made) is True
        now = await connection.fetchrow(ROW, made)
        assert now is not None
        if attempt < 8:
            assert await connection.fetch(TAKE, 10) == [] and await signals(store) == []
            pauses.append((now["not_before"] - await connection.fetchval("select workflow_now()")).total_seconds())
            await move_clock(connection, timedelta(seconds=300))
    assert all(2**n / 2 <= pause <= 2**n for n, pause in enumerate(pauses))
    [signal] = await signals(store)
    assert now is not None
    assert (now["status"], signal.kind, signal.name, signal.message) == ("failed", "failed", "request", "busy")


async def test_a_failure_without_retry_is_the_last(store: Store, connection: Connection) -> None:
    made = await requesting(store, connection)
    await connection.fetch(TAKE, 10)
    assert await connection.fetchval("select workflow_fail($1, '', retry => false)", made) is True
    assert [s.message for s in await signals(store)] == ["The request failed."]


async def test_f35_the_back_off_never_overflows(connection: Connection) -> None:
    for attempt in (0, 1, 31, 1_000, 2**31 - 1):
        pause = await connection.fetchval("select workflow_backoff($1)", attempt)
        assert timedelta(0) < pause <= timedelta(seconds=300)


async def test_wrong_calls_say_what_is_wrong_and_change_nothing(store: Store, connection: Connection) -> None:
    ours = await requesting(store, connection, "http")
    made = await requesting(store, connection)
    before = await connection.fetch("select * from workflow_requests order by id")
    await connection.execute("update workflow_settings set value = '5' where key = 'request_result_characters_max'")
    for statement, code in (
        ("select workflow_take_requests('http', 1)", "SW030"),
        ("select workflow_take_requests('send file', 1)", "SW030"),
        ("select workflow_take_requests(null, 1)", "SW030"),
        ("select workflow_take_requests('SEND FILE', 0)", "SW014"),
        ("select workflow_take_requests('SEND FILE', 1, '0 s')", "SW031"),
        ("select workflow_take_requests('SEND FILE', 1, '2 days')", "SW031"),
        (f"select workflow_complete('{ours}', '1')", "SW030"),
        (f"select workflow_fail('{ours}', 'x')", "SW030"),
        (f"select workflow_complete('{made}', '\"too long\"')", "SW032"),
        (f"select workflow_retry_request('{uuid4()}')", "SW033"),
        ("select workflow_fail_request(null)", "SW033"),
    ):
        with pytest.raises(asyncpg.PostgresError) as refused:
            await connection.execute(statement)
        assert refused.value.sqlstate == code, statement
        assert getattr(refused.value, "hint", None), statement
    assert await connection.fetch("select * from workflow_requests order by id") == before


async def test_an_answer_that_cannot_be_read_is_an_error_of_its_request_alone(
    store: Store, connection: Connection
) -> None:
    deep, plain = await requesting(store, connection), await requesting(store, connection)
    await connection.fetchval("select workflow_complete($1, $2)", deep, "[" * 3_000 + "]" * 3_000)
    await connection.fetchval("select workflow_complete($1, '1')", plain)
    unreadable, heard = await signals(store)
    assert (unreadable.kind, unreadable.name, heard.data) == ("failed", "limit", 1)
    assert unreadable.message.startswith("The answer cannot be read: ")


# ── the daemon ──


async def test_only_the_owner_of_the_partition_takes_and_only_the_holder_answers(
    database: str, store: Store, requests: RequestStore, connection: Connection
) -> None:
    made = await requesting(store, connection, "http")
    other = RequestStore(store._pool, "d2")
    assert await take(other) == []
    assert await take(requests) == [made] and await take(requests) == []
    done = Answer(made, 1, "done", b'{"ok":true}')
    assert await other.answer([done], 8, "repeat") == {}
    assert await requests.answer([Answer(made, 2, "done")], 8, "repeat") == {}, "of another attempt"
    assert await requests.answer([done], 8, "repeat") == {made: "done"}
    assert await requests.answer([done], 8, "repeat") == {}, "a second answer"
    assert [s.data for s in await signals(store)] == [{"ok": True}]


async def test_many_answers_are_stored_at_once_each_with_its_own_end(
    store: Store, requests: RequestStore, connection: Connection
) -> None:
    await stop_clock(connection)
    kinds: tuple[tuple[str, str | None], ...] = (
        ("done", None), ("failed", None), ("again", None), ("again", "park"), ("unsure", None), ("unsure", "park"),
    )  # fmt: skip
    made = [await requesting(store, connection, "http", policy=policy) for _, policy in kinds]
    assert set(await take(requests)) == set(made)
    answers = [
        Answer(id, 1, outcome, b"7", "sorry", "web", 5.0, "host")  # type: ignore[arg-type]
        for id, (outcome, _) in zip(made, kinds, strict=True)
    ]
    stored = await requests.answer(answers, 8, "repeat")
    assert [stored[id] for id in made] == ["done", "failed", "pending", "pending", "pending", "in_doubt"]
    assert [(s.kind, s.data, s.name, s.message) for s in sorted(await signals(store), key=lambda s: s.kind)] == [
        ("completed", 7, "", ""),
        ("failed", None, "web", "sorry"),
    ]
    assert await requests.next_due(None, True) == 5.0 and await requests.next_due(["llm"], True) is None
    assert await take(requests) == []
    await move_clock(connection, timedelta(seconds=5))
    # A pause that ended between the last look and this question is over; where there is no room, it is no reason to look.
    assert await requests.next_due(None, True) == 0.0 and await requests.next_due(None, False) is None
    assert set(await take(requests)) == {made[2], made[3], made[4]}
    again = [Answer(id, 2, "again", error="still", pause_seconds=1.0) for id in made[2:5]]
    assert set((await requests.answer(again, 2, "repeat")).values()) == {"failed"}, "both attempts are used up"


async def test_no_host_is_behind_anothers_backlog(store: Store, requests: RequestStore, connection: Connection) -> None:
    await stop_clock(connection)
    slow = [await requesting(store, connection, "http") for _ in range(12)]
    await connection.execute("update workflow_requests set lane = 'slow'")
    await move_clock(connection, timedelta(seconds=1))
    quick = [await requesting(store, connection, "http") for _ in range(3)]
    await connection.execute("update workflow_requests set lane = 'quick' where id = any ($1)", quick)
    new = await requesting(store, connection, "http")
    first = set(await take(requests, slow=0, quick=2))
    assert new in first and len(first & set(quick)) == 2, "no room for the slow one, and for two quick ones"
    taken = set(await take(requests, 4))
    assert len(taken & set(slow)) == 2 and set(quick) <= taken | first, "each has its share of the batch"
    bot = await connection.fetchval("select bot_id from workflow_requests limit 1")
    assert await requests.take(None, 10, {}, 100, [bot]) == ([], 0), "a bot that has no room"
    assert await requests.take(["llm"], 10, {}, 100, []) == ([], 0)


async def test_what_is_given_back_was_never_begun(store: Store, requests: RequestStore, connection: Connection) -> None:
    made = await requesting(store, connection, "http")
    [taken], _ = await requests.take(None, 1, {}, 1, [])
    await requests.give_back([taken.request], ["host"])
    row = await connection.fetchrow(ROW, made)
    assert row is not None and (row["status"], row["attempts"], row["lane"]) == ("pending", 0, "host")


async def test_what_is_past_its_deadline_is_left_to_the_script(
    store: Store, requests: RequestStore, connection: Connection
) -> None:
    await stop_clock(connection)
    for kind in ("http", "SEND FILE"):
        await requesting(store, connection, kind, deadline=CLOCK + timedelta(seconds=10))
    await move_clock(connection, timedelta(seconds=10))
    assert await take(requests) == [] and await connection.fetch(TAKE, 10) == []
    assert len(await store.fetch_due([], 10)) == 2


# ── in doubt ──


async def test_f32_an_attempt_cut_short_is_repeated_under_its_key_or_parked(
    database: str, store: Store, requests: RequestStore, connection: Connection
) -> None:
    free = await requesting(store, connection, "http", policy="repeat")
    parked = await requesting(store, connection, "mail", policy="park")
    default = await requesting(store, connection, "http")
    assert len(await take(requests)) == 3
    assert await requests.recover([free, parked, default], [], "park") == [], "the daemon holds them"
    heir = await open_store(database, "d2", claim=False)
    await shares_of(store).release()
    await shares_of(heir).tend(60)
    heirs = RequestStore(heir._pool, "d2")
    found = {row[0]: row[2] for row in await heirs.recover([], [], "park")}
    assert found == {free: "pending", parked: "in_doubt", default: "in_doubt"}
    assert await heirs.recover([], [], "park") == []
    assert await take(heirs) == [free]
    late = [Answer(id, 1, "done") for id in (free, parked, default)]
    assert await requests.answer(late, 8, "park") == {}, "an attempt that is not ours any more is not answered"
    shown = await connection.fetch("select * from workflow_requests_open where status = 'in_doubt' order by kind")
    assert [(r["id"], r["kind"], r["attempts"]) for r in shown] == [(default, "http", 1), (parked, "mail", 1)]
    assert "cut short" in shown[0]["error"] and shown[0]["script"] == "ticket.bas"
    await close_store(heir)


async def test_attempts_of_ones_own_that_were_not_begun_are_simply_due_again(
    store: Store, requests: RequestStore, connection: Connection
) -> None:
    begun, fresh = [await requesting(store, connection, "http", policy="park") for _ in range(2)]
    await take(requests)
    found = {row[0]: row[2] for row in await requests.recover([], [begun], "repeat")}
    assert found == {begun: "in_doubt", fresh: "pending"}
    row = await connection.fetchrow(ROW, fresh)
    assert row is not None and (row["attempts"], row["cut_short"]) == (0, 0)


async def test_f30_what_is_cut_short_too_often_is_parked(
    store: Store, requests: RequestStore, connection: Connection
) -> None:
    made = await requesting(store, connection, "http", policy="repeat")
    for attempt in range(1, 21):
        assert await take(requests) == [made]
        [(_, _, status)] = await requests.recover([], [made], "repeat")
        assert status == ("in_doubt" if attempt == 20 else "pending")


async def test_the_operators_ways_out_of_doubt(store: Store, requests: RequestStore, connection: Connection) -> None:
    made = [await requesting(store, connection, "mail", policy="park") for _ in range(3)]
    await take(requests)
    await requests.recover([], made, "repeat")
    for call, id, status in (("retry", made[0], "pending"), ("complete", made[1], "done"), ("fail", made[2], "failed")):
        first = await connection.fetchrow(f"select * from workflow_{call}_request($1)", id)
        assert first is not None and (first["changed"], first["status"]) == (True, status)
    for call, id in (("retry", made[1]), ("complete", made[2]), ("fail", made[1]), ("complete", made[1])):
        second = await connection.fetchrow(f"select * from workflow_{call}_request($1)", id)
        assert second is not None and second["changed"] is False and "already" in second["sentence"] + "already"
    assert {(s.kind, s.message) for s in await signals(store)} == {
        ("completed", ""),
        ("failed", "An operator ended the request."),
    }
    [again], _ = await requests.take(None, 5, {}, 5, [])
    assert (again.request.id, again.request.attempt) == (made[0], 2)


async def test_an_execution_that_ends_gives_up_what_it_asked_for(
    store: Store, requests: RequestStore, connection: Connection
) -> None:
    pending, taken = [await requesting(store, connection, "http") for _ in range(2)]
    await connection.execute(
        "update workflow_requests set not_before = not_before + interval '1 h' where id = $1", pending
    )
    [held], _ = await requests.take(None, 5, {}, 5, [])
    assert await requests.list_lost([held.request]) == []
    await connection.execute("select workflow_cancel(execution_id) from workflow_requests")
    assert await requests.list_lost([held.request]) == [taken]
    assert await requests.answer([Answer(taken, 1, "done")], 8, "repeat") == {}
    assert await signals(store) == [] and await connection.fetch("select from workflow_requests_open") == []
    await connection.execute("update workflow_requests set ended_at = ended_at - interval '2 days'")
    await requests.delete_ended(24)
    assert await connection.fetch("select from workflow_requests") == []


async def test_an_answer_and_an_end_at_the_same_moment_leave_no_signal_behind(
    database: str, store: Store, requests: RequestStore, connection: Connection
) -> None:
    made = await requesting(store, connection, "http")
    await take(requests)
    other = await asyncpg.connect(database)
    async with connection.transaction():
        await connection.fetch("select * from workflow_answer_requests('d1', $1, 8, 'repeat')", answer_json(made))
        cancelling = asyncio.ensure_future(other.execute("select workflow_cancel(execution_id) from workflow_requests"))
        while not await connection.fetchval("select exists (select from pg_locks where not granted)"):
            await asyncio.sleep(0.002)
    await cancelling
    await other.close()
    assert await connection.fetchval("select count(*) from workflow_signals") == 0


def answer_json(id: UUID) -> str:
    return f'[{{"id": "{id}", "attempt": 1, "outcome": "done", "result": 1}}]'


async def test_a_paused_execution_is_told_when_it_goes_on(
    store: Store, requests: RequestStore, connection: Connection
) -> None:
    made = await requesting(store, connection, "http")
    await take(requests)
    await connection.execute("select workflow_pause(execution_id) from workflow_requests")
    assert await requests.answer([Answer(made, 1, "done")], 8, "repeat") == {made: "done"}
    assert await signals(store) == []
    await connection.execute("select workflow_resume(execution_id) from workflow_requests")
    assert len(await signals(store)) == 1


async def test_the_configuration_reaches_the_functions_for_other_programs(
    store: Store, requests: RequestStore, connection: Connection
) -> None:
    await requests.tell_settings(1, 0.5, 10.0)
    made = await requesting(store, connection)
    await connection.fetch(TAKE, 1)
    assert await connection.fetchval("select workflow_fail($1, 'no')", made) is True
    assert len(await signals(store)) == 1, "there is one attempt only"
    assert await start(connection, uuid4()) is not None
