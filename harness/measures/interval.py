"""An estimate with an interval around it, and Student's interval on logarithms."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
"""The confidence level of every interval that stands alone."""


class Interval(NamedTuple):
    """An estimate and the bounds of its interval; NaN where there is none."""

    value: float
    low: float
    high: float


_LARGEST = 700.0  # a little below the largest power that float64 holds

NO_INTERVAL = Interval(float("nan"), float("nan"), float("nan"))


def known_values(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the values that are finite."""
    return np.asarray(values[np.isfinite(values)], dtype=np.float64)


def student_quantile(degrees: float, level: float = LEVEL) -> float:
    """Return the two-sided quantile of Student's distribution: the half-width in standard errors.

    `degrees` of freedom need not be whole; NaN if they are NaN or 0.
    """
    from scipy.special import stdtrit  # the worker must not pay for scipy when it loads

    return float(stdtrit(degrees, (1 + level) / 2)) if degrees > 0 else float("nan")


def exp_of(logarithm: float) -> float:
    """Return e to a power, clipped to the range of float64."""
    return float(np.exp(np.clip(logarithm, -_LARGEST, _LARGEST)))


def log_t_interval(values: NDArray[np.float64]) -> Interval:
    """Return the geometric mean of positive values with Student's interval on logarithms.

    NaN values are left out. With one value the bounds are NaN: the spread is unknown.
    """
    known = np.asarray(values, dtype=np.float64)
    logs = np.log(known[np.isfinite(known) & (known > 0)])
    if len(logs) == 0:
        return NO_INTERVAL
    centre, half = float(logs.mean()), float("nan")
    if len(logs) > 1:
        half = student_quantile(len(logs) - 1) * float(logs.std(ddof=1)) / len(logs) ** 0.5
    return Interval(exp_of(centre), exp_of(centre - half), exp_of(centre + half))
