"""Throughput and latency from stored times.

Every figure of a point is computed for each timed pass on its own; its headline is the median over
the repeats of a build, then over the builds, so that QPS, recall and percentiles speak of the same
passes and one disturbed pass moves none of them far.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

_PERCENTILES = (50.0, 95.0, 99.0, 99.9)


class Latency(NamedTuple):
    """Milliseconds per query."""

    mean_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    p999_ms: float


def single_qps(seconds: Float64) -> Float64:
    """Return queries per second of passes in single mode: nq / sum of the per-query times.

    Parameters
    ----------
    seconds
        `(..., nq)` seconds of each query; a pass that did not run holds NaN.

    Returns
    -------
    qps
        `(...)` float64; NaN where any time of the pass is missing.
    """
    return _rate(np.shape(seconds)[-1], np.sum(seconds, axis=-1))


def batch_qps(wall_seconds: Float64, nq: int) -> Float64:
    """Return nq / wall time of passes timed as a whole (batch mode, or several clients)."""
    return _rate(nq, wall_seconds)


def headline(per_pass: Float64) -> float:
    """Return the median over repeats, then over builds, of a `(builds, repeats)` figure.

    NaN passes are left out; NaN if none is left.
    """
    per_build = [_median(build) for build in np.atleast_2d(per_pass)]
    return _median(np.array(per_build))


def per_build(per_pass: Float64) -> Float64:
    """Return the median over repeats of a `(builds, repeats)` figure: `(builds,)`."""
    return np.array([_median(build) for build in np.atleast_2d(per_pass)])


def latency(seconds: Float64) -> Latency:
    """Return mean and percentiles of the time per query.

    Parameters
    ----------
    seconds
        `(builds, repeats, nq)` seconds of each query; passes that did not run hold NaN.
    """
    milliseconds = 1e3 * np.asarray(seconds)
    per_pass = np.concatenate(
        [milliseconds.mean(axis=-1)[None], np.percentile(milliseconds, _PERCENTILES, axis=-1)]
    )
    return Latency(*(headline(figure) for figure in per_pass))


def typical_seconds(seconds: Float64) -> Float64:
    """Return `(nq,)` seconds of each query, median over repeats, then over builds.

    `seconds` is `(builds, repeats, nq)`; NaN passes are left out.
    """
    complete = [build[~np.isnan(build).any(axis=-1)] for build in seconds]
    medians = [np.median(passes, axis=0) for passes in complete if len(passes)]
    if not medians:
        return np.full(seconds.shape[-1], np.nan)
    return np.asarray(np.median(medians, axis=0), dtype=np.float64)


def _rate(count: int, seconds: Float64) -> Float64:
    seconds = np.asarray(seconds, dtype=np.float64)
    rate: Float64 = np.divide(count, seconds, out=np.full(seconds.shape, np.nan), where=seconds > 0)
    return rate


def _median(values: Float64) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else float("nan")
