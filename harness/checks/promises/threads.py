"""No more threads than allotted."""

from __future__ import annotations

from collections.abc import Callable

from harness.checks.bench import Bench
from harness.checks.concurrency import cores_wanted
from harness.checks.trials import Trial
from harness.checks.verdicts import Failed

_MOST_CORES = 1.5
_SECONDS = 0.15


def check(bench: Bench, trial: Trial) -> None:
    """With one thread allotted, no more than one wants to run at any time."""
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
