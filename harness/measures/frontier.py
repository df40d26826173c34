"""The Pareto frontier of any two figures."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def pareto_frontier(
    x: ArrayLike, y: ArrayLike, *, more_x_is_better: bool = True, more_y_is_better: bool = True
) -> NDArray[np.intp]:
    """Return the points that no other point beats.

    A point is beaten if another is at least as good in both figures and better in one. Of equal
    points, only the first is returned.

    Parameters
    ----------
    x, y
        `(points,)` figures; a point with NaN in either is never on the frontier.
    more_x_is_better, more_y_is_better
        The direction of each figure.

    Returns
    -------
    indices
        Rows of the frontier, ascending in x.
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    goodness_x = x if more_x_is_better else -x
    goodness_y = y if more_y_is_better else -y
    known = np.flatnonzero(~np.isnan(x) & ~np.isnan(y))
    # Best x first; among equals the best y, then the earliest row.
    order = known[np.lexsort((known, -goodness_y[known], -goodness_x[known]))]
    best_before = np.maximum.accumulate(np.concatenate([[-np.inf], goodness_y[order]]))[:-1]
    kept: NDArray[np.intp] = order[(goodness_y[order] > best_before) | (np.arange(len(order)) == 0)]
    return kept if not more_x_is_better else kept[::-1]
