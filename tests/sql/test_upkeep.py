"""What keeps tables small without anybody's help: updates in place, and autovacuum that comes in time."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import random
from datetime import UTC, datetime, timedelta

from daemon.migrations import Connection
from daemon.statements import migrations
from tests.sql.world import close_store, deploy, open_store, turn_of

# Tables without settings of their own for autovacuum, each with why the server's are good enough.
AS_THE_SERVER_DOES = {
    "workflow_migrations": "a row a version",
    "workflow_settings": "a handful of rows, changed by hand",
    "workflow_secrets": "one row",
    "workflow_bot_roles": "a row a role, changed by hand",
    "workflow_plans": "a row a version of a script; only deployments write",
    "workflow_scripts": "a row a script; only deployments write",
    "workflow_declarations": "a few rows a script; only deployments write",
    "workflow_sources": "a row a deployment",
}


async def test_every_table_says_how_often_autovacuum_looks(connection: Connection) -> None:
    rows = await connection.fetch(
        "select relname::text, coalesce(reloptions::text, '') like '%autovacuum%' from pg_class"
        " where relnamespace = 'public'::regnamespace and relkind = 'r' order by 1"
    )
    said = {row[0] for row in rows if row[1]}
    assert {row[0] for row in rows} - said == set(AS_THE_SERVER_DOES), "say so in the schema, or here why not"
    toasted = await connection.fetch(
        "select t.relname from pg_class c join pg_class t on t.oid = c.reltoastrelid where t.reloptions is not null"
        " and c.oid in ('workflow_executions'::regclass, 'workflow_requests'::regclass)"
    )
    assert len(toasted) == 2, "long states and payloads are rewritten too"
    assert migrations()


async def test_turns_of_a_plain_conversation_update_their_row_in_place(
    database: str, connection: Connection, rng: random.Random
) -> None:
    """With the bot server's own indexes, on status and bot_id, states of 1 to 1.5 KB that share pages, and deadlines."""
    store = await open_store(database)
    await deploy(store)
    sql = "select workflow_start('ticket.bas', gen_random_uuid()) from generate_series(1, 300)"
    ids = [row[0] for row in await connection.fetch(sql)]
    loaded = {one.id: one for one in await store.load_executions(ids)}

    async def talk(rounds: int) -> None:
        for _ in range(rounds):
            rng.shuffle(ids)
            for begin in range(0, len(ids), 50):
                some = [loaded[id] for id in ids[begin : begin + 50]]
                turns = [turn_of(one, state_json=state(), wake_at=deadline()) for one in some]
                assert len(await store.commit_turns(turns)) == len(some)
                for one in some:
                    loaded[one.id] = dataclasses.replace(one, revision=one.revision + 1, turn=one.turn + 1)

    def state() -> str:
        return json.dumps({"version": 1, "variables": {"x": f"{rng.getrandbits(rng.randint(3600, 5600)):x}"}})

    def deadline() -> datetime | None:
        return rng.choice([None, datetime.now(UTC) + timedelta(seconds=rng.randint(60, 600))])

    async def updates() -> tuple[int, int]:
        await store._lanes.fetch("select pg_stat_force_next_flush()")  # by the connection that commits
        await connection.execute("select pg_stat_clear_snapshot()")
        row = await connection.fetchrow(
            "select n_tup_upd, n_tup_hot_upd from pg_stat_user_tables where relname = 'workflow_executions'"
        )
        assert row is not None
        return row[0], row[1]

    await talk(3)  # the first turn of each changes its status
    all_before, hot_before = await updates()
    await talk(6)
    async with asyncio.timeout(20):
        while (await updates())[0] < all_before + 6 * len(ids):
            await asyncio.sleep(0.05)
    all_after, hot_after = await updates()
    assert (hot_after - hot_before) / (all_after - all_before) >= 0.95
    await close_store(store)
