"""Answers are ids of rows."""

from __future__ import annotations

from harness.checks.bench import Bench
from harness.checks.trials import Trial


def check(bench: Bench, trial: Trial) -> None:
    """Answers are k distinct row numbers, best first, padded with -1 at the end."""
    bench.require_valid(bench.built(trial.case).algorithm, trial.case)
