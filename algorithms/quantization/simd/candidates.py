"""The compiled loops of re-ranking: scores of a few candidates by copies of their vectors."""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from .compiling import ANY_ORDER
from .lanes import widened


@njit(cache=True, fastmath=ANY_ORDER, nogil=True)
def _scores_by(copy, query, weights, ids, euclidean):
    """Score the candidates, higher is better; missing ones (-1) come last.

    In the precision of the query.
    """
    scores = np.empty(ids.shape[0], query.dtype)
    for place in range(ids.shape[0]):
        if ids[place] < 0:
            scores[place] = -np.inf
            continue
        score = query.dtype.type(0)
        if euclidean:
            for j in range(query.shape[0]):
                difference = query[j] - widened(copy[ids[place], j])
                score -= weights[j] * difference * difference
        else:
            for j in range(query.shape[0]):
                score += query[j] * widened(copy[ids[place], j])
        scores[place] = score
    return scores


@njit(cache=True, nogil=True)
def _scores_of(copy, query, weights, ids, euclidean):
    """As `_scores_by`, where `copy` holds the bytes of rows: of float32, uint8 or float16.

    What calls this is compiled once, not for every type of copy.
    """
    itemsize = copy.shape[1] // query.shape[0]
    if itemsize == 1:
        return _scores_by(copy, query, weights, ids, euclidean)
    if itemsize == 2:  # numba has no float16: its bits
        return _scores_by(copy.view(np.uint16), query, weights, ids, euclidean)
    return _scores_by(copy.view(np.float32), query, weights, ids, euclidean)


@njit(cache=True, nogil=True)
def _are_finite(scores, ids):
    """Whether float32 was wide enough for the scores of all candidates that are there."""
    for place in range(ids.shape[0]):
        if ids[place] >= 0 and not np.isfinite(scores[place]):
            return False
    return True


@njit(cache=True, nogil=True)
def take_best(scores, ids, best):
    """Write the ids of the highest scores to `best`, highest first, equal ones in their order.

    Most candidates are none of the best, so insertion is faster than sorting all, up to several
    hundred of the best, and numba compiles it sooner.
    """
    kept = np.empty(best.shape[0], scores.dtype)
    count = 0
    for place in range(ids.shape[0]):
        score = scores[place] if scores[place] == scores[place] else -np.inf  # NaN comes last
        if count < best.shape[0]:
            count += 1
        elif not score > kept[count - 1]:
            continue
        spot = count - 1
        while spot > 0 and kept[spot - 1] < score:
            kept[spot] = kept[spot - 1]
            best[spot] = best[spot - 1]
            spot -= 1
        kept[spot] = score
        best[spot] = ids[place]


@njit(cache=True, nogil=True)
def rerank_one(copy, query, weights, ids, euclidean, best):
    """Write the best of the candidates `ids` to `best` `(k,)`, best first.

    `copy` `(n, bytes of a row)` is uint8, read-only: a row is float32, uint8 or float16.
    """
    scores = _scores_of(copy, query, weights, ids, euclidean)
    if _are_finite(scores, ids):
        take_best(scores, ids, best)
    else:
        exact = _scores_of(
            copy, query.astype(np.float64), weights.astype(np.float64), ids, euclidean
        )
        take_best(exact, ids, best)


@njit(cache=True, parallel=True, nogil=True)
def rerank_batch(copy, queries, weights, ids, euclidean, best):
    """As `rerank_one`, for every query."""
    for i in prange(queries.shape[0]):
        rerank_one(copy, queries[i], weights, ids[i], euclidean, best[i])
