"""What the contract does not promise: float64."""

from __future__ import annotations

import numpy as np

from harness.checks.bench import Bench
from harness.checks.foreign_input import require_right_or_refused
from harness.checks.trials import Trial


def check(bench: Bench, trial: Trial) -> None:
    """Float64 arrays, which the harness never hands over, do no harm.

    Either they are refused by an exception, or the answers are right.
    """
    require_right_or_refused(
        bench, trial.case, lambda rows: rows.astype(np.float64), "float64 rows"
    )
