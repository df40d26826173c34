"""NGT (Iwasaki and Miyazaki, 2018): a graph of near neighbours, entered through a tree."""

import ngtpy
import numpy as np

from harness.contracts import Algorithm, Ids, Rows, TemporaryFolder, allotted_threads, bytes_below

_DISTANCES = {
    "angular": "Normalized Cosine",
    "inner_product": "Inner Product",
    "euclidean": "L2",
}


class NgtGraph(Algorithm):
    """An ANNG (approximate neighbour graph with a tree to start from) over float32 rows.

    Parameters
    ----------
    metric
        Any. For inner product NGT adds a coordinate that makes all rows equally long.
    edges
        Edges of a row when it is added; the reverse edges come on top.
    seed
        Without effect: NGT takes none. Builds of several threads differ, those of one seldom.
    """

    def fit(self, base: Rows) -> None:
        """Build from `base`, `(n, d)` float32, in a folder that goes away with the object."""
        self._folder = TemporaryFolder("ngt-")
        path = self._build(base, f"{self._folder.name}/anng")
        self._index = ngtpy.Index(path, read_only=True, log_disabled=True)
        self._bytes = bytes_below(path)

    def _build(self, base: Rows, path: str) -> str:
        """Write the index into the folder `path` and return the folder."""
        ngtpy.create(
            path,
            base.shape[1],
            edge_size_for_creation=self.build["edges"],
            edge_size_for_search=0,
            distance_type=_DISTANCES[self.metric],
        )
        index = ngtpy.Index(path, log_disabled=True)
        index.batch_insert(base, num_threads=allotted_threads())
        index.save()
        index.close()
        return path

    def set_search(self, epsilon: float = 0.1) -> None:
        """Take epsilon: how much further than the k-th best the search still looks."""
        self._epsilon = epsilon
        self._index.set(epsilon=epsilon)

    def query(self, query: Rows, k: int) -> Ids:
        """Return the `(k,)` nearest ids of one query."""
        row = np.ascontiguousarray(query)  # NGT reads on, whatever the stride
        ids: Ids = self._index.search(row, k, self._epsilon, with_distance=False)
        return ids if len(ids) == k else _padded(ids, k)

    def query_batch(self, queries: Rows, k: int) -> Ids:
        """Return the `(nq, k)` nearest ids; NGT's own batches, whose pool is OpenMP's."""
        results = ngtpy.BatchResults()
        self._index.batch_search(np.ascontiguousarray(queries), results, k, with_distance=False)
        ids, bounds = results.get_indexed_ids(), results.get_index()
        return np.stack([_padded(row, k) for row in np.split(ids, bounds[1:-1])])

    def index_bytes(self) -> int:
        """Return the bytes of the saved index: rows, graph and tree."""
        return self._bytes


class NgtOnng(NgtGraph):
    """An ONNG: an ANNG of many edges, cut down to the numbers of edges that searching likes.

    Parameters
    ----------
    edges
        Of the ANNG.
    outgoing, incoming
        Edges that are kept of each row, and edges to it.
    """

    def _build(self, base: Rows, path: str) -> str:
        optimizer = ngtpy.Optimizer(
            num_of_outgoings=self.build["outgoing"],
            num_of_incomings=self.build["incoming"],
            log_disabled=True,
        )
        optimizer.set_processing_modes(
            search_parameter_optimization=False,  # minutes of timing, for defaults not used here
            prefetch_parameter_optimization=False,
            accuracy_table_generation=False,
        )
        optimizer.execute(super()._build(base, path), path + "-onng")
        return path + "-onng"


def _padded(ids: Ids, k: int) -> Ids:
    """Return `ids` as `(k,)` int64, filled up with -1."""
    return np.concatenate([ids.astype(np.int64), np.full(k - len(ids), -1)])
