"""How slow this machine is at the moment, so that limits of CPU time hold for slow and busy ones too."""

from __future__ import annotations

import time

# What the loop below takes on the machine the limits were set on; shared cores take two or three times as long.
REFERENCE_SECONDS = 0.0045


def slowness() -> float:
    """Return how many times slower than the reference a fixed piece of work is just now, at least 1."""
    best = 1e9
    for _ in range(3):
        started = time.process_time()
        total = 0
        for number in range(100_000):
            total += number & 7
        best = min(best, time.process_time() - started)
    return max(1.0, best / REFERENCE_SECONDS)
