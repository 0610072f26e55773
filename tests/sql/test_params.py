"""workflow_start checks params against what the script declares: docs/sql.md, SW015 and SW016."""

from __future__ import annotations

import json

import asyncpg
import pytest

from daemon.migrations import Connection
from engine.parameters import Parameter, schema_of
from tests.sql.world import PLAN

SCHEMA = schema_of(
    [
        Parameter("city"),
        Parameter("days", "integer", default=1, required=False),
        Parameter("unit", choices=("celsius", "kelvin"), required=False),
    ]
)


async def declare(connection: Connection) -> None:
    """Deploy a script that is a tool."""
    statement = "insert into workflow_plans (hash, script, mode, plan_json, sources, engine_version) values ($1, $2, 'workflow', '{}', '{}', '0')"
    await connection.execute(statement, PLAN.hash, PLAN.script)
    await connection.execute("insert into workflow_scripts (script, plan_hash) values ($2, $1)", PLAN.hash, PLAN.script)
    tool = json.dumps({"name": "ticket", "description": "", "parameters": SCHEMA})
    await connection.execute("update workflow_scripts set tool = $1 where script = $2", tool, PLAN.script)


async def start(connection: Connection, params: object, key: str | None = None) -> object:
    statement = "select workflow_start($1, params => $2, start_key => $3)"
    return await connection.fetchval(statement, PLAN.script, json.dumps(params), key)


async def test_params_that_fit_start_the_script(connection: Connection) -> None:
    await declare(connection)
    assert await start(connection, {"City": "Recife", "days": "2", "unit": "Kelvin", "more": [1]})
    assert await start(connection, {}, "schedule:1:2026-01-01"), "a schedule has no one to ask"


@pytest.mark.parametrize(
    ("params", "code", "sentence"),
    [
        ({}, "SW015", "needs the parameter city"),
        ({"city": None}, "SW015", "needs the parameter city"),
        ({"city": "x", "days": "many"}, "SW016", "The parameter days of ticket.bas does not fit"),
        ({"city": "x", "unit": "rankine"}, "SW016", "The parameter unit"),
    ],
)
async def test_params_that_do_not_fit_start_nothing(
    connection: Connection, params: object, code: str, sentence: str
) -> None:
    await declare(connection)
    with pytest.raises(asyncpg.PostgresError, match=sentence) as refused:
        await start(connection, params)
    assert refused.value.sqlstate == code
    assert await connection.fetchval("select count(*) from workflow_executions") == 0
