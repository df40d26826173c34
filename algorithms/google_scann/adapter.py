"""Google's scann: asymmetric hashing, over all rows or over the leaves of a tree.

Guo et al., "Accelerating large-scale inference with anisotropic vector quantization" (ICML 2020);
Sun et al., "SOAR: improved indexing for approximate nearest neighbor search" (NeurIPS 2023).
"""

from typing import Any

import numpy as np
import scann

from harness.contracts import Algorithm, Ids, Rows, allotted_threads

_CODEWORDS = 16
_DISTANCES = {
    "angular": "dot_product",
    "inner_product": "dot_product",
    "euclidean": "squared_l2",
}


class _Scann(Algorithm):
    """What both share: how a searcher is built and asked."""

    _leaves: int
    _rerank: int

    def _configured(self, builder: Any, n: int, d: int) -> Any:
        """Return the builder with all that the searcher consists of."""
        raise NotImplementedError

    def fit(self, base: Rows) -> None:
        """Train and encode `base`, `(n, d)` float32, with the threads that the harness allots."""
        self._shape: tuple[int, int] = base.shape
        builder = scann.scann_ops_pybind.builder(base, 10, _DISTANCES[self.metric])
        builder = self._configured(builder, len(base), base.shape[1])
        self._searcher = builder.set_n_training_threads(allotted_threads()).build()

    def query(self, query: Rows, k: int) -> Ids:
        """Return the `(k,)` best ids of one query."""
        ids, _ = self._searcher.search(query, k, self._candidates(k), self._leaves)
        return _padded(ids, k)

    def query_batch(self, queries: Rows, k: int) -> Ids:
        """Return the `(nq, k)` best ids; scann fills up with id 0 at the distance NaN."""
        threads = allotted_threads()
        self._searcher.set_num_threads(threads)
        search = self._searcher.search_batched_parallel if threads > 1 else None
        search = search or self._searcher.search_batched
        ids, distances = search(queries, k, self._candidates(k), self._leaves)
        return np.where(np.isnan(distances), -1, ids.astype(np.int64))

    def _candidates(self, k: int) -> int:
        """Return how many are re-ordered, k at least; -1, scann's default, where nothing can be."""
        return max(k, self._rerank) if self._rerank else -1

    def _hashed(self, builder: Any, block_dimensions: int, n: int) -> Any:
        """Add 4-bit codes, trained with the score-aware loss where scores are inner products."""
        threshold = float("nan") if self.metric == "euclidean" else self.build["threshold"]
        return builder.score_ah(
            block_dimensions,
            anisotropic_quantization_threshold=threshold,
            training_sample_size=min(n, self.build["training_points"]),
        )


class ScannAH(_Scann):
    """scann without a partitioning tree, so that only the codes and the scan are compared."""

    _leaves = -1

    def _configured(self, builder: Any, n: int, d: int) -> Any:
        builder = self._hashed(builder, d // self.build["M"], n)
        return builder.reorder(100) if self.build["reorder"] else builder

    def set_search(self, rerank: int = 0) -> None:
        """Take the number of candidates that are re-ordered by their float32 rows."""
        self._rerank = rerank

    def distance_computations(self, queries: Rows, k: int) -> int:
        """Return the codes, all scanned, and the candidates that are re-ordered."""
        return len(queries) * (self._shape[0] + max(0, min(self._candidates(k), self._shape[0])))

    def index_bytes(self) -> int:
        """Return the bytes of codes, codebooks and, with re-ordering, rows."""
        n, d = self._shape
        codes = n * int(self.build["M"]) // 2
        return codes + 4 * _CODEWORDS * d + (4 * n * d if self.build["reorder"] else 0)


class ScannTree(_Scann):
    """The pipeline that scann recommends: tree, codes of the residuals, re-ordering.

    With `soar` a row is stored in two leaves, the second chosen so that its residual is as
    orthogonal to the first as may be.
    """

    def _configured(self, builder: Any, n: int, d: int) -> Any:
        builder = builder.tree(
            self.build["leaves"],
            1,
            training_sample_size=min(n, self.build["training_points"]),
            random_init=self.build["init"] == "random",
            soar_lambda=self.build["soar"],
        )
        return self._hashed(builder, self.build["block"], n).reorder(100)

    def set_search(self, leaves_to_search: int = 1, rerank: int = 100) -> None:
        """Take the leaves visited and how many candidates, k at least, are re-ordered.

        `rerank` is at least 1: scann cannot skip the re-ordering of a searcher that has one.
        """
        self._leaves = leaves_to_search
        self._rerank = rerank

    def index_bytes(self) -> int:
        """Return the bytes of rows, codes, ids in the leaves, centres and codebooks."""
        n, d = self._shape
        copies = 1 if self.build["soar"] is None else 2
        code = -(-d // self.build["block"]) / 2
        per_row = 4 * d + copies * (code + 4)
        return int(n * per_row) + 4 * d * (int(self.build["leaves"]) + _CODEWORDS)


def _padded(ids: Ids, k: int) -> Ids:
    """Return `ids` as `(k,)`, filled up with -1 where scann found fewer."""
    if len(ids) == k:
        return ids
    return np.concatenate([ids.astype(np.int64), np.full(k - len(ids), -1)])
