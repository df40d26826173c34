"""Every group of the entry can be built."""

from __future__ import annotations

from harness.checks.bench import Bench
from harness.checks.trials import Trial


def check(bench: Bench, trial: Trial) -> None:
    """The group builds and answers."""
    bench.ask(bench.built(trial.case).algorithm, trial.case)
