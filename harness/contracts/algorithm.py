"""The contract of an algorithm adapter: which methods are called, and which calls are timed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness.contracts.dataset import Metric
from harness.contracts.filters import Attributes, Bitmap, Filter

Rows = NDArray[np.float32]
"""Rows of the base or of queries, `(n, d)`, or one query, `(d,)`."""

Ids = NDArray[np.integer]
"""Row numbers of the base, -1 for none."""

Table = Mapping[str, NDArray[np.generic]]
"""Columns of equal length, by name."""

MOST_COMPARISONS_OF_A_ROW = 100
"""With one query: an index that tells of more distance computations is in error."""

RowForm = Literal["shared", "copied", "copied from source"]
"""Form of the rows: shared and read-only, own copies, or own copies of the rows as in the source.

Rows as in the source are not unit-norm for `angular`.
"""


class Algorithm(ABC):
    """An index that the harness builds once and then searches under several settings.

    The harness makes one instance in a fresh process and calls, in this order::

        algorithm = Adapter(metric, **build)      # not timed
        algorithm.prepare((n, d))                 # not timed; reported as prepare_seconds
        algorithm.fit(base)                       # timed: build_seconds
        for setting in search_settings:
            algorithm.set_search(**setting)       # not timed
            algorithm.warm_up(queries, k)         # not timed; an untimed pass of queries follows
        for setting in turns:                     # each setting many times, in random order
            algorithm.set_search(**setting)       # not timed; a few untimed queries follow
            for query in window:                  # a part of the queries
                algorithm.query(query, k)         # each call is timed
        for setting in search_settings:
            algorithm.set_search(**setting)       # not timed
            algorithm.index_bytes()               # not timed
            algorithm.distance_computations(some_queries, k)  # not timed
        algorithm.diagnostics()                   # not timed
        algorithm.close()                         # not timed

    Between its turns the harness pauses the process and all processes that it started, while other
    indexes have their turns. An entry with `pausable: false` is not paused.

    In batch mode `query_batch` is timed instead of `query`. For queries with filters, an entry that
    says `filtered:` is timed by `fit_filtered` instead of `fit`, and by `query_filtered` instead of
    `query`. Rows are unit-norm when the metric is `angular` (a zero row stays zero): adapters never
    normalise.

    Parameters
    ----------
    metric
        One of `angular`, `euclidean`, `inner_product`.
    build
        The build parameters of the registry entry. If there is a parameter `seed`, each build gets
        its value plus the number of the build.

    Notes
    -----
    The constructor keeps its parameters and does no work.
    """

    def __init__(self, metric: Metric, **build: Any) -> None:
        self.metric = metric
        self.build = build

    def prepare(self, shape: tuple[int, int]) -> None:  # noqa: B027 - optional
        """Compile what `fit` will need. Not part of build_seconds, reported apart.

        For code that is compiled when first called (numba); it must not learn from data.

        Parameters
        ----------
        shape
            `(n, d)` of the base that `fit` will get.
        """

    @abstractmethod
    def fit(self, base: Rows) -> None:
        """Build the index. Timed.

        The first texts of `warnings.warn("...")` are stored with the point and shown, if it
        succeeds.

        Parameters
        ----------
        base
            `(n, d)` float32, C-contiguous, read-only, mapped from a file. Copy it only if the
            deployed index would hold a copy.
        """

    def set_search(self, *unnamed: Any, **search: Any) -> None:
        """Set the parameters of the next searches, by name. Not timed.

        An adapter names those that it has: `def set_search(self, *, nprobe: int)`. (To a type
        checker, `*unnamed: Any, **search: Any` allows every signature.)

        The default accepts no parameters, so a parameter of the registry entry that the adapter
        does not handle is an error.

        Raises
        ------
        TypeError
            If a parameter is not known.
        """
        if unnamed or search:
            got = search or unnamed
            raise TypeError(f"{type(self).__name__} takes no search parameters, got {got}")

    def warm_up(self, queries: Rows, k: int) -> None:  # noqa: B027 - optional
        """Compile, allocate and touch what the first query needs. Not timed.

        Parameters
        ----------
        queries
            `(nq, d)` float32, read-only, rows like those that `query` will get.
        k
            How many neighbours will be asked for.
        """

    @abstractmethod
    def query(self, query: Rows, k: int) -> Ids:
        """Return the ids of the k nearest base rows, best first. Timed.

        Parameters
        ----------
        query
            `(d,)` float32, C-contiguous, read-only.
        k
            How many neighbours, at least 1.

        Returns
        -------
        ids
            `(k,)` integers, row numbers of `base`, distinct, padded with -1 at the end where
            fewer were found. Ids only: the harness computes every distance itself. A numpy array,
            or a list or tuple of ints, which is converted within the timed region; anything else
            fails as `wrong_answer`.
        """

    def query_batch(self, queries: Rows, k: int) -> Ids:
        """Return the ids for many queries at once. Timed in batch mode.

        Parameters
        ----------
        queries
            `(nq, d)` float32, C-contiguous, read-only.
        k
            How many neighbours, at least 1.

        Returns
        -------
        ids
            `(nq, k)` integers, each row as from `query`. The default asks `query` row by row.
        """
        return np.stack([self.query(query, k) for query in queries])

    def fit_filtered(self, base: Rows, attributes: Attributes) -> None:
        """Build the index of rows that have attributes. Timed.

        The default builds by `fit`, which is all that an adapter needs that takes bitmaps.

        Parameters
        ----------
        base
            As for `fit`.
        attributes
            Columns of the base by name, read-only.
        """
        self.fit(base)

    def query_filtered(self, query: Rows, k: int, filter: Filter | Bitmap) -> Ids:
        """Return the ids of the k nearest base rows that match a filter, best first. Timed.

        The default refuses: an adapter that has the ability says `filtered: bitmap` or `filtered:
        predicate` in its entry.

        Parameters
        ----------
        query, k
            As for `query`.
        filter
            As the entry says: the bitmap of the matching rows, made once for each distinct filter
            before anything is timed, or the filter itself, which the adapter evaluates within the
            timed call.

        Returns
        -------
        ids
            As from `query`, of matching rows alone: fewer than k of them are padded with -1, and an
            id that does not match fails as `wrong_answer`.

        Raises
        ------
        NotImplementedError
            If the adapter does not search with filters.
        """
        raise NotImplementedError(f"{type(self).__name__} does not search with filters")

    @abstractmethod
    def index_bytes(self) -> int:
        """Return the bytes that a deployed index needs under the current search setting. Not timed.

        Counts codes, codebooks, graphs and any copy of the vectors that searching uses; what only
        another search setting needs (vectors to re-rank by) does not count.
        """

    def distance_computations(self, queries: Rows, k: int) -> int | None:
        """Return how many rows the index compares with some queries, all together. Not timed.

        Counts every comparison of a query with a stored row under the current search setting: by
        its numbers, or by an estimate from its code. A row that is estimated and then re-ranked
        counts twice; centres of lists do not count. An adapter whose library counts asks it to
        search these queries here. Results stay up to date when a method of this name changes.

        Parameters
        ----------
        queries
            `(nq, d)` float32, C-contiguous, read-only: 1,000 of the queries, or fewer.
        k
            How many neighbours are asked for.

        Returns
        -------
        count
            At most 100 times rows times queries. None, the default, if it is not known.
        """
        return None

    def diagnostics(self) -> Mapping[str, Table]:
        """Return named tables that explain the index, stored beside the result. Not timed.

        Returns
        -------
        tables
            Name of the table to its columns, each a one-dimensional array; the columns of a table
            have equal length. `{"training": {"iteration": ..., "loss": ...}}` is plotted.
        """
        return {}

    def close(self) -> None:  # noqa: B027 - optional
        """Stop what was started, such as a server. Not timed; processes still running are ended."""

    # How an adapter of another harness is called; overridden by the wrappers of these. -----------

    @property
    def row_form(self) -> RowForm:
        """The form of the rows that `fit` and `query` get."""
        return "shared"

    @property
    def prepares_queries(self) -> bool:
        """Whether `prepared_query` is called before each timed query, and `ids_of` after it."""
        return False

    @property
    def most_clients(self) -> int | None:
        """How many threads may query at once; None for any number."""
        return None

    def prepared_query(self, query: Rows, k: int) -> Callable[[], object]:
        """Prepare, untimed, the call that is timed instead of `query`, and return it.

        Its result goes to `ids_of`, once, before the next query.
        """
        return partial(self.query, query, k)

    def ids_of(self, result: object, k: int) -> object:
        """Convert the result of a timed call into ids `(k,)`. Not timed."""
        return result

    def prepared_batch(self, queries: Rows, k: int) -> Callable[[], object]:
        """As `prepared_query`, for all queries at once; its result goes to `ids_of_batch`."""
        return partial(self.query_batch, queries, k)

    def ids_of_batch(self, result: object, k: int) -> object:
        """Convert the result of a timed batch into ids `(nq, k)`. Not timed."""
        return result
