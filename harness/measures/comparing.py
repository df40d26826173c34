"""Is one point better than another? Paired tests with "tied" as a possible answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.measures.bootstrap import bootstrap_interval
from harness.measures.build_intervals import log_t_interval
from harness.measures.interval import LEVEL, VERDICT_LEVEL

Float64 = NDArray[np.float64]
Verdict = Literal["faster", "slower", "tied"]


class Difference(NamedTuple):
    """A difference or a ratio with its 95 % interval and two-sided p-value; NaN if unknown."""

    value: float
    low: float
    high: float
    p_value: float


def paired_difference(ours: Float64, theirs: Float64) -> Difference:
    """Return the mean difference of a figure over the same queries.

    The interval is by bootstrap over queries, the p-value by the paired t-test.

    Parameters
    ----------
    ours, theirs
        `(nq,)` such as recall@k of every query, in the same order of queries.

    Raises
    ------
    ValueError
        If the lengths differ.
    """
    if np.shape(ours) != np.shape(theirs):
        raise ValueError(f"the queries differ: {np.shape(ours)} and {np.shape(theirs)}")
    differences = np.asarray(ours, dtype=np.float64) - np.asarray(theirs, dtype=np.float64)
    return Difference(*bootstrap_interval(differences), _t_test(differences))


def paired_ratio(ours: Float64, theirs: Float64) -> Difference:
    """Return ours / theirs over neighbouring builds, by the paired t-test on logarithms.

    Parameters
    ----------
    ours, theirs
        `(pairs,)` QPS of builds that ran next to each other (see `neighbouring_builds`).

    Raises
    ------
    ValueError
        If the lengths differ.
    """
    if np.shape(ours) != np.shape(theirs):
        raise ValueError(f"not in pairs: {np.shape(ours)} and {np.shape(theirs)} builds")
    ratios = np.asarray(ours, dtype=np.float64) / np.asarray(theirs, dtype=np.float64)
    return Difference(*log_t_interval(ratios), _t_test(np.log(ratios)))


def unpaired_ratio(ours: Float64, theirs: Float64) -> Difference:
    """Return ours / theirs for builds that ran apart: Welch's t-test on logarithms (1947)."""
    from scipy.stats import ttest_ind

    logs = [np.log(np.asarray(builds, dtype=np.float64)) for builds in (ours, theirs)]
    value = float(np.exp(logs[0].mean() - logs[1].mean())) if all(map(len, logs)) else float("nan")
    if min(map(len, logs)) < 2:
        return Difference(value, float("nan"), float("nan"), float("nan"))
    if all(np.ptp(side) == 0 for side in logs):
        return Difference(value, value, value, float(value == 1.0))
    test = ttest_ind(*logs, equal_var=False)
    low, high = np.exp(test.confidence_interval(LEVEL))
    return Difference(value, float(low), float(high), float(test.pvalue))


def neighbouring_builds(ours: Sequence[float], theirs: Sequence[float]) -> list[tuple[int, int]]:
    """Pair builds by start time so that the summed distance in time is least.

    Parameters
    ----------
    ours, theirs
        Start times in seconds on one clock.

    Returns
    -------
    pairs
        Indices into both, as many as the shorter has, in the order of `ours`.
    """
    from scipy.optimize import linear_sum_assignment

    apart = np.abs(np.subtract.outer(np.asarray(ours, float), np.asarray(theirs, float)))
    rows, columns = linear_sum_assignment(apart)
    return [(int(row), int(column)) for row, column in zip(rows, columns, strict=True)]


def holm(p_values: Sequence[float]) -> Float64:
    """Return p-values adjusted for their number by Holm's step-down method (1979).

    NaN values stay NaN and do not count.
    """
    p = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(p.shape, np.nan)
    order = np.argsort(p)[: int(np.sum(~np.isnan(p)))]
    steps = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def steadiest(ratios: Sequence[Difference]) -> Difference:
    """Return the ratio with the narrowest interval of several that measure the same.

    The width of a t-interval says nothing of the ratio in it, so that the choice favours nobody.
    Without any interval the first is returned.
    """
    widths = [np.log(ratio.high) - np.log(ratio.low) for ratio in ratios]
    return ratios[int(np.nanargmin(widths))] if np.isfinite(widths).any() else ratios[0]


def verdict(ratio: float, p_value: float, *, level: float = VERDICT_LEVEL) -> Verdict:
    """Return whether ours is faster, slower or tied, given ours / theirs in QPS.

    At 99 %: of 100 pairs of equals one is called different, not five. An unknown p-value (one
    build on a side) is no evidence: tied.
    """
    if np.isnan(p_value) or p_value >= 1 - level or ratio == 1.0:
        return "tied"
    return "faster" if ratio > 1.0 else "slower"


def _t_test(differences: Float64) -> float:
    """Two-sided p-value that the mean is 0; NaN with fewer than two values."""
    from scipy.special import stdtr

    n = len(differences)
    if n < 2 or not np.isfinite(differences).all():
        return float("nan")
    mean, spread = float(differences.mean()), float(differences.std(ddof=1))
    if spread == 0:
        return 1.0 if mean == 0 else 0.0
    return float(2 * stdtr(n - 1, -abs(mean) / (spread / n**0.5)))
