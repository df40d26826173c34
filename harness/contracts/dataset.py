"""The contract of a dataset: base, queries and true neighbours."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from harness.contracts.filters import FilteredQueries


class Labels(NamedTuple):
    """Names of the rows (words, titles), in row order."""

    base: Sequence[str]
    queries: Sequence[str]


class Truth(NamedTuple):
    """The exact nearest neighbours.

    `ids` is `(nq, k)` int64; `distances` is `(nq, k)` float64, ascending, as defined by
    `harness.measures.distances`. Where fewer than k rows match a query's filter, the rest is -1 at
    an infinite distance.

    Of queries with filters that are stored with results: `matches` `(nq,)` int64, how many rows
    match, and `nearness` `(nq,)` float64 (see `harness.measures.filtering`).
    """

    ids: NDArray[np.int64]
    distances: NDArray[np.float64]
    matches: NDArray[np.int64] | None = None
    nearness: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class FilterSource:
    """What the function of an entry's key `filtered` gets.

    Attributes
    ----------
    dataset
        The dataset, without filters.
    base_rows
        `(n,)` int64: the row in the source of each row of the base.
    file
        Returns the path of another file of the source, by name and sha256 (None if unknown).
    """

    dataset: Dataset
    base_rows: NDArray[np.int64]
    file: Callable[[str, str | None], Path]


@dataclass(frozen=True)
class Vectors:
    """What a dataset plug-in's loader returns: rows as in the source, not yet split into parts.

    `rows` is `(n, d)` of any real dtype; `labels` names them, or is None. `queries`, where the
    source brings its own, is `(nq, d)`.
    """

    rows: NDArray[np.generic]
    labels: Sequence[str] | None = None
    queries: NDArray[np.generic] | None = None
    query_labels: Sequence[str] | None = None


class Dataset(ABC):
    """A checked, cached dataset, opened read-only."""

    name: str
    metric: Metric
    labels: Labels | None
    filters: FilteredQueries | None = None
    """The filters of its queries; None if it has none."""

    @property
    @abstractmethod
    def base(self) -> NDArray[np.float32]:
        """`(n, d)` float32, rows as in the source, memory-mapped and read-only."""

    @property
    @abstractmethod
    def queries(self) -> NDArray[np.float32]:
        """`(nq, d)` float32, rows as in the source, memory-mapped and read-only."""

    @property
    @abstractmethod
    def search_base(self) -> NDArray[np.float32]:
        """The base as algorithms get it: unit-norm rows for `angular`, else `base` itself."""

    @property
    @abstractmethod
    def search_queries(self) -> NDArray[np.float32]:
        """The queries as algorithms get them: unit-norm rows for `angular`."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Sha256 (hex) of base, queries and metric."""

    @abstractmethod
    def truth(self, k: int) -> Truth:
        """Return the k true nearest neighbours of every query, computed once and cached.

        Raises
        ------
        UserError
            If k is not between 1 and the number of base rows.
        """


Metric = Literal["angular", "euclidean", "inner_product"]
"""The metric of a dataset, under which its neighbours are the nearest."""

METRICS: tuple[Metric, ...] = get_args(Metric)
"""All metrics."""

METRIC_OF_NAME: dict[str, Metric] = {
    **{metric: metric for metric in METRICS},
    "cosine": "angular",
    "normalized": "angular",
    "l2": "euclidean",
    "ip": "inner_product",
    "dot": "inner_product",
}
"""The metrics by the names that entries, files and `--metric` may give them."""
