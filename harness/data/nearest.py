"""Exact nearest neighbours: float32 candidates with a proof, ordered by the float64 distance.

FAISS finds a few more candidates than needed by blocked matrix products. The distances that count
are computed again in float64 by `harness.measures.distances`. Rounding in float32 is bounded, so
for each query it can be told whether a row left out could belong to the answer; where it could
(ties, near-ties, cancellation), every row within the bound is compared in float64.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.contracts import Dataset
from harness.contracts.dataset import Truth
from harness.data.progress import Progress, silent
from harness.data.rows import blocks
from harness.measures.distances import answer_distances
from harness.metric import Metric

Rows = NDArray[np.float32]
Ids = NDArray[np.int64]
Float64 = NDArray[np.float64]

_EPSILON = float(np.finfo(np.float32).eps)
_QUERY_BLOCK = 1024
_SCORE_BLOCK_VALUES = 1 << 24


@dataclass(frozen=True)
class _Space:
    """Rows to compare in float64 (`base`, `queries`) and in float32 (the `search_` ones)."""

    metric: Metric
    base: Rows
    queries: Rows
    search_base: Rows
    search_queries: Rows
    largest_norm: float

    @property
    def is_euclidean(self) -> bool:
        return self.metric == "euclidean"


def nearest(dataset: Dataset, k: int, progress: Progress = silent) -> Truth:
    """Return the k nearest base rows of every query, ties in order of their ids.

    Parameters
    ----------
    dataset
        Base, queries and metric.
    k
        1 to the number of base rows.
    progress
        Told how many queries are done.

    Returns
    -------
    truth
        Ids and float64 distances, ordered by distance, then id.
    """
    space = _Space(
        dataset.metric,
        dataset.base,
        dataset.queries,
        dataset.search_base,
        dataset.search_queries,
        _largest_norm(dataset.search_base),
    )
    found = [_nearest_of_block(space, block, k) for block in _told(len(dataset.queries), progress)]
    return Truth(
        np.concatenate([t.ids for t in found]), np.concatenate([t.distances for t in found])
    )


def _told(total: int, progress: Progress) -> Iterator[slice]:
    for start in range(0, total, _QUERY_BLOCK):
        block = slice(start, min(start + _QUERY_BLOCK, total))
        yield block
        progress("ground truth", block.stop, total)


def _largest_norm(rows: Rows) -> float:
    largest = 0.0
    for block in blocks(rows):
        wide = rows[block].astype(np.float64)
        largest = max(largest, float(np.einsum("ij,ij->i", wide, wide).max()))
    return float(np.sqrt(largest))


def _nearest_of_block(space: _Space, block: slice, k: int) -> Truth:
    n = len(space.base)
    count = min(n, k + max(16, k // 8))
    scores, candidates = _candidates(space, block, count)
    distances = answer_distances(space.metric, space.base, space.queries[block], candidates)
    truth = _best(candidates, distances, k)
    if count < n:
        limits = _as_score(space, truth.distances[:, -1]) + _error(space, block)
        unproven = np.flatnonzero(scores[:, -1] <= limits)
        for row in unproven:
            _settle(space, block.start + int(row), float(limits[row]), truth, int(row))
    return truth


def _candidates(space: _Space, block: slice, count: int) -> tuple[Float64, Ids]:
    """The `count` lowest scores of each query, ascending, and their ids; by float32 arithmetic.

    The score is the squared distance for euclidean, minus the inner product otherwise.
    """
    import faiss

    metric = faiss.METRIC_L2 if space.is_euclidean else faiss.METRIC_INNER_PRODUCT
    found, ids = faiss.knn(space.search_queries[block], space.search_base, count, metric=metric)
    scores = found.astype(np.float64)
    return (scores if space.is_euclidean else -scores), ids


def _as_score(space: _Space, distances: Float64) -> Float64:
    """The score that a float64 distance would have."""
    if space.metric == "angular":
        return distances - 1.0
    return distances**2 if space.is_euclidean else distances


def _error(space: _Space, block: slice) -> Float64:
    """A bound of what float32 arithmetic can get wrong in a score, for each query.

    A sum of d products errs by at most about d eps |q||x|; euclidean scores also by the rounding
    of the squared norms that they are made of.
    """
    queries = space.search_queries[block].astype(np.float64)
    norms = np.sqrt(np.einsum("ij,ij->i", queries, queries))
    d = queries.shape[1]
    scale = (norms + space.largest_norm) ** 2 if space.is_euclidean else norms * space.largest_norm
    bound: Float64 = (d + 8) * _EPSILON * scale
    return bound


def _best(ids: Ids, distances: Float64, k: int) -> Truth:
    order = np.lexsort((ids, distances), axis=-1)[:, :k]
    return Truth(
        np.take_along_axis(ids, order, axis=1), np.take_along_axis(distances, order, axis=1)
    )


def _settle(space: _Space, query: int, limit: float, truth: Truth, row: int) -> None:
    """Put the k best of all rows within the limit, compared in float64, into `truth`."""
    k = truth.ids.shape[1]
    slack = limit + float(_error(space, slice(query, query + 1))[0])
    best_ids, best = truth.ids[row : row + 1], truth.distances[row : row + 1]
    for ids in _within(space, query, slack):
        found = answer_distances(
            space.metric, space.base, space.queries[query : query + 1], ids[None]
        )
        fresh = ~np.isin(ids, best_ids[0])
        merged = np.concatenate([best_ids, ids[None, fresh]], axis=1)
        best_ids, best = _best(merged, np.concatenate([best, found[:, fresh]], axis=1), k)
    truth.ids[row], truth.distances[row] = best_ids[0], best[0]


def _within(space: _Space, query: int, limit: float) -> Iterator[Ids]:
    """Yield the ids of rows whose float32 score is within the limit, by blocks of the base."""
    vector = space.search_queries[query]
    step = max(1, _SCORE_BLOCK_VALUES // len(vector))
    for start in range(0, len(space.base), step):
        rows = space.search_base[start : start + step]
        if space.is_euclidean:
            difference = rows - vector
            scores = np.einsum("ij,ij->i", difference, difference)
        else:
            scores = -(rows @ vector)
        ids = start + np.flatnonzero(scores <= limit)
        if len(ids):
            yield ids.astype(np.int64)
