"""Choose on the tuning queries, report recall on the held-out queries.

The fastest of many settings that reach a recall is partly the luckiest: chosen and reported on the
same queries, its recall is too high on average. So settings are chosen by recall on the tuning
queries, and the recall that is reported of them is that on the held-out queries.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_SEED = 52_489


class Split(NamedTuple):
    """Row numbers of both parts, ascending, disjoint, together all queries."""

    tuning: NDArray[np.intp]
    held_out: NDArray[np.intp]


def split_queries(nq: int) -> Split:
    """Split the queries in halves, seeded by their number alone; the odd one is held out.

    One query alone, which cannot be split, is in both.
    """
    if nq == 1:
        return Split(np.zeros(1, dtype=np.intp), np.zeros(1, dtype=np.intp))
    order = np.random.default_rng([_SEED, nq]).permutation(nq)
    return Split(np.sort(order[: nq // 2]), np.sort(order[nq // 2 :]))
