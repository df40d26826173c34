"""Exact search: every row is compared with the query."""

import faiss
import numpy as np

from harness.contracts import Algorithm


class Exact(Algorithm):
    """FAISS's flat index over the rows as given."""

    def fit(self, base):
        """Copy `base`, `(n, d)` float32, into the index."""
        metric = faiss.METRIC_L2 if self.metric == "euclidean" else faiss.METRIC_INNER_PRODUCT
        self._index = faiss.IndexFlat(base.shape[1], metric)
        self._index.add(base)

    def query(self, query, k):
        """Return the `(k,)` nearest ids of one query."""
        _, ids = self._index.search(query[np.newaxis], k)
        return ids[0]

    def query_batch(self, queries, k):
        """Return the `(nq, k)` nearest ids."""
        _, ids = self._index.search(queries, k)
        return ids

    def index_bytes(self):
        """Return the bytes of the float32 rows."""
        return self._index.ntotal * self._index.d * 4
