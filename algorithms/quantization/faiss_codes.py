"""Codes as FAISS keeps them: an `IndexPQ` with codebooks and codes that come from elsewhere."""

from __future__ import annotations

import faiss
import numpy as np
from numpy.typing import NDArray

from harness.contracts import Metric

from .arrays import Codes, Float32, blocks


def faiss_metric(metric: Metric) -> int:
    """Angular rows are unit-norm, so their order is that of the inner product."""
    return int(faiss.METRIC_L2 if metric == "euclidean" else faiss.METRIC_INNER_PRODUCT)


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


def codebooks_of(index: faiss.IndexPQ) -> Float32:
    """Return the codebooks `(M, K, d/M)`."""
    pq = index.pq
    return np.asarray(faiss.vector_to_array(pq.centroids).reshape(pq.M, pq.ksub, pq.dsub))


def packed_codes_of(index: faiss.IndexPQ) -> Codes:
    """Return the codes as `pack` makes them, `(n, ceil(M nbits / 8))`."""
    return np.asarray(faiss.vector_to_array(index.codes).reshape(index.ntotal, -1))


def widened(index: faiss.IndexPQ) -> faiss.IndexPQ:
    """Return the same codes over subspaces one dimension wider, where all that is added is 0."""
    wider = empty_index(np.pad(codebooks_of(index), ((0, 0), (0, 0), (0, 1))), "angular")
    wider.metric_type = index.metric_type
    faiss.copy_array_to_vector(faiss.vector_to_array(index.codes), wider.codes)
    wider.ntotal = index.ntotal
    return wider
