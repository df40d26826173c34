"""Searches with filters, as the timed loops call them: a query comes with its filter."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import NamedTuple

import numpy as np

from harness.contracts import Bitmap, Filter, FilteredQueries, Ids, Rows, Table
from harness.contracts.filters import matching
from harness.running.worker.answers import WrongAnswer

FilteredQuery = tuple[Rows, Filter | Bitmap]
"""A query `(d,)` and its filter."""

Ask = Callable[[FilteredQuery, int], object]


class Bitmaps(NamedTuple):
    """A bitmap of each distinct filter, and the seconds that each took to evaluate."""

    bitmaps: Sequence[Bitmap]
    seconds: Sequence[float]

    @classmethod
    def of(cls, filters: FilteredQueries) -> Bitmaps:
        """Evaluate each filter once, by numpy."""
        bitmaps, seconds = [], []
        for one in filters.filters:
            began = perf_counter()
            bitmaps.append(Bitmap.of(matching(one, filters.attributes)))
            seconds.append(perf_counter() - began)
        return cls(bitmaps, seconds)

    def table(self) -> Table:
        """Return the seconds and the matches of each filter, for diagnostics."""
        counts = np.array([bitmap.count for bitmap in self.bitmaps], dtype=np.int64)
        return {"seconds": np.array(self.seconds), "matches": counts}


def with_filters(
    queries: Rows, filters: FilteredQueries, forms: Sequence[Filter | Bitmap]
) -> list[FilteredQuery]:
    """Return each of `(nq, d)` queries with its filter, in the form that the search takes."""
    return [
        (query, forms[number])
        for query, number in zip(queries, filters.filter_numbers.tolist(), strict=True)
    ]


def filtering(query_filtered: Callable[[Rows, int, Filter | Bitmap], object]) -> Ask:
    """Return the timed call of an adapter that searches with filters itself."""
    return lambda asked, k: query_filtered(asked[0], k, asked[1])


def post_filtering(query: Callable[[Rows, int], Ids], factor: float) -> Ask:
    """Return the timed call of any adapter: more answers are asked for, and those that match kept.

    Of a filter that keeps the share s of the rows, factor k / s answers are asked for, at most n.
    """

    def ask(asked: FilteredQuery, k: int) -> object:
        row, bitmap = asked
        assert isinstance(bitmap, Bitmap)
        answer = np.full(k, -1, dtype=np.int64)
        if bitmap.count:
            share = factor * k * bitmap.n / bitmap.count  # may be infinite
            wanted = min(bitmap.n, max(k, math.ceil(min(bitmap.n, share))))
            ids = np.asarray(query(row, wanted))
            try:
                ids = ids[ids >= 0]
                found = ids[bitmap.contains(ids)][:k]
            except (IndexError, TypeError):
                some = ", ".join(map(str, ids.ravel()[:12]))
                raise WrongAnswer(f"ids that are no rows of the base: [{some}]") from None
            answer[: len(found)] = found
        return answer

    return ask
