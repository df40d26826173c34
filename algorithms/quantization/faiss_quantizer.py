"""FAISS's own product quantization: it trains and encodes."""

from __future__ import annotations

from dataclasses import dataclass

import faiss

from harness.contracts import Metric, UserError

from .arrays import Float32, blocks
from .faiss_codes import faiss_metric
from .loss import EUCLIDEAN
from .parameters import Parameters
from .quantizer import Quantized
from .rotation import transform

_MOST_BITS = 12
_OPQ_ROWS = 20_000
_ROWS_PER_CODEWORD = 256  # that FAISS's k-means looks at


@dataclass(frozen=True)
class FaissQuantizer:
    """`IndexPQ`, trained and filled by FAISS; `iterations` are those of its k-means."""

    iterations: int

    def prepare(self, dimension: int, metric: Metric, parameters: Parameters) -> None:
        """Do nothing: FAISS is compiled."""

    def quantize(self, base: Float32, metric: Metric, parameters: Parameters) -> Quantized:
        """Return the base `(n, d)` in codes."""
        parameters.require_nbits(_MOST_BITS)
        parameters.refuse_coarse("FAISS's product quantization has no coarse codes")
        _require_rows(len(base), parameters)
        sample = _sample(base, parameters)
        turn = transform(sample, parameters)
        index = self._empty_index(base.shape[1], metric, parameters)
        if turn is None:
            index.train(base)
            index.add(base)
        else:
            index.train(turn.apply(sample))
            for rows in blocks(len(base)):
                index.add(turn.apply(base[rows]))
        return Quantized(index, turn, EUCLIDEAN, {})

    def _empty_index(self, dimension: int, metric: Metric, parameters: Parameters) -> faiss.IndexPQ:
        subspaces = parameters.subspaces(dimension)
        width = -(-dimension // subspaces)
        index = faiss.IndexPQ(subspaces * width, subspaces, parameters.nbits, faiss_metric(metric))
        index.pq.cp.seed = parameters.seed
        index.pq.cp.niter = self.iterations
        return index


def _sample(base: Float32, parameters: Parameters) -> Float32:
    """Return rows from all over the base, at least as many as FAISS's k-means looks at."""
    wanted = max(_OPQ_ROWS, _ROWS_PER_CODEWORD * parameters.codewords)
    return base[:: max(1, len(base) // wanted)]


def _require_rows(rows: int, parameters: Parameters) -> None:
    if rows < parameters.codewords:
        raise UserError(
            "FAISS trains on at least as many rows as there are codewords",
            where="build parameter nbits",
            expected=f"2^nbits <= {rows}, the rows of the base",
            got=str(parameters.nbits),
        )
