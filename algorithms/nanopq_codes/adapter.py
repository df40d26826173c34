"""nanopq: product quantization in plain numpy, to read rather than to race."""

import nanopq
import numpy as np

from harness.contracts import Algorithm, Ids, Rows


class NanoPQ(Algorithm):
    """nanopq's PQ or OPQ, all codes scanned; angular rows are compared by their inner product.

    Parameters
    ----------
    metric
        Any.
    M, nbits
        Subspaces (a divisor of d), and bits of each code, 1 to 16.
    rotation
        `none`, or `opq`.
    iterations
        Of k-means, and of OPQ's rotation.
    training_points
        How many rows, drawn at random, to train on at most.
    seed
        Of that draw and of k-means.
    """

    def fit(self, base: Rows) -> None:
        """Train and encode `base`, `(n, d)` float32."""
        rng = np.random.default_rng(self.build["seed"])
        count = min(len(base), self.build["training_points"])
        sample = base[np.sort(rng.choice(len(base), count, replace=False))]
        metric = "l2" if self.metric == "euclidean" else "dot"
        kind = {"none": nanopq.PQ, "opq": nanopq.OPQ}[self.build["rotation"]]
        self._pq = kind(self.build["M"], Ks=1 << self.build["nbits"], metric=metric, verbose=False)
        self._train(sample)
        if self.build["rotation"] == "opq":
            self._pq.pq.metric = metric  # which nanopq 0.2.2 does not hand on to it
        self._codes = self._pq.encode(base)
        self._sign = 1 if self.metric == "euclidean" else -1

    def _train(self, sample: Rows) -> None:
        iterations, seed = self.build["iterations"], self.build["seed"]
        if self.build["rotation"] == "opq":
            self._pq.fit(sample, pq_iter=iterations, rotation_iter=iterations, seed=seed)
        else:
            self._pq.fit(sample, iter=iterations, seed=seed)

    def query(self, query: Rows, k: int) -> Ids:
        """Return the `(k,)` best ids of one query."""
        scores = self._sign * self._pq.dtable(query).adist(self._codes)
        if k >= len(scores):
            return np.pad(np.argsort(scores), (0, k - len(scores)), constant_values=-1)
        best = np.argpartition(scores, k - 1)[:k]
        return best[np.argsort(scores[best])]

    def distance_computations(self, queries: Rows, k: int) -> int:
        """Return the number of codes, once for each query."""
        return len(queries) * len(self._codes)

    def index_bytes(self) -> int:
        """Return the bytes of codes, codebooks and the rotation."""
        rotation = self._pq.R.nbytes if self.build["rotation"] == "opq" else 0
        return int(self._codes.nbytes + self._pq.codewords.nbytes + rotation)
