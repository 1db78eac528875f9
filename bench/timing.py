"""Measuring: the least of several runs, as everything else that a machine does only adds to it."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

RUNS = 5


def least(work: Callable[[], object], runs: int = RUNS, budget: float = 8.0) -> float:
    """Return the least seconds that `work` took in up to `runs` runs, stopping early after `budget` seconds."""
    best = float("inf")
    began = time.perf_counter()
    gc.collect()
    for _ in range(runs):
        start = time.perf_counter()
        work()
        now = time.perf_counter()
        best = min(best, now - start)
        if now - began > budget:
            break
    return best
