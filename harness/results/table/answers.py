"""Recall of a build from its stored neighbours."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from harness.contracts.dataset import Metric
from harness.results.identity import PointIdentity
from harness.results.point import Build

Float64 = NDArray[np.float64]
RecallMatrix = Callable[[Metric, Float64, Float64, Float64], Float64]


def over_answers(
    matrix: RecallMatrix, identity: PointIdentity, build: Build, true_distances: Float64
) -> Float64:
    """Return the recall of each query, `(nq, k)`, the mean over the answers of a build."""
    answers = zip(build.distances, build.scales.astype(np.float64), strict=True)
    found = [matrix(identity.metric, d, s, true_distances) for d, s in answers]
    mean: Float64 = np.mean(found, axis=0)
    return mean
