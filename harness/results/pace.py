"""Pace: QPS counted by the machine's own clock, so that builds of busy and calm moments compare."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.measures.pace import pace_of_queries, pace_of_walls
from harness.results.point import Build, StoredPoint
from harness.results.speed import one_by_one

Float64 = NDArray[np.float64]


def pace_columns(point: StoredPoint) -> dict[str, Any]:
    """Return the columns that comparisons need.

    Returns
    -------
    columns
        `build_pace` and `build_began_at`, `(builds,)` each: queries answered in the time of one
        yardstick, and the start of the search in seconds since 1970. NaN where unknown.
    """
    return {
        "build_pace": np.array([_pace(point, build) for build in point.builds]),
        "build_began_at": np.array([_began_at(build) for build in point.builds]),
    }


def _pace(point: StoredPoint, build: Build) -> float:
    if build.yardsticks is None or len(build.yardsticks) != len(build.walls):
        return float("nan")
    if one_by_one(point.header.identity):
        return pace_of_queries(build.times, build.yardsticks)
    return pace_of_walls(build.walls, build.yardsticks, point.header.nq)


def _began_at(build: Build) -> float:
    return float(build.facts.get("began_at", np.nan))
