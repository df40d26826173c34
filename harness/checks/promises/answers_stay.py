"""An answer belongs to who asked."""

from __future__ import annotations

import numpy as np

from harness.checks.bench import Bench
from harness.checks.trials import Trial
from harness.checks.verdicts import Failed


def check(bench: Bench, trial: Trial) -> None:
    """An answer stays as it is when the next query is asked: the harness reads it later."""
    algorithm = bench.built(trial.case).algorithm
    queries = bench.queries(trial.case).copy()
    answer = algorithm.query(queries[0], trial.case.k)
    kept = np.array(answer)
    for query in queries[1:]:
        algorithm.query(query, trial.case.k)
    if not np.array_equal(kept, answer):
        raise Failed("an array of its own for each answer", "the next query wrote over it")
