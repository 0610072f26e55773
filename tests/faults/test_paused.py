"""F13: a daemon that was paused wakes up after its conversations went to another."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.faults.arena import make_run
from tests.faults.paused import LEASE, run_paused

pytestmark = pytest.mark.timeout(300)  # processes are started again and again: on a busy machine that takes time


async def test_f13_a_paused_daemon_is_succeeded_and_writes_nothing(
    empty_database: str, tmp_path: Path, rng: Random
) -> None:
    run = make_run(empty_database, tmp_path, 3, str(rng.random()), daemon=LEASE, plain=True)
    violations = await run_paused(run, tmp_path)
    assert not violations, "\n".join(violations)
