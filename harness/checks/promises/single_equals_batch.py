"""Both ways of asking give one answer."""

from __future__ import annotations

from harness.checks.bench import Bench
from harness.checks.likeness import require_alike
from harness.checks.trials import Trial


def check(bench: Bench, trial: Trial) -> None:
    """query_batch answers as query does, up to ties."""
    algorithm = bench.built(trial.case).algorithm
    single = bench.ask(algorithm, trial.case)
    batch = bench.ask_batch(algorithm, trial.case)
    require_alike(bench, trial.case, single, batch, "query_batch like query")
