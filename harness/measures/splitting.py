"""Choose on one half of the queries, report on the other.

The fastest of many settings that reach a recall is partly the luckiest: chosen and reported on the
same queries, its recall is too high on average. The harness chooses on the tuning half and prints
how much was optimism.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
_SEED = 52_489


class Split(NamedTuple):
    """Row numbers of the two halves, ascending, disjoint, together all queries."""

    tuning: NDArray[np.intp]
    reporting: NDArray[np.intp]


class Choice(NamedTuple):
    """The point chosen on the tuning half, and its figures on both halves."""

    point: int
    tuning_recall: float
    reporting_recall: float
    tuning_qps: float
    reporting_qps: float

    @property
    def optimism(self) -> float:
        """Recall on the half it was chosen on less recall on the other."""
        return self.tuning_recall - self.reporting_recall


def split_queries(nq: int) -> Split:
    """Split the queries in halves, seeded by their number alone (the odd one reports)."""
    order = np.random.default_rng([_SEED, nq]).permutation(nq)
    return Split(np.sort(order[: nq // 2]), np.sort(order[nq // 2 :]))


def fastest_at_recall(recall: Float64, seconds: Float64, floor: float) -> Choice | None:
    """Return the fastest point whose recall on the tuning half reaches a floor.

    Parameters
    ----------
    recall, seconds
        `(points, nq)` recall and seconds of every query.
    floor
        The least recall.

    Returns
    -------
    choice
        None if no point reaches the floor on the tuning half.
    """
    tuning, reporting = split_queries(recall.shape[1])
    tuning_recall = recall[:, tuning].mean(axis=1)
    enough = np.flatnonzero(tuning_recall >= floor)
    if len(enough) == 0:
        return None
    point = int(enough[np.argmin(seconds[np.ix_(enough, tuning)].sum(axis=1))])
    return Choice(
        point,
        float(tuning_recall[point]),
        float(recall[point, reporting].mean()),
        float(1 / seconds[point, tuning].mean()),
        float(1 / seconds[point, reporting].mean()),
    )
