"""Bootstrap over queries: the queries are a sample of those that users will ask.

All points that share a number of queries are resampled with the same seeded weights, so that the
difference of two points is resampled in pairs and a table is the same at every reading. The method
is the percentile bootstrap (Efron 1979); with 1,000 queries the resampled mean is close to normal
and nothing finer is needed.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from harness.measures.interval import LEVEL, NO_INTERVAL, Interval

Float64 = NDArray[np.float64]

RESAMPLES = 1000
_SEED = 20_180_131
_CHUNK = 100  # resamples turned to float64 at a time


class Bounds(NamedTuple):
    """Means and interval bounds of many columns, `(columns,)` each."""

    value: Float64
    low: Float64
    high: Float64


@lru_cache(maxsize=4)
def resampling_weights(nq: int, resamples: int = RESAMPLES) -> NDArray[np.uint16]:
    """Return how often each query is drawn in each resample: `(resamples, nq)`, read-only.

    Drawing nq queries with replacement is a multinomial draw; the weights depend on the arguments
    alone.
    """
    weights = np.empty((resamples, nq), dtype=np.uint16)
    generator = np.random.default_rng([_SEED, nq])
    for row in weights:
        row[:] = np.bincount(generator.integers(nq, size=nq), minlength=nq)
    weights.flags.writeable = False
    return weights


def resampled_means(values: Float64, resamples: int = RESAMPLES) -> Float64:
    """Return the mean of each column in each resample: `(resamples, columns)`.

    `values` is `(nq, columns)`, one row per query.
    """
    nq = len(values)
    weights = resampling_weights(nq, resamples)
    starts = range(0, resamples, _CHUNK)
    # Small products: threads would cost more than they save, and on a busy machine stall.
    with _thread_pools().limit(limits=1, user_api="blas"):
        sums = [weights[start : start + _CHUNK].astype(np.float64) @ values for start in starts]
    return np.concatenate(sums) / nq


@lru_cache(maxsize=1)
def _thread_pools() -> ThreadpoolController:
    return ThreadpoolController()


def bootstrap_bounds(values: Float64) -> Bounds:
    """Return the mean of each column with its 95 % interval over queries.

    Parameters
    ----------
    values
        `(nq, columns)` float64, one row per query, such as recall@k' of every query.

    Returns
    -------
    bounds
        `(columns,)` each; the bounds enclose the mean, and equal it where all queries agree.
    """
    if len(values) == 0:
        nothing = np.full(values.shape[1], np.nan)
        return Bounds(nothing, nothing, nothing)
    mean = values.mean(axis=0)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(resampled_means(values), [tail, 1 - tail], axis=0)
    # Rounding of the weighted sums must not put the mean outside its own interval.
    return Bounds(mean, np.minimum(low, mean), np.maximum(high, mean))


def bootstrap_interval(values: Float64) -> Interval:
    """Return the mean of `(nq,)` values with its 95 % interval over queries."""
    if len(values) == 0:
        return NO_INTERVAL
    bounds = bootstrap_bounds(np.asarray(values, dtype=np.float64)[:, None])
    return Interval(float(bounds.value[0]), float(bounds.low[0]), float(bounds.high[0]))
