"""Re-ranking: a better order of a few candidates, from copies of the vectors themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.contracts import Metric, UserError

from .arrays import Float32, Ids, blocks
from .parameters import CopyKind
from .simd.candidates import rerank_batch, rerank_one


class Reranker:
    """Holds a copy of the vectors.

    - `float32`: the rows themselves, referred to where they are mapped. A deployed index needs
      them all the same, so `copy_bytes` counts them.
    - `float16`: rounded to 11 bits, in units of a power of two that no value reaches.
    - `uint8`: 256 even steps between the least and the greatest value of every dimension.

    Scores are taken in the steps of the copy: the query is brought to them once, not every
    candidate back.
    """

    def __init__(self, base: Float32, metric: Metric, kind: CopyKind = "float32") -> None:
        self._euclidean = metric == "euclidean"
        d = base.shape[1]
        self._low, self._step = np.zeros(d, np.float32), np.ones(d, np.float32)
        self._copy: NDArray[Any] = base
        if kind == "uint8":
            self._copy = self._stepped(base)
        elif kind == "float16":
            self._copy = self._halved(base)
        elif kind != "float32":
            raise UserError(
                "unknown kind of copy for re-ranking",
                where="build parameter rerank_copy",
                expected="float32, float16 or uint8",
                got=repr(kind),
            )
        self._weights = self._step**2
        self._bytes = self._copy.view(np.uint8)
        self._bytes.flags.writeable = False  # compiled for one type, whatever the copy is

    def _stepped(self, base: Float32) -> NDArray[np.uint8]:
        self._low = base.min(axis=0)
        span = base.max(axis=0) - self._low
        self._step = np.where(span > 0, span / 255, 1).astype(np.float32)
        copy = np.empty(base.shape, np.uint8)
        for rows in blocks(len(base)):
            copy[rows] = np.rint((base[rows] - self._low) / self._step)
        return copy

    def _halved(self, base: Float32) -> NDArray[np.float16]:
        largest = max(base.max(), -base.min())
        self._step[:] = 2.0 ** np.frexp(largest)[1]
        copy = np.empty(base.shape, np.float16)
        for rows in blocks(len(base)):
            copy[rows] = base[rows] / self._step
        return copy

    def best(self, queries: Float32, ids: Ids, k: int) -> Ids:
        """Return the best k of the candidates `(nq, candidates)`: `(nq, k)`, padded with -1."""
        queries = self._in_steps(queries)
        best = np.full((len(queries), k), -1, np.int64)
        if len(queries) == 1:  # one query at a time starts no threads
            rerank_one(self._bytes, queries[0], self._weights, ids[0], self._euclidean, best[0])
        else:
            rerank_batch(self._bytes, queries, self._weights, ids, self._euclidean, best)
        return best

    def _in_steps(self, queries: Float32) -> Float32:
        if self._euclidean:
            return (queries - self._low) / self._step
        return queries * self._step

    @property
    def row_bytes(self) -> NDArray[np.uint8]:
        """The copy `(n, bytes of a row)`: a row is float32, uint8 or float16."""
        return self._bytes

    @property
    def grid(self) -> Float32:
        """What a step of the copy is in every dimension, and where steps begin, `(2, d)`."""
        return np.stack([self._step, self._low])

    def copy_bytes(self) -> int:
        """Bytes of the copy."""
        scales = 8 * len(self._step) if self._copy.dtype == np.uint8 else 0
        return int(self._copy.nbytes + scales)
