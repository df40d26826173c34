"""The size of the index."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.checks.bench import Bench
from harness.checks.trials import Trial
from harness.checks.verdicts import Failed

_LEAST_PER_ROW = 0.5
_MOST_TIMES_ROWS = 50
_ALLOWANCE = 1 << 24  # tables and headers that do not grow with the rows


def check(bench: Bench, trial: Trial) -> None:
    """index_bytes is a whole number, between four bits for each row and fifty times the rows."""
    size: Any = bench.built(trial.case).algorithm.index_bytes()
    if not isinstance(size, int | np.integer) or isinstance(size, bool):
        raise Failed("a whole number of bytes", repr(size))
    rows = bench.base(trial.case)
    least = int(len(rows) * _LEAST_PER_ROW)
    most = _MOST_TIMES_ROWS * rows.nbytes + _ALLOWANCE
    if not least <= size <= most:
        n, d = rows.shape
        raise Failed(f"{least:,} to {most:,} bytes for {n:,} rows of {d}", f"{int(size):,} bytes")
