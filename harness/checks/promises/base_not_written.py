"""The rows stay as they are."""

from __future__ import annotations

from harness.checks.bench import Bench
from harness.checks.trials import Trial
from harness.checks.verdicts import Failed


def check(bench: Bench, trial: Trial) -> None:
    """The base is not written to, neither by fit nor by searching."""
    algorithm, base = bench.built(trial.case)
    queries = bench.queries(trial.case).copy()
    for query in queries:
        algorithm.query(query, trial.case.k)
    algorithm.query_batch(queries, trial.case.k)
    changed = (base != bench.base(trial.case)).any(axis=1)
    if changed.any():
        raise Failed("the base as it was", f"{int(changed.sum())} rows of it changed")
