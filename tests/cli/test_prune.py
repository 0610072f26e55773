"""prune: says what would go, deletes it, and says how to ask for more."""

from __future__ import annotations

from uuid import UUID

import pytest

from tests.cli.terminal import Command
from tests.conftest import execute, run


@pytest.mark.parametrize("age", ["", "30", "d", "0d", "30 days ago", "999999999w"])
def test_an_age_that_is_none_is_refused(stepwell: Command, database: str, age: str) -> None:
    told = stepwell("prune", "--older-than", age, "--database-url", database)
    assert told.status == 2 and "is no age" in told.err


def test_prune_counts_first_and_deletes_ended_conversations_alone(
    stepwell: Command, database: str, executions: dict[str, UUID]
) -> None:
    flags = ("--database-url", database)
    kept = stepwell("prune", *flags)
    assert kept.status == 0 and "no rows deleted" in kept.out and "Ended conversations are kept" in kept.out
    old = "update workflow_executions set ended_at = ended_at - interval '40 days'"
    run(execute(database, old))
    asked = stepwell("prune", "--older-than", "30d", "--dry-run", "--json", *flags).document()
    assert asked["deleted"] is False and asked["rows"]["workflow_executions"] == 2
    told = stepwell("prune", "--older-than", "30d", *flags)
    assert told.status == 0 and "2  workflow_executions" in told.out and "rows deleted." in told.out
    assert stepwell("prune", "--older-than", "30d", "--json", *flags).document() == {"deleted": True, "rows": {}}
    [left] = stepwell("ps", "--all", "--json", *flags).document()
    assert left["id"] == str(executions["asks.bas"])
