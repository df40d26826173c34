"""The nearest alone."""

from __future__ import annotations

from harness.checks.bench import Bench
from harness.checks.trials import Trial


def check(bench: Bench, trial: Trial) -> None:
    """One neighbour can be asked for, singly and in a batch."""
    bench.require_valid(bench.built(trial.case).algorithm, trial.case)
