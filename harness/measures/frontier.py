"""The Pareto frontier of any two figures, and QPS at a fixed recall, read off a frontier."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.measures.interval import NO_INTERVAL, Interval


def pareto_frontier(
    x: ArrayLike, y: ArrayLike, *, more_x_is_better: bool = True, more_y_is_better: bool = True
) -> NDArray[np.intp]:
    """Return the points that no other point beats.

    A point is beaten if another is at least as good in both figures and better in one. Of equal
    points, only the first is returned.

    Parameters
    ----------
    x, y
        `(points,)` figures; a point with NaN in either is never on the frontier.
    more_x_is_better, more_y_is_better
        The direction of each figure.

    Returns
    -------
    indices
        Rows of the frontier, ascending in x.
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    goodness_x = x if more_x_is_better else -x
    goodness_y = y if more_y_is_better else -y
    known = np.flatnonzero(~np.isnan(x) & ~np.isnan(y))
    # Best x first; among equals the best y, then the earliest row.
    order = known[np.lexsort((known, -goodness_y[known], -goodness_x[known]))]
    best_before = np.maximum.accumulate(np.concatenate([[-np.inf], goodness_y[order]]))[:-1]
    kept: NDArray[np.intp] = order[(goodness_y[order] > best_before) | (np.arange(len(order)) == 0)]
    return kept if not more_x_is_better else kept[::-1]


Float64 = NDArray[np.float64]


class Curve(NamedTuple):
    """Points of one algorithm, `(points,)` each; bounds may be NaN where unknown."""

    recall: Float64
    recall_low: Float64
    recall_high: Float64
    qps: Float64
    qps_low: Float64
    qps_high: Float64


def qps_at_recall(curve: Curve, recall: float) -> Interval:
    """Return the QPS at which the frontier reaches a recall, with its 95 % interval.

    Between two neighbours of the frontier, log QPS is linear in recall. Below the lowest recall of
    the frontier it is that of its fastest point (nothing is extrapolated); above the highest it
    is NaN. The interval joins the neighbours' intervals of QPS, taken as moving together, with
    the uncertainty of recall times the slope, taken as independent. Where one of these is unknown,
    so is the interval.
    """
    frontier = pareto_frontier(curve.recall, curve.qps)
    points = Curve(*(np.asarray(column, dtype=np.float64)[frontier] for column in curve))
    if len(frontier) == 0 or recall > points.recall[-1]:
        return NO_INTERVAL
    upper = int(np.searchsorted(points.recall, recall, side="left"))
    if upper == 0 or points.recall[upper] == recall:
        of_point = (points.qps[upper], points.qps_low[upper], points.qps_high[upper])
        return Interval(*map(float, of_point))
    return _between(points, upper, recall)


def _between(points: Curve, upper: int, recall: float) -> Interval:
    pair = slice(upper - 1, upper + 1)
    low_recall, high_recall = points.recall[pair]
    share = (recall - low_recall) / (high_recall - low_recall)
    weights = np.array([1 - share, share])
    log_qps = np.log(points.qps[pair])
    value = float(weights @ log_qps)
    slope = abs(float(np.diff(log_qps)[0])) / (high_recall - low_recall)
    down = np.hypot(
        weights @ (log_qps - np.log(points.qps_low[pair])),
        slope * (weights @ (points.recall[pair] - points.recall_low[pair])),
    )
    up = np.hypot(
        weights @ (np.log(points.qps_high[pair]) - log_qps),
        slope * (weights @ (points.recall_high[pair] - points.recall[pair])),
    )
    return Interval(*(float(np.exp(bound)) for bound in (value, value - down, value + up)))
