"""What the true neighbours of queries with filters say of the filters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.contracts.dataset import Truth
from harness.data.cache.cached import CachedDataset
from harness.data.rows import blocks
from harness.data.truth.brute import pair_distances
from harness.files.progress import Progress, silent
from harness.measures.filtering import nearness_of

_QUERIES_AT_ONCE = 128


def with_filter_facts(dataset: CachedDataset, truth: Truth, progress: Progress = silent) -> Truth:
    """Return the truth of a dataset with `matches` and `nearness`, if its queries have filters."""
    filters = dataset.filters
    if filters is None:
        return truth
    counts = np.array([bitmap.count for bitmap in filters.bitmaps], dtype=np.int64)
    matches = counts[filters.filter_numbers]
    k = truth.ids.shape[1]
    nearer = _rows_nearer(dataset, _last_known(truth), progress)
    nearness = nearness_of(nearer, matches, len(dataset.base), k)
    return truth._replace(matches=matches, nearness=nearness)


def _last_known(truth: Truth) -> NDArray[np.float64]:
    """The distance of the k-th true neighbour, or of the last that there is; -inf for none."""
    known = np.isfinite(truth.distances)
    return np.asarray(np.max(truth.distances, axis=1, where=known, initial=-np.inf))


def _rows_nearer(
    dataset: CachedDataset, limits: NDArray[np.float64], progress: Progress
) -> NDArray[np.int64]:
    """How many rows of the base are nearer to each query than a distance, up to rounding."""
    nq = len(dataset.queries)
    counts = np.zeros(nq, dtype=np.int64)
    for start in range(0, nq, _QUERIES_AT_ONCE):
        progress("correlation of the filters", start, nq, "queries")
        some = slice(start, min(start + _QUERIES_AT_ONCE, nq))
        for rows in blocks(dataset.base):
            found = pair_distances(dataset.metric, dataset.base[rows], dataset.queries[some])
            counts[some] += (found < limits[some, None]).sum(axis=1)
    return counts
