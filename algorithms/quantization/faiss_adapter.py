"""FAISS's own product quantization: it trains and encodes, and the same scanner searches."""

from __future__ import annotations

import faiss

from harness.contracts import Metric, UserError

from .base import ScannedCodes, check_nbits
from .encoding import Float32
from .scanner import faiss_metric


class FaissPQ(ScannedCodes):
    """`IndexPQ`, searched by `IndexPQFastScan` where nbits is 4.

    Parameters
    ----------
    metric
        Any; FAISS always trains and encodes under the Euclidean loss.
    M, nbits
        Subspaces (a divisor of d), and bits of each code, 1 to 12.
    seed
        Of FAISS's k-means.
    iterations
        Of FAISS's k-means.
    """

    def __init__(
        self, metric: Metric, *, M: int, nbits: int = 4, seed: int = 0, iterations: int = 25
    ) -> None:
        super().__init__(metric, M=M, nbits=nbits, seed=seed, iterations=iterations)

    def _make_index(self, base: Float32) -> faiss.IndexPQ:
        check_nbits(self.build["nbits"], 12)
        if len(base) < 1 << self.build["nbits"]:
            raise UserError(
                "FAISS trains on at least as many rows as there are codewords",
                where="build parameter nbits",
                expected=f"2^nbits <= {len(base)}, the rows of the base",
                got=str(self.build["nbits"]),
            )
        index = faiss.IndexPQ(
            base.shape[1], self.build["M"], self.build["nbits"], faiss_metric(self.metric)
        )
        index.pq.cp.seed = self.build["seed"]
        index.pq.cp.niter = self.build["iterations"]
        index.train(base)
        index.add(base)
        return index
