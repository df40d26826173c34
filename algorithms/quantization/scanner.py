"""Searching codes: one scanner for every quantizer of this folder.

Only codebooks and codes differ between the quantizers, so that curves differ by them alone. Codes
are scanned by the kernels of `bounded_scan` or by FAISS's.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Protocol

import faiss
import numba
import numpy as np

from harness.contracts import UserError

from .arrays import ALL_ROWS, Bits, Codes, Float32, Ids
from .faiss_codes import codebooks_of, empty_index, packed_codes_of, widened
from .parameters import COARSE_BITS, ScanKind
from .quantizer import CoarseCodes, Quantized
from .reranking import Reranker
from .simd import byte_lanes
from .simd.bounded_scan import scan
from .simd.tables import GROUP

_FRAGILE_WIDTH, _LEAST_CODEWORDS = 2, 8
_MANY_ROWS, _FEW_SUBSPACES = {4: 100_000, 8: 5_000}, 64  # by bits of a code


def _needs_widening(index: faiss.IndexPQ) -> bool:
    """Whether FAISS's own scan cannot be had at this width.

    FAISS 1.15.1 refuses look-up tables of fewer than 8 codewords in subspaces of 2 dimensions (a
    kernel of its own asserts `ksub % 8 == 0`); with 3 dimensions it goes another way.
    """
    return bool(index.pq.dsub == _FRAGILE_WIDTH and index.pq.ksub < _LEAST_CODEWORDS)


class Scan(Protocol):
    """Holds the codes and finds the rows that score best by them; `kernel` says what scans."""

    kernel: str

    def search(self, queries: Float32, k: int) -> Ids:
        """Return the ids of the best k, `(nq, k)` int64, padded with -1."""
        ...

    def decode(self, ids: Ids) -> Float32:
        """Return the vectors that the codes of these rows `(rows,)` stand for, `(rows, d)`."""
        ...

    def nbytes(self) -> int:
        """Return the bytes of codes (as laid out) and codebooks."""
        ...


class FaissScan:
    """FAISS's scan of a filled `IndexPQ`.

    4-bit codes are laid out anew for the SIMD scan ("fast scan", 8-bit look-up tables), and the
    flat codes are let go; other sizes are scanned with float tables as they are.
    """

    kernel = "faiss"

    def __init__(self, index: faiss.IndexPQ) -> None:
        self._width = index.pq.dsub
        self._is_widened = _needs_widening(index)
        if self._is_widened:
            index = widened(index)
        self._index = faiss.IndexPQFastScan(index) if index.pq.nbits == 4 else index

    def search(self, queries: Float32, k: int) -> Ids:
        """Return the ids of the best k, `(nq, k)` int64, padded with -1."""
        if self._is_widened:
            parts = queries.reshape(len(queries), -1, self._width)
            queries = np.pad(parts, ((0, 0), (0, 0), (0, 1))).reshape(len(queries), -1)
        ids = np.asarray(self._index.search(queries, k)[1])
        if ids[0, 0] < 0 or (len(ids) > 1 and ids[:, 0].min() < 0):
            # The 8-bit tables of fast scan have no scale where all scores are equal, as for a zero
            # query, and nothing comes back: there, any rows are as good as others.
            found = min(k, self._index.ntotal)
            ids[ids[:, 0] < 0, :found] = np.arange(found)
        return ids

    def decode(self, ids: Ids) -> Float32:
        """Return the vectors that the codes of these rows `(rows,)` stand for, `(rows, d)`."""
        vectors = np.asarray(self._index.reconstruct_batch(ids))
        if not self._is_widened:
            return vectors
        parts = np.ascontiguousarray(vectors.reshape(len(ids), -1, self._width + 1)[:, :, :-1])
        return parts.reshape(len(ids), -1)

    def nbytes(self) -> int:
        """Return the bytes of codes (as laid out) and codebooks."""
        pq = self._index.pq
        return int(self._index.codes.size() + 4 * pq.M * pq.ksub * self._width)


def best_ids(queries: Float32, k: int, search: Callable[[Float32, Ids], None]) -> Ids:
    """Return the ids `(nq, k)` int64 that `search` writes for queries, shared among the threads."""
    ids = np.empty((len(queries), k), np.int64)
    threads = 1 if len(queries) == 1 else min(numba.get_num_threads(), len(queries))
    if threads <= 1:
        search(queries, ids)
    else:
        with ThreadPoolExecutor(threads) as pool:
            parts = np.array_split(queries, threads), np.array_split(ids, threads)
            list(pool.map(search, *parts))
    return ids


class BoundedScan:
    """Our own scan of codes (see `bounded_scan`): float scores, most rows dropped early."""

    kernel = f"bounded {byte_lanes.KIND}"

    def __init__(self, index: faiss.IndexPQ, coarse: CoarseCodes | None = None) -> None:
        if index.pq.nbits not in byte_lanes.CODE_BITS:
            self.kernel = "float tables"
        self._rows = index.ntotal
        self._packed = _groups_of(index, coarse)
        self._flat = self._packed.reshape(-1)
        self._decoder = empty_index(codebooks_of(index), "angular")
        self._centres = None if coarse is None else coarse.centres
        self._euclidean = index.metric_type == faiss.METRIC_L2
        codebooks = codebooks_of(index)
        # Far from zero, offsets and inner products would cancel but for their rounding.
        means = codebooks.mean(axis=1, keepdims=True) * np.float32(self._euclidean)
        self._shift = means.ravel()
        self._slopes, self._offsets = _costs_of(codebooks - means, self._euclidean)
        self._wide_slopes = _wide_slopes_of(self._slopes, self._centres)
        self._offsets = np.pad(self._offsets, (0, self._wide_slopes[:, 0].size))

    def search(self, queries: Float32, k: int) -> Ids:
        """Return the ids of the best k, `(nq, k)` int64, padded with -1."""
        return self.search_matching(queries, k, ALL_ROWS)

    def search_matching(self, queries: Float32, k: int, matching: Bits) -> Ids:
        """Return the ids of the best k rows that are set in a bitmap; else as `search`."""
        if self._euclidean:
            queries = queries - self._shift
        elif not queries.flags.writeable:  # compiled for one type
            queries = queries.copy()
        return best_ids(queries, k, partial(self._scan, matching))

    def _scan(self, matching: Bits, queries: Float32, ids: Ids) -> None:
        codes = self._flat, self._rows, self._slopes, self._wide_slopes, self._offsets
        scan(*codes, self._euclidean, queries, matching, ids)

    def decode(self, ids: Ids) -> Float32:
        """Return the vectors that the codes of these rows `(rows,)` stand for, `(rows, d)`."""
        codes = self._packed[ids // GROUP, :, ids % GROUP]
        size = self._decoder.sa_code_size()
        vectors = np.asarray(self._decoder.sa_decode(np.ascontiguousarray(codes[:, :size])))
        return vectors if self._centres is None else vectors + self._centres[codes[:, size]]

    def nbytes(self) -> int:
        """Return the bytes of codes (as laid out) and codebooks."""
        # The offsets follow from these.
        return self._packed.nbytes + self._slopes.nbytes + self._wide_slopes.nbytes


def scan_of(index: faiss.IndexPQ, kind: ScanKind, coarse: CoarseCodes | None = None) -> Scan:
    """Choose the scan: ours is for the codes that the processor looks up, FAISS's for the rest.

    These are 4-bit codes on processors with AVX2, and 8-bit codes with AVX-512 VBMI. `auto` takes
    ours from 100,000 rows on, or 5,000 of 8-bit codes, which FAISS scans by float tables; and for
    up to 64 subspaces. Of few rows, the best k are too large a part for a bound to drop the others
    early; with many subspaces, rounding makes the bound too loose for that. Coarse codes have ours
    alone; without AVX-512 VBMI it scores every row by float tables.
    """
    if kind not in ("auto", "bounded", "faiss"):
        raise UserError(
            "unknown scan",
            where="build parameter scan",
            expected="auto, bounded or faiss",
            got=repr(kind),
        )
    if coarse is not None:
        return BoundedScan(index, coarse)
    nbits, M = index.pq.nbits, index.pq.M
    if nbits not in byte_lanes.CODE_BITS:
        return FaissScan(index)
    quick = index.ntotal >= _MANY_ROWS[nbits] and M <= _FEW_SUBSPACES
    return (
        BoundedScan(index) if kind == "bounded" or (kind == "auto" and quick) else FaissScan(index)
    )


def require_coarse_scan(kind: ScanKind) -> None:
    """Refuse coarse codes where nothing can scan them."""
    if kind == "faiss":
        raise UserError(
            "FAISS's scan knows no coarse codes",
            where="build parameter scan",
            expected="auto or bounded",
            got="faiss",
        )
    if byte_lanes.KIND is None:
        raise UserError(
            "this processor cannot scan coarse codes",
            where="build parameter coarse",
            expected="a processor with AVX2",
            got="one without",
            hint="use coarse: false",
        )


def _groups_of(index: faiss.IndexPQ, coarse: CoarseCodes | None = None) -> Codes:
    """Return codes by groups of rows, as `scan` reads them: FAISS's flat ones, then coarse ones."""
    flat = packed_codes_of(index)
    if coarse is not None:
        flat = np.column_stack([flat, coarse.codes])
    groups = np.zeros((-(-len(flat) // GROUP), GROUP, flat.shape[1]), np.uint8)
    groups.reshape(-1, flat.shape[1])[: len(flat)] = flat
    return np.ascontiguousarray(groups.transpose(0, 2, 1))


def _costs_of(codebooks: Float32, euclidean: bool) -> tuple[Float32, Float32]:
    """Return slopes `(M, d/M, K)` and offsets `(M K,)`: less is better, as a line in the query."""
    offsets = np.zeros(codebooks.shape[:2], np.float32)
    if euclidean:  # (|q - c|^2 - |q|^2) / 2
        with np.errstate(over="ignore", under="ignore"):  # the scan notices, and computes them anew
            offsets = (codebooks**2).sum(axis=2) / 2
    return np.ascontiguousarray(-codebooks.transpose(0, 2, 1)), offsets.ravel()


def _wide_slopes_of(slopes: Float32, centres: Float32 | None) -> Float32:
    """Return slopes `(1, d, 256)` of the coarse codes; `(0, 1, K)` if there are none."""
    if centres is None:
        return np.empty((0, 1, slopes.shape[2]), np.float32)
    return np.ascontiguousarray(-centres.T[None])


class Scanner:
    """Scans all codes, then re-ranks the best by their vectors if asked."""

    def __init__(self, quantized: Quantized, reranker: Reranker, scan: ScanKind) -> None:
        index = quantized.index
        self.bits = int(index.pq.M * index.pq.nbits) + (COARSE_BITS if quantized.coarse else 0)
        self._rows = index.ntotal
        self._scan = scan_of(index, scan, quantized.coarse)
        self.kernel = self._scan.kernel
        self._reranker = reranker
        self._transform = quantized.transform
        self._candidates = 0

    def set_search(self, rerank: int) -> None:
        """Re-rank the best `rerank` candidates from now on; 0 is none."""
        self._candidates = rerank

    def search(self, queries: Float32, k: int, matching: Bits = ALL_ROWS) -> Ids:
        """Return the ids of the best k rows that match, `(nq, k)` int64, padded with -1."""
        turned = queries if self._transform is None else self._transform.apply(queries)
        if not self._candidates:
            return self._scanned(turned, k, matching)
        candidates = min(max(self._candidates, k), self._rows)
        return self._reranker.best(queries, self._scanned(turned, candidates, matching), k)

    def _scanned(self, queries: Float32, k: int, matching: Bits) -> Ids:
        if matching is ALL_ROWS:
            return self._scan.search(queries, k)
        if not isinstance(self._scan, BoundedScan):
            raise UserError(
                "FAISS's scan of these codes takes no filter",
                where="build parameter scan",
                expected="scan: bounded; nbits: 4 and a processor with AVX2, or 8 and AVX-512 VBMI",
            )
        return self._scan.search_matching(queries, k, matching)

    def reconstruct(self, ids: Ids) -> Float32:
        """Return the vectors that the codes of these rows stand for, `(*ids.shape, d)`."""
        vectors = self._scan.decode(ids.ravel())
        if self._transform is not None:
            vectors = self._transform.undo(vectors)
        return vectors.reshape(*ids.shape, -1)

    def distance_computations(self, queries: Float32, k: int) -> int:
        """Count all codes, and the candidates that are re-ranked, for every query."""
        candidates = min(max(self._candidates, k), self._rows) if self._candidates else 0
        return int(len(queries) * (self._rows + candidates))

    def index_bytes(self) -> int:
        """Count codes (as laid out), codebooks, a rotation, and the copy that re-ranking uses."""
        size = self._scan.nbytes()
        if self._transform is not None:
            size += self._transform.nbytes()
        return int(size + (self._reranker.copy_bytes() if self._candidates else 0))
