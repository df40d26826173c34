"""The arrays of the harness are read-only."""

from __future__ import annotations

from harness.checks.bench import Bench
from harness.checks.likeness import require_alike
from harness.checks.trials import Trial


def check(bench: Bench, trial: Trial) -> None:
    """Read-only rows and queries, mapped from a file, give the answers that writable ones give."""
    case = trial.case
    usual = bench.ask(bench.built(case).algorithm, case)
    mapped = bench.ask(bench.fit(case, bench.base(case)), case, bench.queries(case))
    require_alike(bench, case, usual, mapped, "the same answers from read-only arrays")
