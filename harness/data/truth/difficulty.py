"""How hard a query is: local intrinsic dimensionality and relative contrast.

Both are of distances that are metrics: L2 for `euclidean`; for `angular` the length of the chord
between unit vectors, sqrt(2 (1 - cos)), whose order is the same. For `inner_product`, which is no
distance, neither is defined.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from harness.contracts import UserError
from harness.data.cache.cached import CachedDataset
from harness.data.cache.folder import cache_subfolder
from harness.data.truth.brute import pair_distances
from harness.data.truth.store import stored_truth, truth_of
from harness.files.progress import Progress, silent
from harness.files.replacing import written_hdf5
from harness.measures.lid import lengths, lid_from

Float64 = NDArray[np.float64]

NEIGHBOURS = 100
_SAMPLED_ROWS = 2000
_QUERY_BLOCK = 512


Quantiles = tuple[float, float, float]
"""The 5 % quantile, the median and the 95 % quantile."""


class Difficulty(NamedTuple):
    """One number per query, each `(nq,)` float64; NaN where it is not defined.

    `lid` is local intrinsic dimensionality, higher is harder; `relative_contrast` is the mean
    distance over the nearest one, lower is harder.
    """

    lid: Float64
    relative_contrast: Float64


def difficulty_of(dataset: CachedDataset, progress: Progress = silent) -> Difficulty:
    """Return the difficulty of every query, from the cache or computed now.

    LID is estimated from the 100 nearest neighbours (`harness.measures.lid`). Relative
    contrast (J. He, S. Kumar, S.-F. Chang, "On the difficulty of nearest neighbor search", ICML
    2012) takes the mean distance over 2,000 base rows drawn once.

    Raises
    ------
    UserError
        For `inner_product`.
    """
    if dataset.metric == "inner_product":
        raise UserError("difficulty is not defined for inner products", where=dataset.name)
    stored = _stored(dataset)
    if stored is not None:
        return stored
    found = _compute(dataset, progress)
    with written_hdf5(_path(dataset)) as file:
        file.create_dataset("lid", data=found.lid)
        file.create_dataset("relative_contrast", data=found.relative_contrast)
    return found


def quantiles_of(values: Float64) -> Quantiles | None:
    """Return the quantiles of the values that are known; None if none is."""
    known = values[np.isfinite(values)]
    if not len(known):
        return None
    low, middle, high = map(float, np.quantile(known, [0.05, 0.5, 0.95]))
    return low, middle, high


def quantiles_text(quantiles: Quantiles) -> str:
    """Return quantiles in words."""
    low, middle, high = quantiles
    return f"median {middle:.2f}, 5 % to 95 %: {low:.2f} to {high:.2f}"


def contrast_at_hand(dataset: CachedDataset) -> Float64 | None:
    """Return the relative contrast of every query without computing the ground truth.

    None if no truth is in the cache, and for `inner_product`.
    """
    if dataset.metric == "inner_product":
        return None
    stored = _stored(dataset)
    if stored is not None:
        return stored.relative_contrast
    truth = stored_truth(dataset.fingerprint, 1)
    return None if truth is None else _contrast(dataset, lengths(dataset.metric, truth.distances))


def _path(dataset: CachedDataset) -> Path:
    return cache_subfolder("difficulty") / f"{dataset.fingerprint[:32]}.hdf5"


def _stored(dataset: CachedDataset) -> Difficulty | None:
    try:
        with h5py.File(_path(dataset), "r", locking=False) as file:
            return Difficulty(file["lid"][...], file["relative_contrast"][...])
    except (OSError, KeyError, RuntimeError, ValueError):
        return None


def _compute(dataset: CachedDataset, progress: Progress) -> Difficulty:
    k = min(NEIGHBOURS, len(dataset.base))
    nearest = lengths(dataset.metric, truth_of(dataset, k, progress).distances)
    return Difficulty(lid_from(nearest), _contrast(dataset, nearest))


def _contrast(dataset: CachedDataset, nearest: Float64) -> Float64:
    """The mean distance over the nearest one, which is in the first column of `nearest`."""
    first = nearest[:, 0]
    some = (first > 0) & np.isfinite(first)  # no row may match a filter
    return np.asarray(_mean_distances(dataset) / np.where(some, first, np.nan))


def _mean_distances(dataset: CachedDataset) -> Float64:
    n, nq = len(dataset.base), len(dataset.queries)
    drawn = np.random.default_rng(0).choice(n, min(n, _SAMPLED_ROWS), replace=False)
    rows = dataset.base[np.sort(drawn)]
    means = np.empty(nq)
    for start in range(0, nq, _QUERY_BLOCK):
        block = slice(start, min(start + _QUERY_BLOCK, nq))
        queries = dataset.queries[block]
        distances = pair_distances(dataset.metric, rows, queries)
        means[block] = lengths(dataset.metric, distances).mean(axis=1)
    return means
