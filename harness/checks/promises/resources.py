"""Checks of threads, sizes and diagnostics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from harness.checks.bench import Bench
from harness.checks.catalog import promise
from harness.checks.concurrency import cores_wanted
from harness.checks.trials import Trial
from harness.checks.verdicts import Failed
from harness.running.worker.diagnostics import checked_tables

_MOST_CORES = 1.5
_SECONDS = 0.15
_LEAST_PER_ROW = 0.5
_MOST_TIMES_ROWS = 50
_ALLOWANCE = 1 << 24  # tables and headers that do not grow with the rows


@promise
def threads(bench: Bench, trial: Trial) -> None:
    """With one thread allotted, no more than one wants to run at a time."""
    case = trial.case
    algorithm = bench.built(case).algorithm
    queries = bench.queries(case).copy()
    _require_one("fit", lambda: bench.fit(case))
    _require_one("query", lambda: [algorithm.query(query, case.k) for query in queries])
    _require_one("query_batch", lambda: algorithm.query_batch(queries, case.k))


def _require_one(name: str, work: Callable[[], object]) -> None:
    wanted = cores_wanted(work, _SECONDS)
    if wanted > _MOST_CORES:
        raise Failed("work for one core, as allotted", f"{name} kept {wanted:.1f} threads busy")


@promise
def index_bytes(bench: Bench, trial: Trial) -> None:
    """`index_bytes` is an integer from four bits per row to fifty times the size of the rows."""
    size: Any = bench.built(trial.case).algorithm.index_bytes()
    if not isinstance(size, int | np.integer) or isinstance(size, bool):
        raise Failed("a whole number of bytes", repr(size))
    rows = bench.base(trial.case)
    least = int(len(rows) * _LEAST_PER_ROW)
    most = _MOST_TIMES_ROWS * rows.nbytes + _ALLOWANCE
    if not least <= size <= most:
        n, d = rows.shape
        raise Failed(f"{least:,} to {most:,} bytes for {n:,} rows of {d}", f"{int(size):,} bytes")


@promise
def diagnostics(bench: Bench, trial: Trial) -> None:
    """`diagnostics` returns tables of equally long columns of numbers or text."""
    checked_tables(bench.built(trial.case).algorithm.diagnostics())
