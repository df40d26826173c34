"""The harness goes from one search setting to another and back."""

from __future__ import annotations

from harness.checks.bench import Bench
from harness.checks.likeness import require_same
from harness.checks.trials import Trial
from harness.checks.verdicts import Skipped


def check(bench: Bench, trial: Trial) -> None:
    """A search setting answers alike before and after another one had its turn."""
    if len(trial.cases) < 2:
        raise Skipped("the entry has one search setting only")
    first, *others = trial.cases
    algorithm = bench.fit(first)
    before = bench.ask(algorithm, first)
    for case in others:
        bench.note(f"search {dict(case.search)}")
        bench.ask(bench.ready(algorithm, case), case)
    after = bench.ask(bench.ready(algorithm, first), first)
    require_same(before, after, f"the same answers from {dict(first.search)} again")
