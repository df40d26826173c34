"""Pace: queries answered in the time that a fixed piece of work, the yardstick, takes beside them.

A machine that others use is up to twice as slow at one moment as at the next. The yardstick, timed
before and after each pass, is slowed by much the same factor, so that their quotient varies several
times less from build to build than QPS does; of the repeats of each query the median counts, which
no interruption of the process moves.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]


def pace_of_queries(seconds: Float64, yardsticks: Float64) -> float:
    """Return the pace of a build in single mode.

    Parameters
    ----------
    seconds
        `(repeats, nq)` seconds of each query.
    yardsticks
        `(repeats,)` seconds of the yardstick beside each pass.
    """
    relative = np.median(seconds / yardsticks[:, None], axis=0)
    return float(seconds.shape[1] / relative.sum())


def pace_of_walls(walls: Float64, yardsticks: Float64, nq: int) -> float:
    """Return the pace of a build whose passes, `(repeats,)` seconds, were timed as wholes."""
    return float(nq / np.median(walls / yardsticks))
