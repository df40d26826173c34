"""How the recall of a point is spread over the single queries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_MOST_STEPS = 10
_MOST_NAMED = 3


@dataclass(frozen=True)
class RecallOfQueries:
    """The numbers of queries by their recall.

    `counts[i]` are the queries of recall from `i / steps` to below `(i + 1) / steps`; the last are
    those of recall 1. `lowest` is the least recall, `worst` are the numbers of the first queries
    that have it, from 0.
    """

    counts: tuple[int, ...]
    lowest: float
    worst: tuple[int, ...]

    @property
    def steps(self) -> int:
        """Into how many steps recalls are divided."""
        return len(self.counts) - 1


def recall_of_queries(query_recall: NDArray[np.float64], k: int) -> RecallOfQueries:
    """Return how recall is spread: in k steps, at most ten.

    Parameters
    ----------
    query_recall
        `(nq,)` recall@k of each query, as the mean over the builds; not empty.
    k
        The number of neighbours asked for.
    """
    steps = min(k, _MOST_STEPS)
    # A share such as .3 times ten may lie just below 3.
    numbers = np.clip(np.floor(query_recall * steps + 1e-9), 0, steps).astype(np.intp)
    lowest = float(query_recall.min())
    worst = np.flatnonzero(query_recall == lowest)[:_MOST_NAMED]
    counts = np.bincount(numbers, minlength=steps + 1)
    return RecallOfQueries(tuple(counts.tolist()), lowest, tuple(worst.tolist()))
