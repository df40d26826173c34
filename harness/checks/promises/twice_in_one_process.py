"""Two indexes live side by side."""

from __future__ import annotations

from dataclasses import replace

from harness.checks.bench import Bench
from harness.checks.likeness import require_same
from harness.checks.trials import Trial


def check(bench: Bench, trial: Trial) -> None:
    """Two indexes of one process do not touch each other."""
    case = trial.case
    first = bench.fit(case)
    before = bench.ask(first, case)
    turned = bench.base(case)[::-1].copy()
    second = bench.fit(case, turned)
    bench.ask(second, replace(case, note="another index"))
    after = bench.ask(bench.ready(first, case), case)
    require_same(before, after, "the first index to answer as before")
