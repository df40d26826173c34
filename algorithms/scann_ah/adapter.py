"""Google's scann (Guo et al., ICML 2020): asymmetric hashing over all rows, 4 bits a subspace."""

import os

import numpy as np
import scann

from harness.contracts import Algorithm

_CODEWORDS = 16


class ScannAH(Algorithm):
    """scann without a partitioning tree, so that only the codes and the scan are compared."""

    def fit(self, base):
        """Train and encode `base`, `(n, d)` float32, with the threads that the harness allots."""
        self._shape = base.shape
        d = base.shape[1]
        builder = scann.scann_ops_pybind.builder(base, 10, "dot_product").score_ah(
            d // self.build["M"],
            anisotropic_quantization_threshold=self.build["threshold"],
            training_sample_size=min(len(base), self.build["training_points"]),
        )
        if self.build["reorder"]:
            builder = builder.reorder(100)
        self._searcher = builder.set_n_training_threads(_allotted_threads()).build()

    def set_search(self, rerank=0):
        """Take the number of candidates that are re-ordered by their float32 rows."""
        self._rerank = rerank

    def query(self, query, k):
        """Return the `(k,)` best ids of one query."""
        ids, _ = self._searcher.search(query, k, pre_reorder_num_neighbors=self._rerank or None)
        return _padded(np.asarray(ids, dtype=np.int64), k)

    def query_batch(self, queries, k):
        """Return the `(nq, k)` best ids."""
        candidates = self._rerank or None
        ids, _ = self._searcher.search_batched(queries, k, pre_reorder_num_neighbors=candidates)
        return np.asarray(ids, dtype=np.int64)

    def index_bytes(self):
        """Return the bytes of codes, codebooks and, with re-ordering, rows."""
        n, d = self._shape
        codes = n * self.build["M"] // 2
        return codes + 4 * _CODEWORDS * d + (4 * n * d if self.build["reorder"] else 0)


def _allotted_threads():
    """The size of the pools as the harness sets it in the environment of the worker."""
    return int(os.environ.get("OMP_NUM_THREADS", "1"))


def _padded(ids, k):
    return ids if len(ids) == k else np.concatenate([ids, np.full(k - len(ids), -1)])
