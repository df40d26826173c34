"""Queries and parameters stay as they are."""

from __future__ import annotations

import copy

import numpy as np

from harness.checks.bench import Bench
from harness.checks.trials import Trial
from harness.checks.verdicts import Failed


def check(bench: Bench, trial: Trial) -> None:
    """Queries and parameters are not written to."""
    case = trial.case
    _require_parameters_kept(bench, trial)
    algorithm = bench.built(case).algorithm
    queries = bench.queries(case).copy()
    algorithm.warm_up(queries, case.k)
    _require_kept(queries, bench.queries(case), "warm_up")
    for query in queries:
        algorithm.query(query, case.k)
    _require_kept(queries, bench.queries(case), "query")
    algorithm.query_batch(queries, case.k)
    _require_kept(queries, bench.queries(case), "query_batch")


def _require_parameters_kept(bench: Bench, trial: Trial) -> None:
    parameters = bench.parameters(trial.case)
    given = copy.deepcopy(parameters)
    bench.adapter(trial.case.metric)(trial.case.metric, **parameters)
    if parameters != given:
        raise Failed(f"build parameters {given} as they were", f"the constructor made {parameters}")


def _require_kept(queries: np.ndarray, given: np.ndarray, who: str) -> None:
    if not np.array_equal(queries, given):
        raise Failed("queries as they were", f"{who} wrote to them")
