"""Intervals of recall over queries and builds, and of differences in recall.

Both the queries and the builds (their random seeds) are samples. Recall of build b on query q is
modelled as mean + query effect + build effect + residual, the two-way random model of the analysis
of variance (Searle, Casella & McCulloch, Variance Components, 1992, chapter 4). The variance of the
mean has a part from the queries, with nq - 1 degrees of freedom, and one from the builds, with
B - 1; the squared half-width is the sum of the parts, each times its own squared quantile of
Student's distribution (Banerjee, Sankhya 22, 1960). Satterthwaite's single quantile covers only
92 % with three builds that differ: see `tests/performance/interval_coverage.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.measures.interval import LEVEL, student_quantile

Float64 = NDArray[np.float64]


class Bounds(NamedTuple):
    """Means and interval bounds of many columns, `(columns,)` float64 each."""

    value: Float64
    low: Float64
    high: Float64


@dataclass(frozen=True)
class RecallEstimate:
    """A difference in recall, with its variance from queries and from builds.

    `degrees` are the degrees of freedom of either; NaN where that part of the variance is 0.
    """

    value: float
    variances: tuple[float, float]
    degrees: tuple[float, float]


@dataclass(frozen=True)
class Difference:
    """A difference in recall, ours less theirs, with its interval.

    `level` is the confidence of the interval, corrected for the number of comparisons. `real` says
    that the interval excludes 0. `p_value` is two-sided and not corrected.
    """

    value: float
    low: float
    high: float
    level: float
    p_value: float
    real: bool


def recall_bounds(recall: Float64) -> Bounds:
    """Return the mean recall with its 95 % interval, over queries and builds.

    Parameters
    ----------
    recall
        `(builds, nq, columns)` float64 in [0, 1], such as recall@k' for k' = 1..k. With one build
        the interval is over queries alone.

    Returns
    -------
    bounds
        Within [0, 1], which is also the interval from a single query.
    """
    builds, nq, _ = recall.shape
    mean = recall.mean(axis=0).mean(axis=0)
    from_queries, from_builds = _variances(recall)
    squares = student_quantile(nq - 1) ** 2 * from_queries
    if builds > 1:
        squares = squares + student_quantile(builds - 1) ** 2 * from_builds
    half = np.sqrt(squares) if nq > 1 else np.ones_like(mean)
    return Bounds(mean, np.maximum(mean - half, 0.0), np.minimum(mean + half, 1.0))


def recall_difference(ours: Float64, theirs: Float64) -> RecallEstimate:
    """Return the difference in recall of two points over the same queries.

    Queries are paired. Builds are independent on either side; their two parts of the variance are
    joined with Welch's degrees of freedom (1947).

    Parameters
    ----------
    ours, theirs
        `(builds, nq)` float64, the recall of every query in the same order; the numbers of builds
        may differ.

    Raises
    ------
    ValueError
        If the queries differ in number.
    """
    if ours.shape[1:] != theirs.shape[1:]:
        raise ValueError(f"the queries differ: {ours.shape} and {theirs.shape}")
    differences = ours.mean(axis=0) - theirs.mean(axis=0)
    nq = len(differences)
    from_queries = float(differences.var(ddof=1)) / nq if nq > 1 else float("nan")
    sides = [side for side in (ours, theirs) if len(side) > 1]
    parts = np.array([float(_variances(side[..., None])[1][0]) for side in sides])
    from_builds, degrees = float(parts.sum()), float("nan")
    if from_builds > 0:
        spread = parts**2 / np.array([len(side) - 1 for side in sides])
        degrees = from_builds**2 / float(spread.sum())
    return RecallEstimate(
        float(differences.mean()), (from_queries, from_builds), (nq - 1.0, degrees)
    )


def judge_differences(estimates: Sequence[RecallEstimate]) -> list[Difference]:
    """Return each difference with an interval corrected for their number.

    With m distinct comparisons the confidence is 1 - .05 / m (Bonferroni). The same comparison made
    twice counts once, also with its sides swapped.
    """
    distinct = {_sides_apart(one) for one in estimates if np.isfinite(one.variances).all()}
    level = 1 - (1 - LEVEL) / max(1, len(distinct))
    return [_judged(one, level) for one in estimates]


def _judged(one: RecallEstimate, level: float) -> Difference:
    half = _half_width(one, level)
    low, high = one.value - half, one.value + half
    return Difference(one.value, low, high, level, _p_value(one), low > 0 or high < 0)


def _half_width(one: RecallEstimate, level: float) -> float:
    parts = zip(one.variances, one.degrees, strict=True)
    return float(sum(student_quantile(d, level) ** 2 * v for v, d in parts if v != 0) ** 0.5)


def _p_value(one: RecallEstimate) -> float:
    """1 less the level at which the interval would just reach 0, by bisection; 1e-13 at least."""
    if one.value == 0 or not any(one.variances):
        return float(one.value == 0)
    if np.isnan(one.variances).any():
        return float("nan")
    low, high = -30.0, 0.0  # logarithms of the p-value
    for _ in range(50):
        middle = (low + high) / 2
        excludes = _half_width(one, 1 - float(np.exp(middle))) < abs(one.value)
        low, high = (low, middle) if excludes else (middle, high)
    return float(np.exp(high))


def _variances(recall: Float64) -> tuple[Float64, Float64]:
    """The parts of the variance of the mean from queries and from builds, `(columns,)` each.

    With the mean squares MS of queries, builds and residuals they are MS_q / (B nq) and
    max(0, MS_b - MS_e) / (B nq): MS_q holds the residuals already.
    """
    builds, nq, _ = recall.shape
    if nq < 2:
        unknown = np.full(recall.shape[2], np.nan)
        return unknown, unknown
    over_builds = recall.mean(axis=0)
    of_queries = over_builds.var(axis=0, ddof=1)
    from_queries = of_queries / nq
    if builds < 2:
        return from_queries, np.zeros_like(from_queries)
    of_builds = (np.einsum("bqc->bc", recall) / nq).var(axis=0, ddof=1)
    squares = np.einsum("bqc,bqc->c", recall, recall) - builds * nq * over_builds.mean(axis=0) ** 2
    residuals = squares - of_queries * builds * (nq - 1) - of_builds * nq * (builds - 1)
    of_residuals = np.maximum(residuals, 0.0) / ((builds - 1) * (nq - 1))
    return from_queries, np.maximum(of_builds - of_residuals / nq, 0.0) / builds


def _sides_apart(one: RecallEstimate) -> tuple[object, ...]:
    """A key that is equal for two estimates of one comparison, whichever side comes first."""
    return abs(one.value), one.variances, str(one.degrees)
