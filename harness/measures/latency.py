"""Mean and percentiles of the time per query, from stored times.

Each is computed for every timed pass; reported is the median over the passes of a build, then over
the builds, so that one disturbed pass has little effect. Interruptions are included, as a user
would wait for them; see `harness.measures.speed` for the times without them.
"""

from __future__ import annotations

from collections.abc import Sequence
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


def latency(times: Sequence[Float64]) -> Latency:
    """Return mean and percentiles of the time per query.

    Parameters
    ----------
    times
        `(passes, nq)` seconds of each query, for each build.
    """
    per_build = [_of_build(1e3 * seconds) for seconds in times if len(seconds)]
    if not per_build:
        return Latency(*[float("nan")] * len(Latency._fields))
    return Latency(*(float(figure) for figure in np.median(per_build, axis=0)))


def _of_build(milliseconds: Float64) -> Float64:
    """The figures of a build, `(figures,)`: the medians over its passes."""
    percentiles = np.percentile(milliseconds, _PERCENTILES, axis=1)
    per_pass = np.concatenate([milliseconds.mean(axis=1)[None], percentiles])
    return np.asarray(np.median(per_pass, axis=1), dtype=np.float64)
