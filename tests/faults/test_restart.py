"""PostgreSQL killed and restarted under the daemon, smaller than `python -m tests.faults restart-postgres`."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from daemon.embedded import Running
from tests.faults.arena import make_run
from tests.faults.restarts import run_restarts

pytestmark = pytest.mark.timeout(300)  # processes are started again and again: on a busy machine that takes time

CONVERSATIONS = 10
RESTARTS = 3


async def test_f51_the_database_comes_back(own_postgres: Running, tmp_path: Path, rng: Random) -> None:
    seed = str(rng.random())
    run = make_run(own_postgres.dsn, tmp_path, CONVERSATIONS, seed)
    result = await run_restarts(run, own_postgres, RESTARTS)
    assert not result.violations, f"seed {seed}\n" + "\n".join(result.violations)
    assert (result.kills, result.restarts) == (2, 1)
    assert result.backends
