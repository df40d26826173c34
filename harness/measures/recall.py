"""Recall of stored neighbours, for every k' up to k at once, and how near the others come.

An id among the first k' is a hit if `d <= d_k' + 1e-6 s`: d its distance, s its scale and
d_k' the distance of the k'-th true neighbour, all from `harness.measures.distances`. For the
euclidean metric the rule is applied to squared distances.

Where fewer than k' rows match the filter of a query, further true distances are infinite, and
recall@k' is of the rows that match. Where none does, it is 1 for an empty answer, else 0.

ann-benchmarks shows `near_recall` and `relative_error` as "epsilon recall" and "relative error" (in
its `metrics.py`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.contracts.dataset import Metric
from harness.measures.distances import RELATIVE_TOLERANCE

Float64 = NDArray[np.float64]

_FEW_NEIGHBORS = 32  # up to this k, comparing all pairs is faster than a loop over queries


def recall_matrix(
    metric: Metric, distances: Float64, scales: Float64, true_distances: Float64
) -> Float64:
    """Return recall@k' of every query for k' = 1..k, in O(k log k) per query.

    Parameters
    ----------
    metric
        The metric of space that the distances are of.
    distances, scales
        `(nq, k)` distances of the answers, best first and inf for padding, and the scales of the
        tie rule.
    true_distances
        `(nq, k)` or wider, ascending: the distances of the true neighbours.

    Returns
    -------
    recall
        `(nq, k)` float64; column k'-1 holds the hits among the first k' answers over k', or over
        the number of true neighbours where there are fewer.

    Raises
    ------
    ValueError
        If the shapes do not fit.
    """
    reach, truth = _comparable(metric, distances, scales, true_distances)
    nq, k = reach.shape
    # The id at position i is a hit for every k' from max(its rank among the truth, i + 1) on.
    columns = np.maximum(_ranks(reach, truth), np.arange(k))
    rows = np.repeat(np.arange(nq), k) * (k + 1)
    new_hits = np.bincount(rows + columns.ravel(), minlength=nq * (k + 1)).reshape(nq, k + 1)
    hits = np.cumsum(new_hits[:, :k], axis=1)
    there = np.minimum(np.arange(1, k + 1), np.isfinite(truth).sum(axis=1, keepdims=True))
    recall: Float64 = np.minimum(hits, there) / np.maximum(there, 1)
    recall[there[:, -1] == 0] = _right_if_empty(reach)[there[:, -1] == 0]
    return recall


def _right_if_empty(reach: Float64) -> Float64:
    return np.logical_and.accumulate(np.isinf(reach), axis=1).astype(np.float64)


def first_recall_matrix(
    metric: Metric, distances: Float64, scales: Float64, true_distances: Float64
) -> Float64:
    """Return recall 1@k' of every query: is the nearest, or a tie of it, among the first k'?

    Parameters, shapes and errors as for `recall_matrix`; the values are 0 or 1.
    """
    reach, truth = _comparable(metric, distances, scales, true_distances)
    first: Float64 = np.logical_or.accumulate(reach <= truth[:, :1], axis=1).astype(np.float64)
    none = np.isinf(truth[:, 0])
    first[none] = _right_if_empty(reach)[none]
    return first


def _comparable(
    metric: Metric, distances: Float64, scales: Float64, true_distances: Float64
) -> tuple[Float64, Float64]:
    """Distances less their tolerance, and true distances, on the scale of the tie rule."""
    if distances.ndim != 2 or distances.shape != scales.shape:
        raise ValueError(f"distances {distances.shape} and scales {scales.shape} must be (nq, k)")
    nq, k = distances.shape
    if true_distances.ndim != 2 or len(true_distances) != nq or true_distances.shape[1] < k:
        raise ValueError(f"true distances must be ({nq}, >= {k}), got {true_distances.shape}")
    truth = true_distances[:, :k]
    if metric == "euclidean":
        distances, truth = np.square(distances), np.square(truth)
    reach = distances - RELATIVE_TOLERANCE * scales
    reach[~np.isfinite(distances)] = np.inf
    return reach, truth


def _ranks(reach: Float64, truth: Float64) -> NDArray[np.intp]:
    """`(nq, k)`: how many true distances are below each distance; k for padding."""
    ranks = np.empty(reach.shape, dtype=np.intp)
    if reach.shape[1] <= _FEW_NEIGHBORS:
        np.sum(truth[:, None, :] < reach[:, :, None], axis=2, out=ranks)
    else:
        for row, (wanted, known) in enumerate(zip(reach, truth, strict=True)):
            ranks[row] = np.searchsorted(known, wanted, side="left")
    ranks[np.isinf(reach)] = reach.shape[1]
    return ranks


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

    Parameters as for `near_recall`; NaN if an answer is missing, too.
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
