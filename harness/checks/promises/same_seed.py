"""Builds can be repeated."""

from __future__ import annotations

from harness.checks.bench import Bench
from harness.checks.likeness import require_same
from harness.checks.trials import Trial


def check(bench: Bench, trial: Trial) -> None:
    """Two builds by one thread with equal parameters, the seed among them, answer alike."""
    first = bench.ask(bench.built(trial.case).algorithm, trial.case)
    second = bench.ask(bench.fit(trial.case), trial.case)
    require_same(first, second, "the same answers from a second build")
