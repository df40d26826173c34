"""The definition of distance, for true neighbours and for those that an algorithm returned.

Distances are computed in float64 from ids, never taken from an algorithm, so that both cannot
differ through the arithmetic of two libraries.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from harness.contracts.dataset import Metric

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
    """Return the distance of every returned row to its query.

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
    """Return the scale s of the tie rule for every returned id: `d <= d_k + 1e-6 s` is a hit.

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
    # If rows occur more than once, their squares are summed once.
    squares = _row_squares(base) if ids.size >= len(base) else None
    for block in _slices(nq, k * base.shape[1]):
        numbers = np.maximum(ids[block], 0)
        rows = np.take(base, numbers, axis=0).astype(np.float64)
        row_squares = _squares(rows) if squares is None else np.take(squares, numbers)
        block_queries = queries[block].astype(np.float64)
        distances[block], scales[block] = _one_block(metric, rows, row_squares, block_queries)
    padding = ids < 0
    distances[padding] = np.inf
    scales[padding] = 0.0
    return distances, scales


def _slices(items: int, values: int) -> Iterator[slice]:
    """Cut `range(items)` into slices whose blocks, of so many values an item, fit the caches."""
    step = max(1, _BLOCK_VALUES // max(1, values))
    return (slice(start, min(start + step, items)) for start in range(0, items, step))


def _row_squares(base: NDArray[np.float32]) -> Float64:
    """The squared norm of every row, `(n,)`."""
    squares = np.empty(len(base))
    for block in _slices(*base.shape):
        squares[block] = _squares(base[block].astype(np.float64))
    return squares


def _squares(rows: Float64) -> Float64:
    return np.asarray(np.einsum("...d,...d->...", rows, rows))


def _one_block(
    metric: Metric, rows: Float64, row_squares: Float64, queries: Float64
) -> tuple[Float64, Float64]:
    """Distances of `rows` (b, k, d) to `queries` (b, d), and the scales of the tie rule."""
    query_squares = _squares(queries)[:, None]
    if metric == "euclidean":
        squares = _squares(rows - queries[:, None, :])
        return np.sqrt(squares), row_squares + query_squares
    products = np.matmul(rows, queries[:, :, None])[:, :, 0]
    norms = np.sqrt(row_squares * query_squares)
    if metric == "inner_product":
        return -products, norms
    cosines = np.divide(products, norms, out=np.zeros_like(products), where=norms > 0)
    return 1.0 - cosines, np.where(norms > 0, 1.0, 0.0)
