"""Recall and QPS by the selectivity and correlation of filters, and where an exact scan wins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from harness.measures.filtering import Correlation, FilterClass
from harness.measures.interval import Interval
from harness.report.analysis.points import ComparisonGroup, rows_of
from harness.results.table.columns import Row
from harness.results.table.filters import class_of, interval_of

LEAST_QUERIES = 20
"""Fewer queries of a class say little of it; they are neither drawn nor compared."""

EXACT = "exact"
"""The algorithm that scans the matching rows."""


@dataclass(frozen=True)
class FilteredPoint:
    """A point of a curve on the queries of one class: `qps` is at the point's own conditions."""

    curve: str
    algorithm: str
    parameters: str
    filters: FilterClass
    queries: int
    below_k: int
    recall: Interval
    qps: Interval


@dataclass(frozen=True)
class Crossing:
    """Between which selectivities the exact scan stops being the fastest, by the intervals of QPS.

    `last_won` is the largest selectivity at which the interval of the exact scan lies above those
    of all points of enough recall, None if there is none; `first_lost` the smallest above it at
    which the interval of another lies above that of the exact scan, and `winner` the fastest of
    these. `undecided` tells whether there are selectivities above `last_won`, and below
    `first_lost`, at which neither holds.
    """

    correlation: Correlation
    recall: float
    last_won: float | None
    first_lost: float | None
    winner: str
    undecided: bool


def filtered_points(group: ComparisonGroup) -> list[FilteredPoint]:
    """Return each point of a group on each class of filters; none if its queries have no filter."""
    return [one for row in rows_of(group.points) for one in _points_of(row)]


def _points_of(row: Row) -> Iterator[FilteredPoint]:
    found = row["by_filter"]
    qps = Interval(float(row["qps"]), float(row["qps_low"]), float(row["qps_high"]))
    for name, figures in found.items():
        yield FilteredPoint(
            curve=str(row["curve"]),
            algorithm=str(row["algorithm"]),
            parameters=str(row["parameters"]),
            filters=class_of(name),
            queries=int(figures["queries"]),
            below_k=int(figures["below_k"]),
            recall=interval_of(figures["recall"]),
            qps=_product(qps, interval_of(figures["relative_speed"])),
        )


def _product(qps: Interval, share: Interval) -> Interval:
    """The product of two independent estimates; half-widths of the logarithms add in squares."""
    value = qps.value * share.value
    halves = [np.log(one.high / one.value) for one in (qps, share)]
    half = float(np.exp(np.hypot(*halves)))
    return Interval(value, value / half, value * half)


def best_of_curves(
    points: list[FilteredPoint], filters: FilterClass, recall: float
) -> dict[str, FilteredPoint]:
    """Return each curve's fastest point of a class that reaches a recall, by curve."""
    best: dict[str, FilteredPoint] = {}
    for point in points:
        if point.filters != filters or not point.recall.value >= recall:
            continue
        known = best.get(point.curve)
        if known is None or point.qps.value > known.qps.value:
            best[point.curve] = point
    return best


def fixed_points(
    group: ComparisonGroup, points: list[FilteredPoint], recall: float
) -> dict[str, list[FilteredPoint]]:
    """Return of each curve the figures of one setting, on each class, by curve.

    The fastest setting that reaches the recall over all queries, or that of the highest recall.
    """
    chosen = {}
    for curve, rows in group.points.groupby("curve"):
        reaching = rows[rows["recall"] >= recall]
        order = rows.sort_values("recall") if reaching.empty else reaching.sort_values("qps")
        chosen[str(curve)] = str(order["parameters"].iloc[-1])
    return {
        curve: [point for point in points if (point.curve, point.parameters) == (curve, name)]
        for curve, name in chosen.items()
    }


def classes_of(points: list[FilteredPoint], correlation: Correlation) -> list[FilterClass]:
    """Return the classes of a correlation with a match and enough queries, by selectivity."""
    every = {
        point.filters
        for point in points
        if point.filters.selectivity > 0 and point.queries >= LEAST_QUERIES
    }
    return sorted(one for one in every if one.correlation == correlation)


def is_decided(fastest: FilteredPoint, others: Iterable[FilteredPoint]) -> bool:
    """Whether the interval of the fastest point's QPS lies above those of the others.

    An unknown interval decides nothing.
    """
    return all(one is fastest or fastest.qps.low > one.qps.high for one in others)


def crossing(
    points: list[FilteredPoint], correlation: Correlation, recall: float
) -> Crossing | None:
    """Return where the exact scan stops being the fastest; None if it was not measured there."""
    last_won, first_lost, winner = None, None, ""
    measured = undecided = False
    for filters in classes_of(points, correlation):
        best = list(best_of_curves(points, filters, recall).values())
        exact = next((point for point in best if point.algorithm == EXACT), None)
        if exact is None:
            continue
        measured = True
        faster = [point for point in best if point.qps.low > exact.qps.high]
        if is_decided(exact, best):
            last_won, first_lost, winner, undecided = filters.selectivity, None, "", False
        elif first_lost is None and faster:
            first_lost = filters.selectivity
            winner = max(faster, key=lambda point: point.qps.value).curve
        elif first_lost is None:
            undecided = True
    if not measured:
        return None
    return Crossing(correlation, recall, last_won, first_lost, winner, undecided)


def sentence_of(found: Crossing) -> str:
    """Return a crossing in words."""
    of = {"positive": "correlated filters", "none": "uncorrelated filters",
          "negative": "anticorrelated filters"}[found.correlation]  # fmt: skip
    won, lost = found.last_won, found.first_lost
    parts = [] if won is None else [f"the exact scan is the fastest up to {won:.3g} of the rows"]
    if lost is not None:
        parts.append(f"{found.winner} is faster from {lost:.3g} on")
    if found.undecided:
        words = ("undecided", "undecided elsewhere", "undecided between")
        parts.append(words[len(parts)])
    return f"{of}: " + ", ".join(parts)
