"""The daemon killed at random moments, smaller than `python -m tests.faults kill`."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.conftest import execute
from tests.faults.arena import make_run
from tests.faults.kill import run_kills
from tests.faults.verdict import judge

pytestmark = pytest.mark.timeout(300)  # processes are started again and again: on a busy machine that takes time

CONVERSATIONS = 8
KILLS = 3
# Each breaks one promise; the verdict must see every one of them.
SPOILED = {
    "transcript": "update workflow_replies set content = 'Welcome!' where content = 'Welcome.'",
    "tickets": "insert into tickets (description, session_id) select description, session_id from tickets limit 1",
    "history": "delete from workflow_turns where turn = 3",
    "unheard": "insert into workflow_messages (session_id, content) select session_id, 'x' from tickets limit 1",
    "replies": "delete from workflow_replies where turn = 2",
}


async def test_f31_killed_at_random_moments(empty_database: str, tmp_path: Path, rng: Random) -> None:
    seed = str(rng.random())
    run = make_run(empty_database, tmp_path, CONVERSATIONS, seed)
    result = await run_kills(run, KILLS)
    assert not result.violations, f"seed {seed}\n" + "\n".join(result.violations)
    assert result.kills == KILLS
    for promise, statement in SPOILED.items():
        await execute(empty_database, statement)
        assert any(promise in line for line in await judge(empty_database, run.bots.talks.values())), promise
