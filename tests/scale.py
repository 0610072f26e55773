"""How many examples generated tests try: few in the suite, whose seed changes with every run; more when asked for.

`STEPWELL_TEST_SCALE=20 ./stepwell self-test tests/engine` tries twenty times as many.
"""

from __future__ import annotations

import os

SCALE = float(os.environ.get("STEPWELL_TEST_SCALE", "1"))


def examples(count: int) -> int:
    """Return how many examples to try where `count` are enough for a run of the suite."""
    return max(1, round(count * SCALE))
