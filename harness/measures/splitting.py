"""Choose on the tuning queries, report recall on the held-out queries.

The fastest of many settings that reach a recall is partly the luckiest: chosen and reported on the
same queries, its recall is too high on average. So settings are chosen by recall on the tuning
queries, and the recall reported for them is that on the held-out queries.
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
    """Split the queries into tuning and held-out ones, seeded by their number alone.

    Of an odd number, the held-out part gets one more. A single query is in both parts.
    """
    if nq == 1:
        return Split(np.zeros(1, dtype=np.intp), np.zeros(1, dtype=np.intp))
    order = np.random.default_rng([_SEED, nq]).permutation(nq)
    return Split(np.sort(order[: nq // 2]), np.sort(order[nq // 2 :]))
