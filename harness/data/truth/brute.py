"""Every distance of a few queries in float64: slow and simple, to check the fast way."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from harness.contracts import Dataset
from harness.contracts.dataset import Metric
from harness.contracts.filters import FilteredQueries, matching
from harness.data.rows import blocks, largest_norm, row_norms

Rows = NDArray[np.float32]
Float64 = NDArray[np.float64]


class Table(Protocol):
    """Anything with a shape that can be indexed by rows."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    def __getitem__(self, rows: Any, /) -> Any: ...


_SAMPLED_QUERIES = 8
_TOLERANCE = 1e-7
"""Relative to the scale of the distances; float64 products of expanded squares err by less."""


def smallest_distances(metric: Metric, base: Rows, queries: Rows, k: int) -> Float64:
    """Return the k smallest distances of every query, `(nq, k)` float64, ascending.

    As `harness.measures.distances` defines them, by matrix products over blocks of the base.
    """
    best = np.full((len(queries), k), np.inf)
    for block in blocks(base):
        merged = np.concatenate([best, pair_distances(metric, base[block], queries)], axis=1)
        best = np.partition(merged, k - 1, axis=1)[:, :k]
    return np.sort(best, axis=1)


def pair_distances(metric: Metric, rows: Rows, queries: Rows) -> Float64:
    """Return the distance of every row to every query, `(nq, rows)` float64."""
    wide_rows, wide_queries = rows.astype(np.float64), queries.astype(np.float64)
    row_squares = np.einsum("ij,ij->i", wide_rows, wide_rows)
    query_squares = np.einsum("ij,ij->i", wide_queries, wide_queries)
    products = wide_queries @ wide_rows.T
    return _from_products(metric, products, query_squares[:, None], row_squares)


def _from_products(metric: Metric, products: Float64, q2: Float64, x2: Float64) -> Float64:
    if metric == "inner_product":
        return -products
    if metric == "euclidean":
        return np.sqrt(np.maximum(q2 + x2 - 2 * products, 0.0))
    norms = np.sqrt(q2 * x2)
    return 1.0 - np.divide(products, norms, out=np.zeros_like(products), where=norms > 0)


def require_right_sample(dataset: Dataset, distances: Table) -> None:
    """Compute some queries again by brute force in float64.

    Parameters
    ----------
    dataset
        Base, queries and metric.
    distances
        `(nq, k)`, an array or an HDF5 dataset: of the k nearest rows, ascending.

    Raises
    ------
    RuntimeError
        If a sampled query has other distances: a bug, never bad input.
    """
    nq, k = distances.shape
    drawn = np.random.default_rng(0).choice(nq, min(nq, _SAMPLED_QUERIES), replace=False)
    sample = np.sort(drawn)
    queries = dataset.queries[sample]
    if dataset.filters is None:
        expected = smallest_distances(dataset.metric, dataset.base, queries, k)
    else:
        expected = _smallest_of_matches(dataset, dataset.filters, sample, k)
    scale = _scale(dataset.metric, dataset.base, queries)[:, None]
    found = distances[sample]
    known = np.isfinite(expected) | np.isfinite(found)  # the rest is padding in both
    apart = np.subtract(expected, found, out=np.zeros_like(expected), where=known)
    if (np.abs(apart) > _TOLERANCE * scale).any():
        raise RuntimeError(f"ground truth of {dataset.name} fails its float64 check")


def _smallest_of_matches(
    dataset: Dataset, filters: FilteredQueries, sample: NDArray[np.intp], k: int
) -> Float64:
    numbers = filters.filter_numbers[sample]
    rows = [matching(filters.filters[number], filters.attributes) for number in numbers]
    return np.concatenate([
        smallest_distances(dataset.metric, dataset.base[matches], dataset.queries[[query]], k)
        for matches, query in zip(rows, sample, strict=True)
    ])  # fmt: skip


def _scale(metric: Metric, base: Rows, queries: Rows) -> Float64:
    """The scale of the rounding error of each query's distances."""
    if metric == "angular":
        return np.ones(len(queries))
    norms, largest = row_norms(queries), largest_norm(base)
    scale: Float64 = norms + largest if metric == "euclidean" else norms * largest
    return scale
