"""Exact search: every row is compared with the query."""

import faiss
import numpy as np

from harness.contracts import Algorithm, Bitmap, Ids, Rows


class Exact(Algorithm):
    """FAISS's flat index over the rows as given; of a filter, the matching rows are scanned."""

    def fit(self, base: Rows) -> None:
        """Copy `base`, `(n, d)` float32, into the index."""
        metric = faiss.METRIC_L2 if self.metric == "euclidean" else faiss.METRIC_INNER_PRODUCT
        self._index = faiss.IndexFlat(base.shape[1], metric)
        self._index.add(base)
        self._matching: dict[Bitmap, faiss.SearchParameters] = {}

    def query(self, query: Rows, k: int) -> Ids:
        """Return the `(k,)` nearest ids of one query."""
        ids: Ids = self._index.search(query[np.newaxis], k)[1][0]
        return ids

    def query_filtered(self, query: Rows, k: int, filter: Bitmap) -> Ids:  # type: ignore[override]
        """Return the `(k,)` nearest ids of the matching rows."""
        if filter not in self._matching:  # FAISS scans the rows of an array of ids, and no others
            selector = faiss.IDSelectorArray(filter.ids)
            self._matching[filter] = faiss.SearchParameters(sel=selector)
        found = self._index.search(query[np.newaxis], k, params=self._matching[filter])
        ids: Ids = found[1][0]
        return ids

    def query_batch(self, queries: Rows, k: int) -> Ids:
        """Return the `(nq, k)` nearest ids."""
        ids: Ids = self._index.search(queries, k)[1]
        return ids

    def distance_computations(self, queries: Rows, k: int) -> int:
        """Return the number of rows, once for each query."""
        return len(queries) * int(self._index.ntotal)

    def index_bytes(self) -> int:
        """Return the bytes of the float32 rows."""
        return int(self._index.ntotal * self._index.d * 4)
