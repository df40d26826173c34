"""Columns of points whose queries have filters: recall and speed by selectivity and correlation."""

from __future__ import annotations

from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from harness.contracts.dataset import Truth
from harness.measures.filtering import filter_classes
from harness.measures.interval import Interval, log_t_interval
from harness.measures.recall import recall_matrix
from harness.measures.recall_intervals import recall_bounds
from harness.measures.speed import typical_times
from harness.results.point import StoredPoint
from harness.results.table.columns import Row
from harness.results.table.recalls import over_answers


class ByFilter(TypedDict):
    """Figures of the queries of one class of filters.

    `relative_speed` is the QPS of these queries over that of all, with its interval over builds: a
    slow hour, which slows both, is not in it. `below_k` counts queries with fewer than k matches.
    """

    queries: int
    below_k: int
    recall: list[float]
    relative_speed: list[float]


def filter_columns(point: StoredPoint, truth: Truth) -> Row:
    """Return the columns of a point, from its truth with the facts of its filters."""
    header, k = point.header, point.header.identity.k
    if truth.matches is None or truth.nearness is None:  # of an imported truth
        return {}
    recall = np.array(
        [over_answers(recall_matrix, header.identity, b, truth.distances) for b in point.builds]
    )
    times = np.array([typical_times(build.times) for build in point.builds])
    means = times.mean(axis=1)
    found: dict[str, ByFilter] = {}
    for one, chosen in filter_classes(truth.matches, truth.nearness, header.n):
        bounds = recall_bounds(recall[:, chosen, -1:])
        found[one.text] = {
            "queries": len(chosen),
            "below_k": int((truth.matches[chosen] < k).sum()),
            "recall": [float(part[0]) for part in bounds],
            "relative_speed": list(log_t_interval(means / times[:, chosen].mean(axis=1))),
        }
    seconds = point.builds[0].diagnostics.get("filters", {}).get("seconds")
    return {
        "by_filter": found,
        "filter_seconds": _median(seconds),
    }


def _median(seconds: NDArray[np.generic] | None) -> float:
    return np.nan if seconds is None else float(np.median(seconds.astype(np.float64)))


def interval_of(values: list[float]) -> Interval:
    """Return what is stored of a figure as an interval."""
    return Interval(*values)
