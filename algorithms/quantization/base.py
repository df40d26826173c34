"""What all adapters of this folder share: the scanner, its settings and the diagnostics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from harness.contracts import Algorithm, UserError

from .distortion import distortion, neighbour_errors
from .encoding import Float32
from .reranking import Reranker
from .rotation import Padding, Rotation
from .scanner import Ids, Scanner
from .weights import PointWeights

_QUERIES_KEPT = 200  # for diagnostics


class ScannedCodes(Algorithm):
    """An adapter whose index is codes, scanned whole. Subclasses make the `IndexPQ`."""

    _transform: Padding | Rotation | None = None
    _queries: Float32 | None = None

    def _make_index(self, base: Float32) -> faiss.IndexPQ:
        raise NotImplementedError

    def _weights(self) -> PointWeights:
        """Return the weights of the loss that diagnostics report; Euclidean by default."""
        return PointWeights(np.ones(1), np.ones(1))

    def fit(self, base: Float32) -> None:
        """Train and encode. Timed."""
        base = np.asarray(base)  # a plain array for numba, still mapped
        self._subspaces = subspaces_of(self.build["M"], base.shape[1])
        self._base = base
        reranker = Reranker(base, self.metric, self.build["rerank_copy"])
        index = self._make_index(base)
        # FAISS's own quantizers are scanned by FAISS: they are the baseline
        scan = self.build.get("scan", "faiss")
        self._scanner = Scanner(index, reranker, self._transform, scan)

    def set_search(self, *, rerank: int = 0) -> None:
        """Re-rank the best `rerank` candidates by the copy of their vectors; 0 is none."""
        self._scanner.set_search(rerank)

    def warm_up(self, queries: Float32, k: int) -> None:
        """Compile for read-only queries, one and many. Not timed."""
        self._queries = queries[:_QUERIES_KEPT]
        self.query(queries[0], k)
        self.query_batch(queries[:2], k)

    def query(self, query: Float32, k: int) -> NDArray[np.int64]:
        """Return the ids of the k best, `(k,)`. Timed."""
        return self._scanner.search(query[None, :], k)[0]

    def query_batch(self, queries: Float32, k: int) -> Ids:
        """Return the ids of the k best for every query, `(nq, k)`. Timed."""
        return self._scanner.search(queries, k)

    def index_bytes(self) -> int:
        """Return the bytes of codes, codebooks and, with re-ranking, the vectors."""
        return self._scanner.index_bytes()

    def diagnostics(self) -> Mapping[str, Mapping[str, NDArray[Any]]]:
        """Return the table `distortion`, one row. Not timed.

        After `warm_up`, it holds the errors at true neighbours of some queries, too.
        """
        weights = self._weights()
        table = distortion(
            self._base,
            self._scanner.reconstruct,
            weights.eta,
            weights.perpendicular,
            self._scanner.bits,
        )
        if self._queries is not None:
            table |= neighbour_errors(
                self._base,
                np.asarray(self._queries),
                self._scanner.reconstruct_ids,
                euclidean=self.metric == "euclidean",
            )
        return {"distortion": table}


def subspaces_of(wanted: int, dimension: int) -> int:
    """Return how many subspaces there are: as many as wanted, but no more than dimensions."""
    if wanted < 1 or wanted % 1:
        raise UserError(
            "M is out of range",
            where="build parameter M",
            expected="a whole number of at least 1",
            got=str(wanted),
        )
    return min(int(wanted), dimension)


def check_nbits(nbits: int, most: int) -> None:
    """Refuse code sizes that cannot be stored."""
    if not 1 <= nbits <= most:
        raise UserError(
            "nbits is out of range",
            where="build parameter nbits",
            expected=f"1 to {most}",
            got=str(nbits),
        )
