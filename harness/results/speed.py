"""QPS of a stored point: of each pass, and the headline with its interval."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.measures.latency import batch_qps, single_qps
from harness.measures.statistics import ScopedInterval, qps_interval, qps_interval_of_passes
from harness.results.files import stacked
from harness.results.identity import PointIdentity
from harness.results.point import StoredPoint


def speed_of(point: StoredPoint) -> ScopedInterval:
    """Return the headline QPS of a point with its interval over builds."""
    seconds = stacked([build.times for build in point.builds])
    if one_by_one(point.header.identity):
        return qps_interval(seconds)
    return qps_interval_of_passes(qps_of_passes(point))


def one_by_one(identity: PointIdentity) -> bool:
    """Whether every query has a time of its own that nothing ran beside."""
    return identity.mode == "single" and identity.threads == 1


def qps_of_passes(point: StoredPoint) -> NDArray[np.float64]:
    """QPS of each pass, `(builds, repeats)`; by wall time where queries were not one by one."""
    if one_by_one(point.header.identity):
        return single_qps(stacked([build.times for build in point.builds]))
    return batch_qps(stacked([build.walls for build in point.builds]), point.header.nq)
