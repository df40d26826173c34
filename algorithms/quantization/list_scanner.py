"""Searching inverted lists of codes of residuals: layout of the lists, and their scanner."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from harness.contracts import UserError

from .arrays import ALL_ROWS, Bits, Codes, Float32, Ids, blocks
from .encoding import decode
from .faiss_codes import pack
from .partition import Partition
from .quantizer import TrainedCodes, turned
from .reranking import Reranker
from .scanner import best_ids
from .simd import byte_lanes
from .simd.bounded_scan import ROWS
from .simd.lanes import WIDTH
from .simd.list_scan import search_one

_GROUPS = 4  # of lists, whose scores are summed at once


class ListScanner:
    """Holds the lists, visits the best of them for a query and re-ranks what they give.

    Parameters
    ----------
    base
        `(n, d)`.
    partition
        The lists of its rows.
    trained
        Codebooks for the residuals, of a size that `require_scannable` allows.
    reranker
        Holds the copy that re-ranking reads.
    """

    kernel = f"lists {byte_lanes.KIND}"

    def __init__(
        self, base: Float32, partition: Partition, trained: TrainedCodes, reranker: Reranker
    ) -> None:
        self._nbits = trained.codebooks.shape[1].bit_length() - 1
        self.bits = self._nbits * len(trained.codebooks) * partition.lists.shape[1]
        self._transform = trained.transform
        self._reranker = reranker
        self._partition_centres = partition.centres
        self._codebooks = trained.codebooks.astype(np.float32)
        self._spilled = partition.lists.shape[1] > 1
        places = self._lay_out(partition)
        self._fill(base, partition, trained, places)
        lengths = np.linalg.norm(partition.centres, axis=1)
        self._scales = np.divide(1, lengths, out=np.ones_like(lengths), where=lengths > 0)
        self._centres = _in_lanes(partition.centres)
        self._slopes = np.ascontiguousarray(-self._codebooks.transpose(0, 2, 1))
        self._offsets = np.zeros(self._codebooks.shape[0] * self._codebooks.shape[1], np.float32)
        self._arrays = (
            self._centres,
            self._scales,
            self._starts,
            self._sizes,
            self._row_ids,
            self._packed.reshape(-1),
            self._slopes,
            self._offsets,
            self._spilled,
            reranker.copy,
            reranker.steps,
        )
        self.set_search(1, 0)

    def _lay_out(self, partition: Partition) -> NDArray[np.int64]:
        """Give every list whole blocks; return the place of every entry, `(n, lists of a row)`."""
        entries = partition.lists.ravel()
        self._sizes = sizes = np.bincount(entries, minlength=len(partition.centres))
        self._starts = np.concatenate([[0], np.cumsum(-(-sizes // ROWS))])
        order = np.argsort(entries, kind="stable")
        within = np.arange(len(entries)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        places = np.empty(len(entries), np.int64)
        places[order] = self._starts[entries[order]] * ROWS + within
        self._row_ids = np.full(self._starts[-1] * ROWS, -1, np.int32)
        by_row = places.reshape(partition.lists.shape)
        self._row_ids[by_row] = np.arange(len(by_row))[:, None]
        return by_row

    def _fill(
        self,
        base: Float32,
        partition: Partition,
        trained: TrainedCodes,
        places: NDArray[np.int64],
    ) -> None:
        planes = -(-len(trained.codebooks) * self._nbits // 8)
        blocks_read = self._starts[-1] + 1  # blocks are read two at once, so one past the last
        self._packed = np.zeros((blocks_read, planes, ROWS), np.uint8)
        for rows in blocks(len(base)):
            for copy in range(places.shape[1]):
                residuals = partition.residuals(base[rows], rows, copy)
                codes = trained.codes(residuals, rows, base[rows])
                at = places[rows, copy]
                self._packed[at // ROWS, :, at % ROWS] = pack(codes, self._nbits)

    def set_search(self, nprobe: int, rerank: int) -> None:
        """Visit `nprobe` lists and re-rank the best `rerank` of what they hold; 0 is none."""
        if not nprobe >= 1 or nprobe % 1:
            raise UserError(
                "the number of lists to visit is out of range",
                where="search parameter nprobe",
                expected="a whole number of at least 1",
                got=str(nprobe),
            )
        self._nprobe = min(int(nprobe), len(self._scales))
        self._rerank = int(rerank)

    def search(self, queries: Float32, k: int, matching: Bits = ALL_ROWS) -> Ids:
        """Return the ids of the best k rows that match, `(nq, k)` int64, padded with -1."""
        return best_ids(queries, k, partial(self._search, matching))

    def _search(self, matching: Bits, queries: Float32, ids: Ids) -> None:
        queries = turned(queries, None)  # compiled for one type
        coded = queries if self._transform is None else self._transform.apply(queries)
        for query, codes_query, best in zip(queries, coded, ids, strict=True):
            search_one(
                *self._arrays, query, codes_query, self._nprobe, self._rerank, matching, best
            )

    def reconstruct(self, ids: Ids) -> Float32:
        """Return the vectors that the codes of these rows stand for, `(*ids.shape, d)`.

        Of a row in two lists, those of the one that lies first.
        """
        entries = np.flatnonzero(self._row_ids >= 0)[::-1]
        places = np.empty(int(self._row_ids.max()) + 1, np.int64)
        places[self._row_ids[entries]] = entries
        places = places[ids.ravel()]
        residuals = decode(self._codes_at(places), self._codebooks)
        if self._transform is not None:
            residuals = self._transform.undo(residuals)
        lists = np.searchsorted(self._starts, places // ROWS, side="right") - 1
        return np.asarray(residuals + self._partition_centres[lists]).reshape(*ids.shape, -1)

    def _codes_at(self, places: NDArray[np.int64]) -> Codes:
        packed = self._packed[places // ROWS, :, places % ROWS]
        if self._nbits == 8:
            return packed
        codes = np.stack([packed & 15, packed >> 4], axis=2).reshape(len(places), -1)
        return codes[:, : len(self._codebooks)]

    def distance_computations(self, queries: Float32, k: int) -> int:
        """Count the entries of the lists that are visited, and the candidates re-ranked."""
        keys = -(queries @ self._partition_centres.T) * self._scales
        visited = np.argpartition(keys, self._nprobe - 1, axis=1)[:, : self._nprobe]
        entries = self._sizes[visited].sum(axis=1)
        if self._rerank:
            wanted = max(self._rerank, 2 * k if self._spilled else k)
            entries = entries + np.minimum(entries, wanted)
        return int(entries.sum())

    def index_bytes(self) -> int:
        """Count codes and ids as laid out, centres, codebooks, a rotation, and the copy if used."""
        parts = (
            self._packed,
            self._row_ids,
            self._starts,
            self._sizes,
            self._centres,
            self._codebooks,
        )
        size = sum(part.nbytes for part in (*parts, self._scales))
        if self._transform is not None:
            size += self._transform.nbytes()
        return int(size + (self._reranker.copy_bytes() if self._rerank else 0))


def require_scannable(nbits: int) -> None:
    """Refuse codes of a size that this processor cannot look up."""
    if nbits not in (4, 8):
        raise UserError(
            "lists cannot hold codes of this size",
            where="build parameter nbits",
            expected="4 or 8",
            got=str(nbits),
        )
    if nbits not in byte_lanes.CODE_BITS:
        needed = {4: "AVX2", 8: "AVX-512 VBMI"}[nbits]
        raise UserError(
            f"this processor cannot scan lists of {nbits}-bit codes",
            where="build parameter nbits",
            expected=f"a processor with {needed}",
            got="one without",
            hint="use nbits: 4" if byte_lanes.KIND else "use anisotropic-pq",
        )


def _in_lanes(centres: Float32) -> Float32:
    """Return `(groups, d, 16)`, groups a multiple of 4, filled up with zeros."""
    lists, d = centres.shape
    filled = -(-lists // (_GROUPS * WIDTH)) * _GROUPS * WIDTH
    padded = np.zeros((filled, d), np.float32)
    padded[:lists] = centres
    return np.ascontiguousarray(padded.reshape(-1, WIDTH, d).transpose(0, 2, 1))
