"""docs/sql.md: its examples run, in order, and its list of errors is the list of errors."""

from __future__ import annotations

import re
from pathlib import Path

import asyncpg

from daemon.statements import migrations
from tests.sql.world import ask, close_store, deploy, open_store

PAGE = (Path(__file__).parents[2] / "docs" / "sql.md").read_text()


async def test_the_examples_run_in_order(database: str) -> None:
    store = await open_store(database)
    await deploy(store)
    connection = await asyncpg.connect(database, user="postgres")
    examples = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
    assert len(examples) == 12
    await connection.execute("begin")
    for example in examples:
        for statement in re.findall(r"(?:[^;$]|\$\$.*?\$\$|\$(?!\$))+;", example, re.DOTALL):
            if statement.strip().startswith("listen"):
                continue
            await connection.execute(statement)
        if "workflow_start('ticket.bas', session_id" in example:
            await connection.execute("commit")
            await ask(store, await connection.fetchval("select id from workflow_executions"))
            await connection.execute("begin")
    assert await connection.fetchval("select status from workflow_executions where session_id is not null") == "paused"
    assert await connection.fetchval("select description from tickets") == "my printer is on fire"
    assert await connection.fetchval("select count(*) from workflow_messages") == 3
    await connection.execute("rollback")
    await connection.close()
    await close_store(store)


def test_every_error_is_listed_and_every_listed_error_exists() -> None:
    raised = set(re.findall(r"errcode = '(SW\d+)'", "".join(migration.text for migration in migrations())))
    listed = re.findall(r"^\| (SW\d+) \|", PAGE, re.MULTILINE)
    assert listed == sorted(listed) and set(listed) == raised


def test_every_statement_says_what_it_keeps_true_and_is_used() -> None:
    root = Path(__file__).parents[2]
    source = "".join(path.read_text() for path in (root / "daemon").glob("*.py"))
    for path in (root / "sql" / "queries").glob("*.sql"):
        assert path.read_text().startswith("-- Keeps true: "), path.name
        assert f'"{path.stem}"' in source, f"{path.name} is used by nothing"
