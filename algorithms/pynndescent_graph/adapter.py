"""pynndescent: a neighbour graph by NN-descent (Dong et al., WWW 2011), pruned and searched."""

import threading

import numpy as np
from pynndescent import NNDescent

from harness.contracts import Algorithm, Ids, Rows, allotted_threads

_TINY_ROWS = 1000


class PyNNDescentGraph(Algorithm):
    """pynndescent's index; it is compiled by numba, which takes minutes the first time.

    Parameters
    ----------
    metric
        `angular`: rows are unit-norm, and the library is told so.
    n_neighbors
        Neighbours of a row in the graph, before pruning.
    diversify_prob, pruning_degree_multiplier
        How eagerly links are pruned, and how many are left.
    seed
        Of trees and of NN-descent. With several building threads the graph varies beside it.
    """

    def prepare(self, shape: tuple[int, int]) -> None:
        """Compile building and searching by a small index of random rows. Not timed."""
        rows = np.random.default_rng(0).standard_normal((_TINY_ROWS, shape[1]), dtype=np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        twin = type(self)(self.metric, **self.build)
        twin.fit(rows)
        twin.set_search(epsilon=0.1)
        twin.query(rows[0], 10)

    def fit(self, base: Rows) -> None:
        """Build the graph over `base`, `(n, d)` float32, and what searching it needs."""
        self._n = len(base)
        self._index = NNDescent(
            base,
            metric="dot",
            n_neighbors=min(self.build["n_neighbors"], self._n - 1),
            diversify_prob=self.build["diversify_prob"],
            pruning_degree_multiplier=self.build["pruning_degree_multiplier"],
            random_state=self.build["seed"],
            n_jobs=allotted_threads(),
            compressed=True,
        )
        self._index.prepare()
        self._last = self._index._vertex_order[-1]
        self._one_at_a_time = threading.Lock()

    def set_search(self, *, epsilon: float) -> None:
        """Take how much further than the k-th neighbour the search goes on."""
        self._options = {"epsilon": epsilon, "return_distances": False, "pre_normalized": True}

    def query(self, query: Rows, k: int) -> Ids:
        """Return the `(k,)` best ids of one query."""
        ids: Ids = self.query_batch(query[np.newaxis], k)[0]
        return ids

    def query_batch(self, queries: Rows, k: int) -> Ids:
        """Return the `(nq, k)` best ids, in one thread.

        The index has one workspace for all searches: several clients take turns.
        """
        found = min(k, self._n)
        with self._one_at_a_time:
            ids: Ids = self._index.query(queries, found, **self._options)
        if self._last in ids[:, -1]:
            _blank_repeats(ids, self._last)
        return ids if found == k else np.pad(ids, ((0, 0), (0, k - found)), constant_values=-1)

    def index_bytes(self) -> int:
        """Return the bytes of rows, links, the order of rows and the starting trees."""
        index = self._index
        arrays = [index._raw_data, index._search_graph.indices, index._search_graph.indptr]
        arrays.append(index._vertex_order)
        for tree in index._search_forest:
            arrays.extend(part for part in tree if isinstance(part, np.ndarray))
        return sum(int(array.nbytes) for array in arrays)


def _blank_repeats(ids: Ids, last: int) -> None:
    """Put -1 where pynndescent 0.7.0 puts its last row for want of neighbours, in place.

    Where a search finds fewer than k, the rest of its queue is -1, which is then taken for the
    place of a row: the last one.
    """
    for row in ids:
        row[np.flatnonzero(row == last)[1:]] = -1
