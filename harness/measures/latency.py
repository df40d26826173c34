"""Mean and percentiles of the time per query, from stored times.

Each is computed for every timed pass on its own. Its headline is the median over the passes of a
build, then over the builds, so that one disturbed pass moves none of them far. They hold all that
users would wait for; see `harness.measures.speed` for the times without interruptions.
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


def headline(per_pass: Float64) -> float:
    """Return the median over passes, then over builds, of a `(builds, passes)` figure.

    NaN passes are left out; NaN if none is left.
    """
    return _median(np.array([_median(build) for build in np.atleast_2d(per_pass)]))


def latency(seconds: Float64) -> Latency:
    """Return mean and percentiles of the time per query.

    Parameters
    ----------
    seconds
        `(builds, passes, nq)` seconds of each query; passes that did not run hold NaN.
    """
    milliseconds = 1e3 * np.asarray(seconds)
    per_pass = np.concatenate(
        [milliseconds.mean(axis=-1)[None], np.percentile(milliseconds, _PERCENTILES, axis=-1)]
    )
    return Latency(*(headline(figure) for figure in per_pass))


def _median(values: Float64) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else float("nan")
