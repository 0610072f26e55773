"""Several daemons as processes, smaller than `python -m tests.faults daemons`."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.faults.arena import make_run
from tests.faults.daemons import run_daemons
from tests.faults.rolling import run_rolling

pytestmark = pytest.mark.timeout(300)  # processes are started again and again: on a busy machine that takes time

LEASE: dict[str, object] = {"lease_seconds": 3.0, "heartbeat_seconds": 1.0}


async def test_f12_f13_no_turn_is_lost_or_doubled_while_daemons_come_and_go(
    empty_database: str, tmp_path: Path, rng: Random
) -> None:
    seed = str(rng.random())
    run = make_run(empty_database, tmp_path, 6, seed, daemon=LEASE)
    result = await run_daemons(run, tmp_path, 2, 3, daemon=LEASE)
    assert not result.violations, f"seed {seed}\n" + "\n".join(result.violations)


async def test_f45_a_new_version_is_deployed_while_conversations_go_on(
    empty_database: str, tmp_path: Path, rng: Random
) -> None:
    seed = str(rng.random())
    run = make_run(empty_database, tmp_path, 5, seed, daemon=LEASE)
    violations = await run_rolling(run, tmp_path, LEASE)
    assert not violations, f"seed {seed}\n" + "\n".join(violations)
