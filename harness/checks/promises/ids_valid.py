"""Answers are ids of rows."""

from __future__ import annotations

from harness.checks.bench import Bench
from harness.checks.trials import Trial


def check(bench: Bench, trial: Trial) -> None:
    """Answers are k distinct row numbers, best first, padded with -1 at the end."""
    for case in trial.cases:
        bench.note(f"search {dict(case.search)}")
        algorithm = bench.built(case).algorithm
        bench.ask(algorithm, case)
        bench.ask_batch(algorithm, case)
