"""What the contract does not promise: rows that are no C-contiguous block."""

from __future__ import annotations

import numpy as np

from harness.checks.bench import Bench
from harness.checks.foreign_input import require_right_or_refused
from harness.checks.sample import Rows
from harness.checks.trials import Trial


def check(bench: Bench, trial: Trial) -> None:
    """Arrays that are not C-contiguous, which the harness never hands over, do no harm.

    Either they are refused by an exception, or the answers are right.
    """
    require_right_or_refused(bench, trial.case, _strided, "non-contiguous rows")


def _strided(rows: Rows) -> Rows:
    """The same values with gaps between them; what lies in the gaps is far from any row."""
    wide = np.full((len(rows), 2 * rows.shape[1]), 1e3, dtype=rows.dtype)
    wide[:, ::2] = rows
    return wide[:, ::2]
