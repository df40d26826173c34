"""The tables that explain an index."""

from __future__ import annotations

from harness.checks.bench import Bench
from harness.checks.trials import Trial
from harness.running.worker.measuring import checked_tables


def check(bench: Bench, trial: Trial) -> None:
    """Diagnostics are tables of equally long columns of numbers or text."""
    checked_tables(bench.built(trial.case).algorithm.diagnostics())
