"""Intel's Scalable Vector Search: a Vamana graph over float32 or float16 rows.

Aguerrebere et al., "Similarity search in the blink of an eye with compressed indices" (VLDB 2023).
Its compressed rows (LVQ, LeanVec) run on Intel's processors only and are not offered here.
"""

import numpy as np
import svs

from harness.contracts import Algorithm, Ids, Rows, allotted_threads


class SvsVamana(Algorithm):
    """A Vamana graph, searched greedily with a buffer of the best seen.

    Parameters
    ----------
    metric
        Any.
    degree
        Edges of a row at most.
    window
        The buffer while building.
    alpha
        How much longer an edge may be than the way around it; above 1 for euclidean, below 1 for
        the others; null is svs's own, 1.2 and 0.95.
    rows
        How rows are stored: `float32` or `float16`.
    seed
        Without effect: svs takes none, and builds of several threads differ.
    """

    def fit(self, base: Rows) -> None:
        """Build from `base`, `(n, d)` float32."""
        self._shape: tuple[int, int] = base.shape
        euclidean = self.metric == "euclidean"
        distance = svs.DistanceType.L2 if euclidean else svs.DistanceType.MIP
        alpha = self.build["alpha"] or (1.2 if euclidean else 0.95)
        degree, window = self.build["degree"], self.build["window"]
        parameters = svs.VamanaBuildParameters(
            alpha=alpha, graph_max_degree=degree, window_size=window
        )
        rows = base if self.build["rows"] == "float32" else base.astype(np.float16)
        self._index = svs.Vamana.build(parameters, rows, distance, num_threads=allotted_threads())
        self._index.num_threads = 1

    def set_search(self, search_window: int = 10) -> None:
        """Take the size of the buffer of a search, which svs widens to k."""
        self._index.search_window_size = search_window

    def query(self, query: Rows, k: int) -> Ids:
        """Return the `(k,)` nearest ids of one query."""
        ids: Ids = self._search(query[np.newaxis], k)[0]
        return ids

    def query_batch(self, queries: Rows, k: int) -> Ids:
        """Return the `(nq, k)` nearest ids."""
        threads = allotted_threads()
        if self._index.num_threads != threads:
            self._index.num_threads = threads
        return self._search(queries, k)

    def index_bytes(self) -> int:
        """Return the bytes of rows and graph, whose rows hold `degree` ids and their number."""
        n, d = self._shape
        width = 4 if self.build["rows"] == "float32" else 2
        return n * (d * width + 4 * (int(self.build["degree"]) + 1))

    def _search(self, queries: Rows, k: int) -> Ids:
        asked = min(k, self._shape[0])
        unsigned, distances = self._index.search(queries, asked)
        ids: Ids = unsigned.view(np.int64)
        for i in np.flatnonzero(ids[:, -1] == 0):
            self._mark_fillers(queries[i], ids[i], distances[i])
        if asked == k:
            return ids
        return np.pad(ids, ((0, 0), (0, k - asked)), constant_values=-1)

    def _mark_fillers(self, query: Rows, ids: Ids, distances: Rows) -> None:
        """Replace by -1 the id 0 at distance 0 with which svs fills up; row 0 itself stays."""
        suspects = np.flatnonzero((ids == 0) & (distances == 0))
        is_found = self._index.get_distance(0, query) == 0
        ids[suspects[int(is_found) :]] = -1
