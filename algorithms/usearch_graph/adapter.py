"""usearch: an HNSW graph of its own, over numbers of several sizes."""

import numpy as np
from usearch.index import Index

from harness.contracts import Algorithm, Ids, Rows, allotted_threads


class UsearchGraph(Algorithm):
    """usearch's index; angular rows are unit-norm and compared by their inner product.

    Parameters
    ----------
    metric
        Any; 8-bit numbers (`i8`) hold unit-norm rows only.
    M, efConstruction
        Links of a row (twice as many on the ground level), and the queue's length while building.
    dtype
        What the graph keeps of the rows: `f32`, `bf16`, `f16` or `i8`.
    seed
        Of the order in which rows are inserted; usearch's own generator cannot be seeded. With
        several building threads the order varies beside it.
    """

    def fit(self, base: Rows) -> None:
        """Insert `base`, `(n, d)` float32, with the threads that the harness allots."""
        self._index = Index(
            ndim=base.shape[1],
            metric="l2sq" if self.metric == "euclidean" else "ip",
            dtype=self.build["dtype"],
            connectivity=self.build["M"],
            expansion_add=self.build["efConstruction"],
            enable_key_lookups=False,
        )
        order = np.random.default_rng(self.build["seed"]).permutation(len(base))
        self._index.add(order.astype(np.uint64), base[order], threads=allotted_threads())

    def set_search(self, *, efSearch: int) -> None:
        """Take the queue's length (k, where that is more)."""
        self._index.expansion_search = efSearch

    def query(self, query: Rows, k: int) -> Ids:
        """Return the `(k,)` best ids of one query."""
        ids: Ids = self._index.search(query, k, threads=1).keys
        return ids if len(ids) == k else _padded(ids, k)

    def query_batch(self, queries: Rows, k: int) -> Ids:
        """Return the `(nq, k)` best ids."""
        found = self._index.search(queries, k, threads=allotted_threads())
        if len(queries) == 1:
            return _padded(found.keys, k)[np.newaxis]
        ids: Ids = found.keys.astype(np.int64)
        ids[np.arange(k) >= found.counts[:, np.newaxis]] = -1
        return ids

    def distance_computations(self, queries: Rows, k: int) -> int:
        """Return the number that usearch counts."""
        return int(self._index.search(queries, k, threads=1).computed_distances)

    def index_bytes(self) -> int:
        """Return the bytes that usearch would write: rows, links and keys."""
        return int(self._index.serialized_length)


def _padded(ids: Ids, k: int) -> Ids:
    return np.pad(ids.astype(np.int64), (0, k - len(ids)), constant_values=-1)
