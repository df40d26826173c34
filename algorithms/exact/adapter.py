"""Exact search: every row is compared with the query."""

import faiss
import numpy as np

from harness.contracts import Algorithm, Ids, Rows


class Exact(Algorithm):
    """FAISS's flat index over the rows as given."""

    def fit(self, base: Rows) -> None:
        """Copy `base`, `(n, d)` float32, into the index."""
        metric = faiss.METRIC_L2 if self.metric == "euclidean" else faiss.METRIC_INNER_PRODUCT
        self._index = faiss.IndexFlat(base.shape[1], metric)
        self._index.add(base)

    def query(self, query: Rows, k: int) -> Ids:
        """Return the `(k,)` nearest ids of one query."""
        ids: Ids = self._index.search(query[np.newaxis], k)[1][0]
        return ids

    def query_batch(self, queries: Rows, k: int) -> Ids:
        """Return the `(nq, k)` nearest ids."""
        ids: Ids = self._index.search(queries, k)[1]
        return ids

    def index_bytes(self) -> int:
        """Return the bytes of the float32 rows."""
        return int(self._index.ntotal * self._index.d * 4)
