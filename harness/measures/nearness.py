"""How near the distances of the answers come to those of the true neighbours.

ann-benchmarks shows the same as "epsilon recall" and "relative error" (its `metrics.py`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.contracts.dataset import Metric
from harness.measures.distances import RELATIVE_TOLERANCE

Float64 = NDArray[np.float64]


def near_recall(
    metric: Metric, distances: Float64, scales: Float64, true_distances: Float64, share: float
) -> float:
    """Return the share of answers that are at most `share` further than the k-th true neighbour.

    Parameters
    ----------
    metric
        The metric of space that the distances are of.
    distances, scales
        `(nq, k)` distances of the answers, inf for padding, and the scales of the tie rule.
    true_distances
        `(nq, k)` or wider, ascending; inf where there are fewer true neighbours.
    share
        Such as 0.01 for 1 %.

    Returns
    -------
    float
        The mean over queries; NaN for inner products, which are no distances.
    """
    if metric == "inner_product":
        return float("nan")
    truth = true_distances[:, : distances.shape[1]]
    counts = np.isfinite(truth).sum(axis=1)
    last = np.take_along_axis(truth, np.maximum(counts - 1, 0)[:, None], axis=1)
    slack = _slack(metric, distances, scales)
    near = (distances - slack <= (1 + share) * last) & np.isfinite(distances)
    shares = near.sum(axis=1)[counts > 0] / counts[counts > 0]
    return float(np.minimum(shares, 1).mean()) if shares.size else float("nan")


def relative_error(metric: Metric, distances: Float64, true_distances: Float64) -> float:
    """Return the sum of the distances of all answers over that of the true neighbours, less 1.

    Parameters as
    for `near_recall`; NaN if an answer is missing, too.
    """
    truth = true_distances[:, : distances.shape[1]]
    known = np.isfinite(truth)
    total = truth[known].sum()
    if metric == "inner_product" or total <= 0 or not np.isfinite(distances[known]).all():
        return float("nan")
    # Below 0 only by rounding: nothing is nearer than the true neighbours.
    return float(max(0.0, distances[known].sum() / total - 1))


def _slack(metric: Metric, distances: Float64, scales: Float64) -> Float64:
    """The tolerance of the tie rule in units of the distance; for squares it is 2 d times that."""
    if metric != "euclidean":
        slack: Float64 = RELATIVE_TOLERANCE * scales
        return slack
    with np.errstate(invalid="ignore"):
        return distances - np.sqrt(
            np.maximum(np.square(distances) - RELATIVE_TOLERANCE * scales, 0)
        )
