"""F17, F25, F31: killed inside the transaction of every turn, at every place."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.faults.arena import make_run
from tests.faults.every_step import Stop, Way, run_every_step

pytestmark = pytest.mark.timeout(300)  # processes are started again and again: on a busy machine that takes time

COMMITS = (
    Stop("history", Way.DONE),
    Stop("checkpoint", Way.UNDONE),
    Stop("reply", Way.OVERTAKEN),
    Stop("message", Way.DONE),
    Stop("checkpoint", Way.AFTER),
)
QUESTIONS = (Stop("variable", Way.DONE), Stop("ticket", Way.OVERTAKEN))


@pytest.mark.parametrize("stops", [COMMITS, QUESTIONS], ids=["commits", "questions"])
async def test_f31_killed_inside_every_turn(
    stops: tuple[Stop, ...], empty_database: str, tmp_path: Path, rng: Random
) -> None:
    run = make_run(empty_database, tmp_path, 1, str(rng.random()), plain=True)
    result = await run_every_step(run, stops)
    assert not result.violations, "\n".join(result.violations)
    assert len(result.kills) >= (3 if stops is COMMITS else 1), result.kills
