"""Cutting the base into lists around centres, each row in one of them or in two."""

from __future__ import annotations

import math
from collections.abc import Iterator
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
_SCORES = 1 << 21  # of rows with lists, or numbers of rows, held at a time


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
    points = _Points(base, None if spherical else Origin.of(base).mean)
    rng = np.random.default_rng([seed, 3])
    centres = _kmeans(points, nlist, seed, rng, spherical=spherical)
    for _ in range(_MORE_ITERATIONS):
        centres = _moved(points, centres, rng, spherical=spherical)
    lists = np.empty((len(base), 1 if spill is None else 2), np.int32)
    for rows, block in points.blocks(centres):
        lists[rows, 0] = _nearest(block, centres, spherical=spherical)
    if spherical:
        centres *= _lengths(base, centres, lists[:, 0])[:, None]
    if spill is not None:
        _assign_second(points, centres, lists, spill)
    return Partition(centres if points.origin is None else centres + points.origin, lists)


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


@dataclass(frozen=True)
class _Points:
    """The rows of a base, less an origin if there is one."""

    base: Float32
    origin: Float32 | None

    def of(self, rows: Ids | slice) -> Float32:
        points = self.base[rows]
        return points if self.origin is None else points - self.origin

    def blocks(self, centres: Float32) -> Iterator[tuple[slice, Float32]]:
        """Yield rows and their points, so many that their scores with all centres fit."""
        for rows in blocks(len(self.base), max(1, _SCORES // max(centres.shape))):
            yield rows, self.of(rows)


def _kmeans(
    points: _Points, nlist: int, seed: int, rng: np.random.Generator, *, spherical: bool
) -> Float32:
    """Return centres `(nlist, d)` of a few points."""
    n, d = points.base.shape
    sample = points.of(np.sort(rng.choice(n, min(n, _ROWS_PER_LIST * nlist), replace=False)))
    kmeans = faiss.Kmeans(
        d,
        nlist,
        niter=_ITERATIONS,
        seed=seed,
        spherical=spherical,
        min_points_per_centroid=1,
        max_points_per_centroid=_ROWS_PER_LIST,
    )
    kmeans.train(sample)
    return np.array(kmeans.centroids, np.float32)


def _moved(
    points: _Points, centres: Float32, rng: np.random.Generator, *, spherical: bool
) -> Float32:
    """Return the mean of the points of every centre; one without points stays.

    Of more points than `_MORE_ROWS_PER_LIST` for each, so many drawn at random.
    """
    nlist, d = centres.shape
    share = _MORE_ROWS_PER_LIST * nlist / len(points.base)
    sums, counts = np.zeros((nlist, d)), np.zeros(nlist)
    for _, block in points.blocks(centres):
        drawn = block if share >= 1 else block[rng.random(len(block)) < share]
        lists = _nearest(drawn, centres, spherical=spherical)
        ones = np.ones(len(drawn), np.float32), lists, np.arange(len(drawn) + 1)
        sums += csr_matrix(ones, (len(drawn), nlist)).T @ drawn
        counts += np.bincount(lists, minlength=nlist)
    lengths = np.linalg.norm(sums, axis=1) if spherical else counts
    moved = np.divide(sums, lengths[:, None], out=centres.astype(float), where=lengths[:, None] > 0)
    return np.asarray(moved, np.float32)


def _nearest(points: Float32, centres: Float32, *, spherical: bool) -> Ids:
    """Return the number of the nearest centre of every point, or of the largest cosine."""
    scores = points @ centres.T
    if not spherical:
        scores -= np.einsum("ld,ld->l", centres, centres) / 2
    return np.asarray(scores.argmax(axis=1))


def _assign_second(
    points: _Points, centres: Float32, lists: NDArray[np.int32], spill: float
) -> None:
    gram = centres @ centres.T
    for rows, block in points.blocks(centres):
        squares = np.einsum("nd,nd->n", block, block)
        scores = block @ centres.T
        second_lists(scores, squares, gram, lists[rows, 0], np.float32(spill), lists[rows, 1])


def _lengths(base: Float32, centres: Float32, lists: NDArray[np.int32]) -> Float32:
    """Return the mean of <x, centre> over the rows of every list, `(nlist,)`; 1 without rows."""
    sums = np.zeros(len(centres))
    for rows in blocks(len(base)):
        along = np.einsum("nd,nd->n", base[rows], centres[lists[rows]])
        sums += np.bincount(lists[rows], along, len(centres))
    sizes = np.bincount(lists, minlength=len(centres))
    return np.where(sizes > 0, sums / np.maximum(sizes, 1), 1).astype(np.float32)
