"""The one definition of distance, for the truth and for every answer.

Distances are computed in float64 from ids, never taken from an algorithm, so that an answer and
the truth cannot differ by the arithmetic of two libraries.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.metric import Metric

Float64 = NDArray[np.float64]

RELATIVE_TOLERANCE = 1e-6
"""Answers this much further than the k-th true neighbour, relative to the scale, are ties."""

_BLOCK_VALUES = 1 << 18  # values of a gathered block: 2 MiB in float64, which caches hold


def answer_distances(
    metric: Metric,
    base: NDArray[np.float32],
    queries: NDArray[np.float32],
    ids: NDArray[np.integer],
) -> Float64:
    """Return the distance of every answered row to its query.

    Parameters
    ----------
    metric
        `angular`: 1 - cos; `euclidean`: L2; `inner_product`: -<q, x>. A zero row has cosine 0.
    base, queries
        `(n, d)` and `(nq, d)` float32.
    ids
        `(nq, k)` row numbers of `base`; -1 is padding.

    Returns
    -------
    distances
        `(nq, k)` float64, inf where the id is padding.
    """
    distances, _ = _by_blocks(metric, base, queries, ids)
    return distances


def tie_scales(
    metric: Metric,
    base: NDArray[np.float32],
    queries: NDArray[np.float32],
    ids: NDArray[np.integer],
) -> Float64:
    """Return the scale s of the tie rule for every answer: `d <= d_k + 1e-6 s` is a hit.

    `|q||x|` for angular (1 or 0, rows being unit) and inner product; for euclidean `|q|^2 + |x|^2`,
    to be applied to squared distances. `(nq, k)` float64, 0 where the id is padding.
    """
    _, scales = _by_blocks(metric, base, queries, ids)
    return scales


def distances_and_scales(
    metric: Metric,
    base: NDArray[np.float32],
    queries: NDArray[np.float32],
    ids: NDArray[np.integer],
) -> tuple[Float64, Float64]:
    """Return `answer_distances` and `tie_scales` in one pass over the rows."""
    return _by_blocks(metric, base, queries, ids)


def _by_blocks(
    metric: Metric,
    base: NDArray[np.float32],
    queries: NDArray[np.float32],
    ids: NDArray[np.integer],
) -> tuple[Float64, Float64]:
    distances = np.empty(ids.shape)
    scales = np.empty(ids.shape)
    nq, k = ids.shape
    step = max(1, _BLOCK_VALUES // max(1, k * base.shape[1]))
    for start in range(0, nq, step):
        block = slice(start, min(start + step, nq))
        rows = np.take(base, np.maximum(ids[block], 0), axis=0).astype(np.float64)
        block_queries = queries[block].astype(np.float64)
        distances[block], scales[block] = _one_block(metric, rows, block_queries)
    padding = ids < 0
    distances[padding] = np.inf
    scales[padding] = 0.0
    return distances, scales


def _one_block(metric: Metric, rows: Float64, queries: Float64) -> tuple[Float64, Float64]:
    """Distances of `rows` (b, k, d) to `queries` (b, d), and the scales of the tie rule."""
    row_squares = np.einsum("qkd,qkd->qk", rows, rows)
    query_squares = np.einsum("qd,qd->q", queries, queries)[:, None]
    if metric == "euclidean":
        difference = rows - queries[:, None, :]
        squares = np.einsum("qkd,qkd->qk", difference, difference)
        return np.sqrt(squares), row_squares + query_squares
    products = np.matmul(rows, queries[:, :, None])[:, :, 0]
    norms = np.sqrt(row_squares * query_squares)
    if metric == "inner_product":
        return -products, norms
    cosines = np.divide(products, norms, out=np.zeros_like(products), where=norms > 0)
    return 1.0 - cosines, np.where(norms > 0, 1.0, 0.0)
