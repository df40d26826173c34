"""FAISS's own product quantization: it trains and encodes, and the same scanner searches."""

from __future__ import annotations

import faiss

from harness.contracts import Metric, UserError

from .base import ScannedCodes, check_nbits
from .encoding import Float32
from .reranking import CopyKind
from .rotation import RotationKind, transform
from .scanner import blocks, faiss_metric

_OPQ_ROWS = 20_000
_ROWS_PER_CODEWORD = 256  # that FAISS's k-means looks at


class FaissPQ(ScannedCodes):
    """`IndexPQ`, searched by `IndexPQFastScan` where nbits is 4.

    Parameters
    ----------
    metric
        Any; FAISS always trains and encodes under the Euclidean loss.
    M, nbits
        Subspaces (any number; above d it means d), and bits of each code, 1 to 12. Where M does
        not divide d, some subspaces have a dimension fewer than others.
    seed
        Of FAISS's k-means.
    iterations
        Of FAISS's k-means.
    rotation
        `none`, `random` or `opq` (FAISS's `OPQMatrix`, from up to 20,000 rows).
    rerank_copy
        What re-ranking reads: `float32` or `uint8`.
    """

    def __init__(
        self,
        metric: Metric,
        *,
        M: int,
        nbits: int = 4,
        seed: int = 0,
        iterations: int = 25,
        rotation: RotationKind = "none",
        rerank_copy: CopyKind = "float32",
    ) -> None:
        super().__init__(
            metric,
            M=M,
            nbits=nbits,
            seed=seed,
            iterations=iterations,
            rotation=rotation,
            rerank_copy=rerank_copy,
        )

    def _make_index(self, base: Float32) -> faiss.IndexPQ:
        check_nbits(self.build["nbits"], 12)
        self._check_rows(len(base))
        sample = self._sample(base)
        kind, nbits, seed = (self.build[name] for name in ("rotation", "nbits", "seed"))
        self._transform = transform(kind, sample, self._subspaces, nbits, seed)
        width = -(-base.shape[1] // self._subspaces)
        metric = faiss_metric(self.metric)
        index = faiss.IndexPQ(self._subspaces * width, self._subspaces, nbits, metric)
        index.pq.cp.seed = seed
        index.pq.cp.niter = self.build["iterations"]
        if self._transform is None:
            index.train(base)
            index.add(base)
            return index
        index.train(self._transform.apply(sample))
        for rows in blocks(len(base)):
            index.add(self._transform.apply(base[rows]))
        return index

    def _sample(self, base: Float32) -> Float32:
        """Return rows from all over the base, at least as many as FAISS's k-means looks at."""
        wanted = max(_OPQ_ROWS, _ROWS_PER_CODEWORD << self.build["nbits"])
        return base[:: max(1, len(base) // wanted)]

    def _check_rows(self, rows: int) -> None:
        if rows < 1 << self.build["nbits"]:
            raise UserError(
                "FAISS trains on at least as many rows as there are codewords",
                where="build parameter nbits",
                expected=f"2^nbits <= {rows}, the rows of the base",
                got=str(self.build["nbits"]),
            )
