"""hnswlib: hierarchical navigable small world graphs (Malkov and Yashunin, TPAMI 2018)."""

import hnswlib
import numpy as np

from harness.contracts import Algorithm, Ids, Rows, allotted_threads


class HnswlibGraph(Algorithm):
    """hnswlib's index; angular rows are unit-norm and compared by their inner product.

    Parameters
    ----------
    metric
        Any.
    M, efConstruction
        Links of a row (twice as many on the ground level), and the queue's length while building.
    seed
        Of the levels. With several building threads the order of insertion varies beside it.
    """

    def fit(self, base: Rows) -> None:
        """Insert `base`, `(n, d)` float32, with the threads that the harness allots."""
        n, d = base.shape
        self._index = hnswlib.Index("l2" if self.metric == "euclidean" else "ip", d)
        self._index.init_index(
            n,
            M=self.build["M"],
            ef_construction=self.build["efConstruction"],
            random_seed=self.build["seed"],
        )
        self._index.add_items(base, num_threads=allotted_threads())

    def set_search(self, *, efSearch: int) -> None:
        """Take the queue's length (k, where that is more)."""
        self._index.set_ef(efSearch)

    def query(self, query: Rows, k: int) -> Ids:
        """Return the `(k,)` best ids of one query."""
        try:
            ids: Ids = self._index.knn_query(query, k, num_threads=1)[0][0]
        except RuntimeError:
            return self._fewer(query, k)
        return ids

    def query_batch(self, queries: Rows, k: int) -> Ids:
        """Return the `(nq, k)` best ids."""
        try:
            ids: Ids = self._index.knn_query(queries, k, num_threads=allotted_threads())[0]
        except RuntimeError:
            return np.stack([self.query(query, k) for query in queries])
        return ids

    def _fewer(self, query: Rows, k: int) -> Ids:
        """Return as many ids as are found, padded; hnswlib refuses to return fewer than k."""
        found, missing = 0, k
        ids = np.full(k, -1)
        while missing - found > 1:
            asked = (found + missing) // 2
            try:
                ids[:asked] = self._index.knn_query(query, asked, num_threads=1)[0][0]
                found = asked
            except RuntimeError:
                missing = asked
        return ids

    def index_bytes(self) -> int:
        """Return the bytes that hnswlib would write: rows, links and labels."""
        return int(self._index.index_file_size())
