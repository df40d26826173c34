"""Re-ranking: the exact order of a few candidates, from the vectors themselves."""

from __future__ import annotations

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from harness.contracts import Metric

from .encoding import Float32

Ids = NDArray[np.int64]


@njit(cache=True, fastmath={"reassoc", "contract", "nsz"}, nogil=True)
def _scores(base, query, ids, euclidean):
    """Score the candidates, higher is better; missing ones (-1) come last."""
    scores = np.empty(ids.shape[0], np.float32)
    for place in range(ids.shape[0]):
        if ids[place] < 0:
            scores[place] = -np.inf
            continue
        score = np.float32(0.0)
        if euclidean:
            for j in range(query.shape[0]):
                difference = query[j] - base[ids[place], j]
                score -= difference * difference
        else:
            for j in range(query.shape[0]):
                score += query[j] * base[ids[place], j]
        scores[place] = score
    return scores


@njit(cache=True, parallel=True, nogil=True)
def _rerank_batch(base, queries, ids, euclidean, best):
    for i in prange(queries.shape[0]):
        order = np.argsort(-_scores(base, queries[i], ids[i], euclidean))
        for place in range(min(best.shape[1], order.shape[0])):
            best[i, place] = ids[i, order[place]]


@njit(cache=True, nogil=True)
def _rerank_one(base, query, ids, euclidean, best):
    order = np.argsort(-_scores(base, query, ids, euclidean))
    for place in range(min(best.shape[0], order.shape[0])):
        best[place] = ids[order[place]]


class Reranker:
    """Holds the vectors: float32 rows, referred to where they are mapped, not copied.

    A deployed index needs them all the same, so `copy_bytes` counts them.
    """

    def __init__(self, base: Float32, metric: Metric) -> None:
        self._base = base
        self._euclidean = metric == "euclidean"

    def best(self, queries: Float32, ids: Ids, k: int) -> Ids:
        """Return the best k of the candidates `(nq, candidates)`: `(nq, k)`, padded with -1."""
        best = np.full((len(queries), k), -1, np.int64)
        if len(queries) == 1:  # one query at a time starts no threads
            _rerank_one(self._base, queries[0], ids[0], self._euclidean, best[0])
        else:
            _rerank_batch(self._base, queries, ids, self._euclidean, best)
        return best

    def copy_bytes(self) -> int:
        """Bytes of the vectors."""
        return int(self._base.nbytes)
