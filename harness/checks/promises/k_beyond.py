"""More neighbours than can be found."""

from __future__ import annotations

from harness.checks.bench import Bench
from harness.checks.trials import Trial


def check(bench: Bench, trial: Trial) -> None:
    """Where fewer than k are found, the answer is padded with -1 at the end."""
    bench.require_valid(bench.built(trial.case).algorithm, trial.case)
