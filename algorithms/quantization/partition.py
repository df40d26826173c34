"""Cutting the base into lists around centres, each row in one of them or in two."""

from __future__ import annotations

import math
from dataclasses import dataclass

import faiss
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from harness.contracts import Metric, UserError

from .arrays import Float32, Ids, blocks
from .row_costs import Origin
from .simd.second_lists import second_lists

_ITERATIONS, _ROWS_PER_LIST = 10, 40  # of FAISS's k-means, at most
_MORE_ITERATIONS, _MORE_ROWS_PER_LIST = 4, 256
"""Of our k-means, which continues from FAISS's and copies no rows.

The more rows k-means looks at, the fewer rows are in the lists that hold the same neighbours.
"""
_SCORES = 1 << 21  # of rows with lists, held at a time


@dataclass(frozen=True)
class Partition:
    """Centres `(nlist, d)` float32, and the lists of every row, `(n, 1 or 2)` int32."""

    centres: Float32
    lists: NDArray[np.int32]

    def residuals(self, points: Float32, rows: Ids | slice, copy: int = 0) -> Float32:
        """Return the points of these rows less the centres of their first or second lists."""
        residuals = self.centres[self.lists[rows, copy]]
        return np.subtract(points, residuals, out=residuals)


def partition(
    base: Float32, metric: Metric, *, nlist: int, spill: float | None, seed: int
) -> Partition:
    """Cut the base `(n, d)` into lists by k-means.

    For `angular` k-means is spherical: a row belongs to the centre of the largest cosine, and a
    centre is as long as the mean over its rows along it. Otherwise it is Euclidean, around the
    mean of the base: far from zero, rounded products would hide how far apart the rows are.

    Parameters
    ----------
    spill
        If given, every row is put into a second list, too: the one in which its residual is short
        and orthogonal to the first. This is lambda, the weight of the second aim (Sun et al.,
        "SOAR: improved indexing for approximate nearest neighbor search", NeurIPS 2023).
    seed
        Of k-means and the rows that it looks at.
    """
    _check(len(base), nlist, spill)
    spherical = metric == "angular"
    origin = np.zeros(base.shape[1], np.float32) if spherical else Origin.of(base).mean
    centres = _kmeans(base, origin, nlist, seed, spherical=spherical)
    for _ in range(_MORE_ITERATIONS):
        centres = _moved(base, origin, centres, spherical=spherical)
    lists = np.empty((len(base), 1 if spill is None else 2), np.int32)
    _assign(base, origin, centres, lists[:, 0], spherical=spherical)
    if spherical:
        centres *= _lengths(base, centres, lists[:, 0])[:, None]
    if spill is not None:
        _assign_second(base, origin, centres, lists, spill)
    return Partition(centres + origin, lists)


def lists_for(n: int) -> int:
    """Return a number of lists that suits `n` rows, about 2 sqrt(n)."""
    return min(n, round(2 * math.sqrt(n)))


def _check(n: int, nlist: int, spill: float | None) -> None:
    if not (1 <= nlist <= n and nlist % 1 == 0):
        raise UserError(
            "the number of lists is out of range",
            where="build parameter nlist",
            expected=f"a whole number from 1 to {n}, the rows of the base",
            got=str(nlist),
        )
    if spill is not None and not (0 <= spill < np.inf and nlist > 1):
        raise UserError(
            "rows cannot be put into second lists",
            where="build parameter spill",
            expected="null, or a number of at least 0 and nlist above 1",
            got=f"spill={spill} with nlist={nlist}",
        )


def _kmeans(base: Float32, origin: Float32, nlist: int, seed: int, *, spherical: bool) -> Float32:
    """Return centres `(nlist, d)`, less the origin."""
    rng = np.random.default_rng([seed, 3])
    count = min(len(base), _ROWS_PER_LIST * nlist)
    sample = base[np.sort(rng.choice(len(base), count, replace=False))]
    sample -= origin
    kmeans = faiss.Kmeans(
        base.shape[1],
        nlist,
        niter=_ITERATIONS,
        seed=seed,
        spherical=spherical,
        min_points_per_centroid=1,
        max_points_per_centroid=_ROWS_PER_LIST,
    )
    kmeans.train(sample)
    return np.array(kmeans.centroids, np.float32)


def _moved(base: Float32, origin: Float32, centres: Float32, *, spherical: bool) -> Float32:
    """Return the means of the rows of every centre, less the origin; a centre of none stays."""
    nlist, d = centres.shape
    base = base[:: max(1, len(base) // (_MORE_ROWS_PER_LIST * nlist))]
    sums, counts = np.zeros((nlist, d)), np.zeros(nlist)
    for rows in blocks(len(base), _rows_at_once(centres)):
        points = base[rows] - origin
        lists = np.empty(len(points), np.int32)
        _assign(points, np.zeros_like(origin), centres, lists, spherical=spherical)
        ones = np.ones(len(points), np.float32), lists, np.arange(len(points) + 1)
        sums += csr_matrix(ones, (len(points), nlist)).T @ points
        counts += np.bincount(lists, minlength=nlist)
    lengths = np.linalg.norm(sums, axis=1) if spherical else counts
    moved = np.divide(sums, lengths[:, None], out=centres.astype(float), where=lengths[:, None] > 0)
    return moved.astype(np.float32)


def _assign(
    base: Float32,
    origin: Float32,
    centres: Float32,
    lists: NDArray[np.int32],
    *,
    spherical: bool,
) -> None:
    halves = 0 if spherical else np.einsum("ld,ld->l", centres, centres) / 2
    for rows in blocks(len(base), _rows_at_once(centres)):
        scores = (base[rows] - origin) @ centres.T
        scores -= halves
        lists[rows] = scores.argmax(axis=1)


def _assign_second(
    base: Float32, origin: Float32, centres: Float32, lists: NDArray[np.int32], spill: float
) -> None:
    gram = centres @ centres.T
    for rows in blocks(len(base), _rows_at_once(centres)):
        points = base[rows] - origin
        squares = np.einsum("nd,nd->n", points, points)
        scores = points @ centres.T
        second_lists(scores, squares, gram, lists[rows, 0], np.float32(spill), lists[rows, 1])


def _lengths(base: Float32, centres: Float32, lists: NDArray[np.int32]) -> Float32:
    """Return the mean of <x, centre> over the rows of every list, `(nlist,)`; 1 without rows."""
    sums = np.zeros(len(centres))
    for rows in blocks(len(base)):
        along = np.einsum("nd,nd->n", base[rows], centres[lists[rows]])
        sums += np.bincount(lists[rows], along, len(centres))
    sizes = np.bincount(lists, minlength=len(centres))
    return np.where(sizes > 0, sums / np.maximum(sizes, 1), 1).astype(np.float32)


def _rows_at_once(centres: Float32) -> int:
    return max(1, _SCORES // len(centres))
