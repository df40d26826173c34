"""Intervals of QPS, over independent builds where there are several.

QPS varies by a factor rather than by an amount, so the interval is Student's on the logarithms of
the builds' QPS. `tests/performance/interval_coverage.py` simulates the coverage for 2 to 10 builds.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.measures.interval import LEVEL, NO_INTERVAL, Interval
from harness.measures.latency import headline, per_build, single_qps

Float64 = NDArray[np.float64]
Scope = Literal["between builds", "within one process"]

_BLOCKS = 10  # parts of a lone pass that are compared with each other


class ScopedInterval(NamedTuple):
    """An interval of QPS and what its width speaks of."""

    value: float
    low: float
    high: float
    scope: Scope


def log_t_interval(values: Float64) -> Interval:
    """Return the geometric mean of positive values with Student's interval on logarithms.

    NaN values are left out. With one value the bounds are NaN: nothing is known of the spread.
    """
    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known) & (known > 0)]
    if len(known) == 0:
        return NO_INTERVAL
    centre, half = _centre_and_half_width(np.log(known))
    low, high = np.exp([centre - half, centre + half])
    return Interval(float(np.exp(centre)), float(low), float(high))


def qps_interval(seconds: Float64) -> ScopedInterval:
    """Return the headline QPS of a point in single mode with its 95 % interval.

    Parameters
    ----------
    seconds
        `(builds, repeats, nq)` seconds of each query; passes that did not run hold NaN.
    """
    qps = single_qps(seconds)
    complete = np.isfinite(qps)
    if complete.sum() == 1:
        return _lone_pass(seconds[complete][0])
    return qps_interval_of_passes(qps)


def qps_interval_of_passes(qps: Float64) -> ScopedInterval:
    """Return the headline and interval of `(builds, repeats)` QPS; NaN where no pass ran.

    With one build the interval is over its repeats and says "within one process": the same index
    in another process may well lie outside.
    """
    builds = per_build(qps)
    value = headline(qps)
    if np.isfinite(builds).sum() > 1:
        return _around(value, log_t_interval(builds), "between builds")
    return _around(value, log_t_interval(np.ravel(qps)), "within one process")


def repeats_would_help(qps: Float64) -> bool:
    """Whether `(builds, repeats)` QPS vary mostly within builds, so that longer builds help most.

    The spread of the builds' means has a part that comes from the passes within each; it is told
    from their own spread, by logarithms. With one pass a build nothing can be told: no.
    """
    logs = np.log(qps)
    passes = np.isfinite(logs).sum(axis=1)
    logs, passes = logs[passes > 1], passes[passes > 1]
    if len(logs) < 2:
        return False
    from_passes = (np.nanvar(logs, axis=1, ddof=1) / passes).mean()
    return bool(from_passes > np.nanmean(logs, axis=1).var(ddof=1) / 2)


def _lone_pass(seconds: Float64) -> ScopedInterval:
    """One pass alone: its consecutive blocks of queries stand for repeats."""
    blocks = np.array_split(seconds, min(_BLOCKS, len(seconds)))
    interval = log_t_interval(np.array([float(single_qps(block)) for block in blocks]))
    return _around(float(single_qps(seconds)), interval, "within one process")


def _around(value: float, interval: Interval, scope: Scope) -> ScopedInterval:
    """The median is the headline; the interval is widened where it would leave it outside."""
    low, high = min(interval.low, value), max(interval.high, value)
    if not np.isfinite([interval.low, interval.high]).all():
        low = high = float("nan")
    return ScopedInterval(value, low, high, scope)


def _centre_and_half_width(logs: Float64) -> tuple[float, float]:
    n = len(logs)
    centre = float(logs.mean())
    if n < 2:
        return centre, float("nan")
    return centre, student_quantile(n - 1) * float(logs.std(ddof=1)) / n**0.5


def student_quantile(degrees: int) -> float:
    """Return the two-sided 95 % quantile of Student's distribution."""
    from scipy.special import stdtrit  # the worker must not pay for scipy when it loads

    return float(stdtrit(degrees, (1 + LEVEL) / 2))
