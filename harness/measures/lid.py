"""How hard a query is, from the distances of its true neighbours alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.contracts.dataset import Metric

Float64 = NDArray[np.float64]


def lid_from(nearest: Float64) -> Float64:
    """Return the local intrinsic dimensionality around each query; higher is harder.

    The maximum likelihood estimate (L. Amsaleg et al., "Estimating local intrinsic
    dimensionality", KDD 2015). Zero distances are left out: they come from a query that is in the
    base and carry no information about its neighbourhood.

    Parameters
    ----------
    nearest
        `(nq, neighbours)` ascending distances that are a metric (see `lengths`). Infinite ones,
        where fewer rows match a filter, are left out.

    Returns
    -------
    lid
        `(nq,)`; NaN where the neighbours are all equally far.
    """
    known = np.isfinite(nearest)
    furthest = np.max(nearest, axis=1, where=known, initial=0.0)
    radius = np.where(furthest > 0, furthest, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(nearest / radius[:, None])
        logs[(nearest <= 0) | ~known] = np.nan
        counts = np.isfinite(logs).sum(axis=1)
        means = np.nansum(logs, axis=1) / counts
        lid: Float64 = -1.0 / means
    return np.where(means < 0, lid, np.nan)


def lengths(metric: Metric, distances: Float64) -> Float64:
    """Return distances as lengths, which are a metric: for 1 - cos the chord of unit vectors.

    Not defined for `inner_product`, which has no lengths.
    """
    if metric == "angular":
        return np.sqrt(2.0 * np.maximum(distances, 0.0))
    return distances
