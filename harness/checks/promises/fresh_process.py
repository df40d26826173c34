"""An index is made of name and parameters alone."""

from __future__ import annotations

import numpy as np

from harness.checks.bench import Bench
from harness.checks.likeness import require_same
from harness.checks.trials import Trial


def check(bench: Bench, trial: Trial) -> None:
    """Built in another process from its name and parameters, it answers alike."""
    here = bench.ask(bench.built(trial.case).algorithm, trial.case)
    there = np.array(trial.answers, dtype=np.int64)
    require_same(there, here, "the answers of the other process")
