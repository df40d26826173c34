"""hnswlib: hierarchical navigable small world graphs (Malkov and Yashunin, TPAMI 2018)."""

from collections.abc import Callable

import hnswlib
import numpy as np

from harness.contracts import Algorithm, Bitmap, Ids, Rows, allotted_threads


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
        self._matching: dict[Bitmap, Callable[[int], int]] = {}

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

    def query_filtered(self, query: Rows, k: int, filter: Bitmap) -> Ids:  # type: ignore[override]
        """Return the `(k,)` best ids of the matching rows; hnswlib calls Python for each row."""
        matches = self._matching.get(filter)
        if matches is None:
            one_byte_each = np.unpackbits(filter.bits, count=filter.n, bitorder="little").tobytes()
            matches = self._matching[filter] = one_byte_each.__getitem__
        try:
            ids: Ids = self._index.knn_query(query, k, num_threads=1, filter=matches)[0][0]
        except RuntimeError:
            return self._fewer(query, min(k, filter.count + 1), k, matches)
        return ids.view(np.int64)  # one type with the answers that are padded

    def query_batch(self, queries: Rows, k: int) -> Ids:
        """Return the `(nq, k)` best ids."""
        try:
            ids: Ids = self._index.knn_query(queries, k, num_threads=allotted_threads())[0]
        except RuntimeError:
            return np.stack([self.query(query, k) for query in queries])
        return ids

    def _fewer(
        self,
        query: Rows,
        missing: int,
        k: int | None = None,
        matches: Callable[[int], int] | None = None,
    ) -> Ids:
        """Return as many ids as are found, less than `missing`, padded to k (by default as many).

        hnswlib refuses to return fewer than it is asked for.
        """
        found = 0
        ids = np.full(k or missing, -1)
        while missing - found > 1:
            asked = (found + missing) // 2
            try:
                some = self._index.knn_query(query, asked, num_threads=1, filter=matches)
                ids[:asked] = some[0][0]
                found = asked
            except RuntimeError:
                missing = asked
        return ids

    def index_bytes(self) -> int:
        """Return the bytes that hnswlib would write: rows, links and labels."""
        return int(self._index.index_file_size())
