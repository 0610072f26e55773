"""The daemon killed while scripts ask the world outside, smaller than `python -m tests.faults requests`."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.faults.requests import run_requests

pytestmark = pytest.mark.timeout(300)  # processes are started again and again: on a busy machine that takes time


@pytest.mark.parametrize("park", [False, True], ids=["repeat", "park"])
async def test_f32_killed_inside_requests(empty_database: str, tmp_path: Path, rng: Random, park: bool) -> None:
    seed = str(rng.random())
    result = await run_requests(empty_database, tmp_path, 5, 1, seed, park=park)
    assert not result.violations, f"seed {seed}\n" + "\n".join(result.violations)
    assert result.kills == 1
