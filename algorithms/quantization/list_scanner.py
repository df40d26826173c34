"""Searching inverted lists of codes of residuals: layout of the lists, and their scanner."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from harness.contracts import UserError

from .arrays import ALL_ROWS, Bits, Codes, Float32, Float64, Ids, blocks, norms_of
from .encoding import decode
from .faiss_codes import pack
from .partition import Partition
from .quantizer import TrainedCodes, turned
from .reranking import Reranker
from .row_costs import Levels, Origin
from .scanner import best_ids
from .simd import byte_lanes
from .simd.lanes import WIDTH
from .simd.list_scan import search
from .simd.nearest_lists import LISTS_AT_ONCE
from .simd.short_lanes import MOST
from .simd.tables import ROWS, empty_tables

_ROW_COST_BITS = 8


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
    euclidean
        Whether rows are scored by L2, not by their inner product with the query.
    """

    kernel = f"lists {byte_lanes.KIND}"

    def __init__(
        self,
        base: Float32,
        partition: Partition,
        trained: TrainedCodes,
        reranker: Reranker,
        *,
        euclidean: bool,
    ) -> None:
        self._nbits = trained.codebooks.shape[1].bit_length() - 1
        self._transform = trained.transform
        self._reranker = reranker
        self._partition_centres = partition.centres
        self._codebooks = trained.codebooks.astype(np.float32)
        self._spilled = partition.lists.shape[1] > 1
        self._origin = Origin.of(base) if euclidean else None
        row_bits = self._nbits * len(trained.codebooks) + (_ROW_COST_BITS if euclidean else 0)
        self.bits = row_bits * partition.lists.shape[1]
        places = self._lay_out(partition)
        row_costs = self._fill(base, partition, trained, places)
        self._of_lists, self._offsets = self._costs(base, row_costs, places, partition)
        self._centres, self._of_lists[3] = _in_shorts(self._centred())
        self._slopes = np.ascontiguousarray(-self._codebooks.transpose(0, 2, 1))
        self._arrays = (
            self._centres,
            self._mean(),
            self._of_lists,
            self._starts,
            self._sizes,
            self._row_ids,
            self._packed.reshape(-1),
            self._slopes,
            self._offsets,
            np.float32(self._origin.largest_value if self._origin else 0),
            self._spilled,
            reranker.row_bytes,
            reranker.grid,
        )
        self.set_search(1, 0)

    def _centred(self) -> Float32:
        if self._origin is None:
            return self._partition_centres
        return self._partition_centres - self._origin.mean

    def _mean(self) -> Float32:
        """What is taken off queries where it is taken off centres, too, `(d,)`."""
        d = self._partition_centres.shape[1]
        return np.zeros(d, np.float32) if self._origin is None else self._origin.mean

    def _costs(
        self,
        base: Float32,
        row_costs: Float32,
        places: NDArray[np.int64],
        partition: Partition,
    ) -> tuple[Float32, Float32]:
        """Return `of_lists` and `offsets` as `search` takes them, and store rows' own costs."""
        centred, (subspaces, codewords, _) = self._centred(), self._codebooks.shape
        of_lists = np.zeros((4, _filled(len(centred))), np.float32)
        scales, offsets, least, _ = of_lists[:, : len(centred)]
        codes = empty_tables(subspaces, codewords)
        if self._origin is None:
            lengths = np.linalg.norm(centred, axis=1)
            np.divide(self._mean_norms(base, partition), lengths, out=scales, where=lengths > 0)
            scales[lengths == 0] = 1
            return of_lists, codes
        scales[:] = 1
        offsets[:] = self._origin.offsets(centred, np.zeros_like(self._origin.mean))
        codes[: subspaces * codewords] = self._codeword_offsets(self._origin).ravel()
        levels = Levels.of(row_costs.ravel(), partition.lists.ravel(), len(centred))
        least[:] = levels.least
        at = places.ravel()
        self._packed[at // ROWS, -1, at % ROWS] = levels.levels
        return of_lists, np.concatenate([codes, levels.table(self._nbits)])

    def _mean_norms(self, base: Float32, partition: Partition) -> Float64:
        """Return the mean length of the rows in every list, `(nlist,)`; 0 without rows."""
        norms = norms_of(base)
        sums = sum(np.bincount(lists, norms, len(self._sizes)) for lists in partition.lists.T)
        return np.asarray(sums / np.maximum(self._sizes, 1))

    def _codeword_offsets(self, origin: Origin) -> Float32:
        """Return |w|^2 / 2 + <m, w> of every codeword, `(M, K)`, divided by the largest value."""
        mean = turned(origin.mean[None], self._transform).reshape(len(self._codebooks), -1)
        parts = [origin.offsets(*each) for each in zip(self._codebooks, mean, strict=True)]
        return np.stack(parts)

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
    ) -> Float32:
        """Write the codes; return rows' own costs as `places`, of no rows for inner products."""
        planes = -(-len(trained.codebooks) * self._nbits // 8)
        with_costs = planes + (self._origin is not None)
        self._packed = np.zeros((self._starts[-1], with_costs, ROWS), np.uint8)
        row_costs = np.empty(places.shape if self._origin else (0, 0), np.float32)
        for rows in blocks(len(base)):
            for copy in range(places.shape[1]):
                residuals = partition.residuals(base[rows], rows, copy)
                codes = trained.codes(residuals, rows, base[rows])
                at = places[rows, copy]
                self._packed[at // ROWS, :planes, at % ROWS] = pack(codes, self._nbits)
                if self._origin:
                    centres = partition.centres[partition.lists[rows, copy]]
                    codewords = decode(codes, self._codebooks)
                    row_costs[rows, copy] = self._origin.row_costs(
                        centres, residuals, self._turned_back(codewords), codewords
                    )
        return row_costs

    def _turned_back(self, codewords: NDArray[np.floating]) -> NDArray[np.floating]:
        return codewords if self._transform is None else self._transform.undo(codewords)

    def set_search(self, nprobe: int, rerank: int) -> None:
        """Visit `nprobe` lists and re-rank the best `rerank` of what they hold; 0 is none."""
        if not nprobe >= 1 or nprobe % 1:
            raise UserError(
                "the number of lists to visit is out of range",
                where="search parameter nprobe",
                expected="a whole number of at least 1",
                got=str(nprobe),
            )
        self._nprobe = min(int(nprobe), len(self._sizes))
        self._rerank = int(rerank)

    def search(self, queries: Float32, k: int, matching: Bits = ALL_ROWS) -> Ids:
        """Return the ids of the best k rows that match, `(nq, k)` int64, padded with -1."""
        return best_ids(queries, k, partial(self._search, matching))

    def _search(self, matching: Bits, queries: Float32, ids: Ids) -> None:
        queries = turned(queries, None)  # compiled for one type
        coded = queries if self._transform is None else self._transform.apply(queries)
        search(*self._arrays, queries, coded, self._nprobe, self._rerank, matching, ids)

    def reconstruct(self, ids: Ids) -> Float32:
        """Return the vectors that the codes of these rows stand for, `(*ids.shape, d)`.

        Of a row in two lists, those of the one that lies first.
        """
        entries = np.flatnonzero(self._row_ids >= 0)[::-1]
        places = np.empty(int(self._row_ids.max()) + 1, np.int64)
        places[self._row_ids[entries]] = entries
        places = places[ids.ravel()]
        residuals = self._turned_back(decode(self._codes_at(places), self._codebooks))
        lists = np.searchsorted(self._starts, places // ROWS, side="right") - 1
        return np.asarray(residuals + self._partition_centres[lists]).reshape(*ids.shape, -1)

    def _codes_at(self, places: NDArray[np.int64]) -> Codes:
        codes = self._packed[places // ROWS, :, places % ROWS]
        if self._nbits == 4:
            codes = np.stack([codes & 15, codes >> 4], axis=2).reshape(len(places), -1)
        return codes[:, : len(self._codebooks)]

    def distance_computations(self, queries: Float32, k: int) -> int:
        """Count the entries of the lists that are visited, and the candidates re-ranked.

        Nearly: lists are chosen by costs of which nothing is rounded.
        """
        scales, offsets, _, _ = self._of_lists[:, : len(self._sizes)]
        largest = np.float32(self._origin.largest_value if self._origin else 0)
        keys = (offsets * largest - (queries - self._mean()) @ self._centred().T) * scales
        visited = np.argpartition(keys, self._nprobe - 1, axis=1)[:, : self._nprobe]
        entries = self._sizes[visited].sum(axis=1)
        if self._rerank:
            wanted = max(self._rerank, 2 * k if self._spilled else k)
            entries = entries + np.minimum(entries, wanted)
        return int(entries.sum())

    def index_bytes(self) -> int:
        """Count codes and ids as laid out, centres, codebooks, a rotation, and the copy if used.

        Of centres the int16 ones: the float32 ones serve `reconstruct` alone.
        """
        parts = (
            self._packed,
            self._row_ids,
            self._starts,
            self._sizes,
            self._centres,
            self._codebooks,
            self._of_lists[:, : len(self._sizes)],
        )
        size = sum(part.nbytes for part in parts)
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


def _filled(lists: int) -> int:
    """Return how many lists there are when the last groups are filled up."""
    return -(-lists // (LISTS_AT_ONCE * WIDTH)) * LISTS_AT_ONCE * WIDTH


def _in_shorts(centres: Float32) -> tuple[NDArray[np.int16], Float32]:
    """Return int16 `(groups, pairs of dimensions, 16, 2)`, filled up with zeros, and their steps.

    Each centre is scaled to a length of `MOST`, of which its step is what a unit stands for.
    """
    lists, d = centres.shape
    exact = centres.astype(np.float64)
    lengths = np.linalg.norm(exact, axis=1)
    steps = np.zeros(_filled(lists), np.float32)
    steps[:lists] = lengths / MOST
    shorts = np.zeros((len(steps), d + d % 2), np.int16)
    shorts[:lists, :d] = np.rint(exact * (MOST / np.where(lengths > 0, lengths, 1))[:, None])
    lanes = shorts.reshape(-1, WIDTH, shorts.shape[1] // 2, 2)
    return np.ascontiguousarray(lanes.transpose(0, 2, 1, 3)), steps
