"""A query is answered for itself."""

from __future__ import annotations

from harness.checks.bench import Bench
from harness.checks.likeness import require_same
from harness.checks.trials import Trial


def check(bench: Bench, trial: Trial) -> None:
    """Answers do not depend on the queries asked before."""
    algorithm = bench.built(trial.case).algorithm
    forward = bench.ask(algorithm, trial.case)
    backward = bench.ask(algorithm, trial.case, bench.queries(trial.case)[::-1].copy())
    require_same(forward, backward[::-1], "the same answers in reverse order")
