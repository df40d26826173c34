"""Choose on one half of the queries, report on the other.

The fastest of many settings that reach a recall is partly the luckiest: chosen and reported on the
same queries, its recall is too high on average. The harness chooses on the tuning half, reports the
figures of the other, and prints how much would have been optimism.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_SEED = 52_489


class Split(NamedTuple):
    """Row numbers of the two halves, ascending, disjoint, together all queries."""

    tuning: NDArray[np.intp]
    reporting: NDArray[np.intp]


def split_queries(nq: int) -> Split:
    """Split the queries in halves, seeded by their number alone (the odd one reports).

    One query alone, which cannot be split, is both halves.
    """
    if nq == 1:
        return Split(np.zeros(1, dtype=np.intp), np.zeros(1, dtype=np.intp))
    order = np.random.default_rng([_SEED, nq]).permutation(nq)
    return Split(np.sort(order[: nq // 2]), np.sort(order[nq // 2 :]))
