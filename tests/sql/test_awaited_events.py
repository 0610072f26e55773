"""Which events that came early are waited for by now: found by entering two indexes at each other's next name."""

from __future__ import annotations

from random import Random

from daemon.migrations import Connection

EARLY = """
    insert into workflow_events (id, event_name) select gen_random_uuid(), name from unnest($1::text[]) name
"""
WAITS = """
    insert into workflow_event_waits (execution_id, number, event_name, bot_id, since)
    select gen_random_uuid(), 1, name, gen_random_uuid(), now() from unnest($1::text[]) name
"""
FOUND = "select workflow_awaited_early()"


async def test_early_events_that_are_waited_for_are_found_whatever_else_there_is(
    connection: Connection, rng: Random
) -> None:
    names = [f"{rng.choice('abc')} {n}" for n in range(40)] + ["a", "z", "Zürich".lower(), "straße", "a-1", "a1"]
    for _ in range(20):
        early = [rng.choice(names) for _ in range(rng.randrange(12))]
        awaited = [rng.choice(names) for _ in range(rng.randrange(12))]
        await connection.execute("truncate workflow_events, workflow_event_waits")
        await connection.execute(EARLY, [f" {name.upper() if name != 'straße' else name} " for name in early])
        await connection.execute("update workflow_events set stage = 'early'")
        await connection.execute(WAITS, awaited)
        found = await connection.fetchval(FOUND)
        assert sorted(found) == sorted(set(early) & set(awaited)), (early, awaited)


async def test_many_waits_for_something_else_cost_nothing(connection: Connection) -> None:
    await connection.execute(WAITS, [f"paid {n}" for n in range(20_000)])
    await connection.execute(EARLY, ["nobody waits", "paid 777"])
    await connection.execute("update workflow_events set stage = 'early'")
    await connection.execute("analyze")
    before = await rows_read(connection)
    assert await connection.fetchval(FOUND) == ["paid 777"]
    assert await rows_read(connection) - before < 50


async def rows_read(connection: Connection) -> int:
    """Return how many rows of the waits this session has read."""
    await connection.execute("select pg_stat_force_next_flush()")
    read = "select seq_tup_read + idx_tup_fetch from pg_stat_user_tables where relname = 'workflow_event_waits'"
    return int(await connection.fetchval(read))
