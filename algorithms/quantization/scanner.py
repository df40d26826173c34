"""Searching codes with FAISS's kernels: one scanner for every quantizer of this folder.

Only codebooks and codes differ between the quantizers, so that curves differ by them alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import faiss
import numpy as np
from numpy.typing import NDArray

from harness.contracts import Metric

from .encoding import Codes, Float32
from .reranking import Reranker
from .rotation import Rotation

Ids = NDArray[np.int64]

_BLOCK_ROWS = 1 << 14
_FRAGILE_WIDTH, _LEAST_CODEWORDS = 2, 8


def faiss_metric(metric: Metric) -> int:
    """Angular rows are unit-norm, so their order is that of the inner product."""
    return int(faiss.METRIC_L2 if metric == "euclidean" else faiss.METRIC_INNER_PRODUCT)


def blocks(n: int, rows: int = _BLOCK_ROWS) -> Iterator[slice]:
    """Cut `range(n)` into slices of at most so many rows."""
    return (slice(start, min(n, start + rows)) for start in range(0, n, rows))


def pack(codes: Codes, nbits: int) -> Codes:
    """Pack codes `(n, M)` into FAISS's stream of bits, low bits first: `(n, ceil(M nbits / 8))`."""
    if nbits == 8:
        return np.ascontiguousarray(codes)
    if nbits == 4:
        packed = codes[:, ::2].copy()
        packed[:, : codes.shape[1] // 2] |= codes[:, 1::2] << 4
        return packed
    bits = np.unpackbits(codes[:, :, None], axis=2, count=nbits, bitorder="little")
    return np.packbits(bits.reshape(len(codes), -1), axis=1, bitorder="little")


def empty_index(codebooks: NDArray[np.floating], metric: Metric) -> faiss.IndexPQ:
    """Return an `IndexPQ` with these codebooks `(M, K, d/M)` and no codes."""
    subspaces, codewords, width = codebooks.shape
    nbits = int(codewords).bit_length() - 1
    index = faiss.IndexPQ(subspaces * width, subspaces, nbits, faiss_metric(metric))
    faiss.copy_array_to_vector(codebooks.astype(np.float32).ravel(), index.pq.centroids)
    index.is_trained = True
    return index


def add_codes(index: faiss.IndexPQ, codes: Codes) -> None:
    """Append codes `(n, M)`; nothing is encoded again."""
    for block in blocks(len(codes)):
        index.add_sa_codes(pack(codes[block], index.pq.nbits))


def widened(index: faiss.IndexPQ) -> faiss.IndexPQ:
    """Return the same codes over subspaces one dimension wider, where all that is added is 0.

    FAISS 1.15.1 refuses look-up tables of fewer than 8 codewords in subspaces of 2 dimensions (a
    kernel of its own asserts `ksub % 8 == 0`); with 3 dimensions it goes another way.
    """
    pq = index.pq
    codebooks = faiss.vector_to_array(pq.centroids).reshape(pq.M, pq.ksub, pq.dsub)
    wider = empty_index(np.pad(codebooks, ((0, 0), (0, 0), (0, 1))), "angular")
    wider.metric_type = index.metric_type
    faiss.copy_array_to_vector(faiss.vector_to_array(index.codes), wider.codes)
    wider.ntotal = index.ntotal
    return wider


def _needs_widening(index: faiss.IndexPQ) -> bool:
    return bool(index.pq.dsub == _FRAGILE_WIDTH and index.pq.ksub < _LEAST_CODEWORDS)


class Scanner:
    """Scans all codes of a filled `IndexPQ`, then re-ranks the best by their vectors if asked.

    4-bit codes are laid out anew for the SIMD scan ("fast scan", 8-bit look-up tables), and the
    flat codes are let go; other sizes are scanned with float tables as they are.
    """

    def __init__(
        self, index: faiss.IndexPQ, reranker: Reranker, rotation: Rotation | None = None
    ) -> None:
        self._width = index.pq.dsub
        self._is_widened = _needs_widening(index)
        if self._is_widened:
            index = widened(index)
        self.index = faiss.IndexPQFastScan(index) if index.pq.nbits == 4 else index
        self._reranker = reranker
        self._rotation = rotation
        self._candidates = 0

    def set_search(self, rerank: int) -> None:
        """Re-rank the best `rerank` candidates from now on; 0 is none."""
        self._candidates = rerank

    def search(self, queries: Float32, k: int) -> Ids:
        """Return the ids of the best k, `(nq, k)` int64, padded with -1."""
        turned = queries if self._rotation is None else self._rotation.apply(queries)
        if self._is_widened:
            parts = turned.reshape(len(turned), -1, self._width)
            turned = np.pad(parts, ((0, 0), (0, 0), (0, 1))).reshape(len(turned), -1)
        if not self._candidates:
            return self._scan(turned, k)
        candidates = min(max(self._candidates, k), self.index.ntotal)
        return self._reranker.best(queries, self._scan(turned, candidates), k)

    def _scan(self, queries: Float32, k: int) -> Ids:
        ids = np.asarray(self.index.search(queries, k)[1])
        if ids[0, 0] < 0 or (len(ids) > 1 and ids[:, 0].min() < 0):
            # The 8-bit tables of fast scan have no scale where all scores are equal, as for a zero
            # query, and nothing comes back: there, any rows are as good as others.
            found = min(k, self.index.ntotal)
            ids[ids[:, 0] < 0, :found] = np.arange(found)
        return ids

    def reconstruct(self, rows: slice) -> Float32:
        """Return the vectors that the codes of these rows stand for, `(rows, d)`."""
        return self._undo(self.index.reconstruct_n(rows.start, rows.stop - rows.start))

    def reconstruct_ids(self, ids: Ids) -> Float32:
        """Return the vectors that the codes of these rows stand for, `(*ids.shape, d)`."""
        vectors = self._undo(self.index.reconstruct_batch(ids.ravel()))
        return vectors.reshape(*ids.shape, -1)

    def _undo(self, vectors: Float32) -> Float32:
        if self._is_widened:
            parts = vectors.reshape(len(vectors), -1, self._width + 1)
            vectors = np.ascontiguousarray(parts[:, :, : self._width]).reshape(len(vectors), -1)
        return vectors if self._rotation is None else self._rotation.undo(vectors)

    def index_bytes(self) -> int:
        """Count codes (as laid out), codebooks, a rotation, and the copy that re-ranking uses."""
        pq = self.index.pq
        size = self.index.codes.size() + 4 * pq.M * pq.ksub * self._width
        if self._rotation is not None:
            size += self._rotation.nbytes()
        return int(size + (self._reranker.copy_bytes() if self._candidates else 0))
