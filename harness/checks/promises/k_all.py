"""As many neighbours as rows."""

from __future__ import annotations

from harness.checks.bench import Bench
from harness.checks.trials import Trial


def check(bench: Bench, trial: Trial) -> None:
    """As many neighbours as there are rows can be asked for."""
    bench.require_valid(bench.built(trial.case).algorithm, trial.case)
