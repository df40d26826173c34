"""What a whole sweep took: all builds of a curve, and all of its timed searches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from harness.report.analysis.points import rows_of


@dataclass(frozen=True)
class Sweep:
    """The builds of some points, which share those of equal build parameters, and their searches.

    `build_seconds` are the builds times the median of each point, `search_seconds` the timed passes
    over all queries at the measured speed: what is neither (starts, warm-up, other members of the
    block) is not known. What failed is not in it.
    """

    builds: int
    build_seconds: float
    search_seconds: float


def sweep_of(points: pd.DataFrame) -> Sweep:
    """Return what the builds and searches of measured points of one group took."""
    builds: dict[tuple[str, str, str, int], float] = {}
    search = 0.0
    for row in rows_of(points):
        for number, block in enumerate(row["block_ids"]):
            # Without a block, the builds of points with equal parameters are told by number.
            which = (row["curve"], str(row["build_parameters"]), block, -1 if block else number)
            builds.setdefault(which, row["build_seconds"])
        passes = row["builds"] * row["repeats"]
        search += passes * row["nq"] / row["measured_qps"]
    known = np.array(list(builds.values()), dtype=np.float64)
    return Sweep(len(known), float(known.sum()), search)
