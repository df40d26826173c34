"""An estimate with the 95 % interval around it."""

from __future__ import annotations

from typing import NamedTuple

LEVEL = 0.95
"""The confidence level of every interval of the harness."""

VERDICT_LEVEL = 0.99
"""The confidence that calling one point faster than another takes."""


class Interval(NamedTuple):
    """An estimate and the bounds of its interval; NaN where there is none."""

    value: float
    low: float
    high: float


NO_INTERVAL = Interval(float("nan"), float("nan"), float("nan"))
