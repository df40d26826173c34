"""Exact nearest neighbours: float32 candidates with a proof, ordered by the float64 distance.

FAISS finds a few more candidates than needed by blocked matrix products. Their distances are
computed again in float64 by `harness.measures.distances`. Rounding in float32 is bounded, so for
each query it is known whether a row left out could be a neighbour. If it could (ties, near-ties,
cancellation), every row within the bound is compared in float64. Rows so long or so short that
products of float32 would overflow or vanish are first multiplied by a power of two.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.contracts import Dataset
from harness.contracts.dataset import Metric, Truth
from harness.contracts.filters import FilteredQueries
from harness.data.rows import largest_norm, row_norms
from harness.files.space import require_memory
from harness.measures.distances import answer_distances

Rows = NDArray[np.float32]
Ids = NDArray[np.int64]
Float64 = NDArray[np.float64]

_EPSILON = float(np.finfo(np.float32).eps)
_LEAST_NORMAL = float(np.finfo(np.float32).tiny)
_LONGEST, _SHORTEST = 2.0**40, 2.0**-40
"""Rows whose largest norm lies between these are searched as they are."""
_SCORE_BLOCK_VALUES = 1 << 22
_RANKED_VALUES = 1 << 19


@dataclass(frozen=True)
class Space:
    """Rows to compare in float64 (`base`, `queries`) and in float32 (the `search_` ones).

    `largest_norm` is that of the rows of `search_base`. Scores are of the `search_` rows: a score
    is `score_scale` times that of the rows that distances are of.
    """

    metric: Metric
    base: Rows
    queries: Rows
    search_base: Rows
    search_queries: Rows
    largest_norm: float
    score_scale: float = 1.0

    @classmethod
    def of(cls, dataset: Dataset, rows: slice = slice(None)) -> Space:
        """Return the space of a dataset, or of some rows of its base, as `of_arrays`."""
        return cls.of_arrays(
            dataset.metric,
            dataset.base[rows],
            dataset.queries,
            dataset.search_base[rows],
            dataset.search_queries,
        )

    @classmethod
    def of_arrays(
        cls, metric: Metric, base: Rows, queries: Rows, search_base: Rows, search_queries: Rows
    ) -> Space:
        """Return the space of rows as in the source, and as they are searched.

        Raises
        ------
        UserError
            If the rows have to be scaled and memory does not hold them a second time.
        """
        longest = largest_norm(search_base), largest_norm(search_queries)
        if metric == "euclidean":  # rows to subtract need one scale
            exponents = (_exponent(max(longest)),) * 2
        else:
            exponents = _exponent(longest[0]), _exponent(longest[1])
        return cls(
            metric,
            base,
            queries,
            _scaled(search_base, exponents[0]),
            _scaled(search_queries, exponents[1]),
            math.ldexp(longest[0], exponents[0]),
            math.ldexp(1.0, sum(exponents)),
        )

    @property
    def is_euclidean(self) -> bool:
        """Whether scores are squared distances; else they are minus inner products."""
        return self.metric == "euclidean"


def nearest_of_block(space: Space, block: slice, k: int) -> Truth:
    """Return the k nearest base rows of some queries, ties in order of their ids.

    Parameters
    ----------
    space
        Base, queries and metric.
    block
        Which queries.
    k
        At least 1; all rows, if there are fewer.

    Returns
    -------
    truth
        Ids and float64 distances, ordered by distance, then id.
    """
    n = len(space.base)
    k = min(k, n)
    count = candidate_count(n, k)
    scores, candidates = _candidates(space, block, count)
    truth = _best(candidates, _exact(space, block, candidates), k)
    if count < n:
        limits = _as_score(space, truth.distances[:, -1]) + _error(space, block)
        for row in np.flatnonzero(scores[:, -1] <= limits).tolist():
            _settle(space, block.start + row, float(limits[row]), truth, row)
    return truth


def nearest_matching(
    dataset: Dataset, filters: FilteredQueries, queries: slice, rows: slice, k: int
) -> Truth:
    """Return the k nearest of the matching rows of some queries, as `nearest_of_block`.

    Each filter's rows are a base of their own. Ids count from the first of `rows`; where fewer than
    k match, the rest is -1 at an infinite distance.
    """
    asked = np.arange(queries.start, queries.stop)
    truth = Truth(np.full((len(asked), k), -1), np.full((len(asked), k), np.inf))
    for number in np.unique(filters.filter_numbers[queries]).tolist():
        matches = filters.bitmaps[number].ids
        matches = matches[(matches >= rows.start) & (matches < rows.stop)]
        if not len(matches):
            continue
        at = np.flatnonzero(filters.filter_numbers[queries] == number)
        space = Space.of_arrays(
            dataset.metric,
            dataset.base[matches],
            dataset.queries[asked[at]],
            dataset.search_base[matches],
            dataset.search_queries[asked[at]],
        )
        found = nearest_of_block(space, slice(0, len(at)), k)
        truth.ids[at, : found.ids.shape[1]] = matches[found.ids] - rows.start
        truth.distances[at, : found.ids.shape[1]] = found.distances
    return truth


def merged(parts: Iterable[tuple[int, Truth]], k: int) -> Truth:
    """Return the k nearest of some queries, from the nearest of disjoint parts of the base.

    The k nearest of a base, ties in order of their ids, are among those of its parts.

    Parameters
    ----------
    parts
        The first row of each part in the base, and its nearest by ids of its own.
    """
    best: Truth | None = None
    for first, truth in parts:
        ids, distances = np.where(truth.ids >= 0, truth.ids + first, -1), truth.distances
        if best is not None:
            ids = np.concatenate([best.ids, ids], axis=1)
            distances = np.concatenate([best.distances, distances], axis=1)
        best = _best(ids, distances, k)
    assert best is not None
    return best


def candidate_count(n: int, k: int) -> int:
    """How many candidates are taken for k neighbours."""
    return min(n, k + max(16, k // 8))


def _exponent(longest: float) -> int:
    """The power of two that brings the largest norm into [1/2, 1), if scaling is necessary."""
    if longest == 0 or _SHORTEST <= longest <= _LONGEST:
        return 0
    return -math.frexp(longest)[1]


def _scaled(rows: Rows, exponent: int) -> Rows:
    """Multiply by a power of two, which rounds only values that become denormal."""
    if exponent == 0:
        return rows
    require_memory(rows.nbytes, "rows scaled to where float32 can multiply them", "ground truth")
    return np.ldexp(rows, exponent)


def _candidates(space: Space, block: slice, count: int) -> tuple[Float64, Ids]:
    """The `count` lowest scores of each query, ascending, and their ids; by float32 arithmetic."""
    import faiss

    metric = faiss.METRIC_L2 if space.is_euclidean else faiss.METRIC_INNER_PRODUCT
    found, ids = faiss.knn(space.search_queries[block], space.search_base, count, metric=metric)
    scores = found.astype(np.float64)
    return (scores if space.is_euclidean else -scores), ids


def _exact(space: Space, block: slice, ids: Ids) -> Float64:
    """The float64 distances of candidates, a few queries at a time on every core."""
    queries = space.queries[block]
    distances = np.empty(ids.shape)
    step = max(1, _RANKED_VALUES // (ids.shape[1] * queries.shape[1]))

    def rank(start: int) -> None:
        part = slice(start, start + step)
        distances[part] = answer_distances(space.metric, space.base, queries[part], ids[part])

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(rank, range(0, len(ids), step)))
    return distances


def _as_score(space: Space, distances: Float64) -> Float64:
    """The score that a float64 distance would have."""
    if space.metric == "angular":
        return distances - 1.0
    return (distances**2 if space.is_euclidean else distances) * space.score_scale


def _error(space: Space, block: slice) -> Float64:
    """A bound of the float32 rounding error of a score, for each query.

    A sum of d products errs by at most about d eps |q||x|; euclidean scores also by the rounding
    of the squared norms that they are made of. Products below the least normal number lose up to
    that much each, as do values that scaling has made denormal.
    """
    queries = space.search_queries[block]
    norms, d = row_norms(queries), queries.shape[1]
    scale = (norms + space.largest_norm) ** 2 if space.is_euclidean else norms * space.largest_norm
    bound: Float64 = (d + 8) * (_EPSILON * scale + _LEAST_NORMAL)
    return bound


def _best(ids: Ids, distances: Float64, k: int) -> Truth:
    order = np.lexsort((ids, distances), axis=-1)[:, :k]
    return Truth(
        np.take_along_axis(ids, order, axis=1), np.take_along_axis(distances, order, axis=1)
    )


def _settle(space: Space, query: int, limit: float, truth: Truth, row: int) -> None:
    """Put the k best of all rows within the limit, compared in float64, into `truth`."""
    k = truth.ids.shape[1]
    slack = limit + float(_error(space, slice(query, query + 1))[0])
    best_ids, best = truth.ids[row : row + 1], truth.distances[row : row + 1]
    vector = space.queries[query : query + 1]
    for ids in _within(space, query, slack):
        found = answer_distances(space.metric, space.base, vector, ids[None])
        fresh = ~np.isin(ids, best_ids[0])
        merged = np.concatenate([best_ids, ids[None, fresh]], axis=1)
        kept = _best(merged, np.concatenate([best, found[:, fresh]], axis=1), k)
        best_ids, best = kept.ids, kept.distances
    truth.ids[row], truth.distances[row] = best_ids[0], best[0]


def _within(space: Space, query: int, limit: float) -> Iterator[Ids]:
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
