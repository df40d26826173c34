"""Recall and QPS by the selectivity and correlation of filters, and where an exact scan wins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.measures.filtering import CORRELATIONS, Correlation, FilterClass
from harness.measures.interval import Interval
from harness.report.analysis.points import ComparisonGroup, rows_of
from harness.results.table.columns import Row
from harness.results.table.filters import interval_of

LEAST_QUERIES = 20
"""Fewer queries of a class say little of it; they are neither drawn nor compared."""

EXACT = "exact"
"""The algorithm that scans the matching rows."""

LEVEL = 0.9
"""The recall at which points are compared if none is asked for."""

KINDS: Mapping[Correlation, str] = {
    "positive": "correlated filters",
    "none": "uncorrelated filters",
    "negative": "anticorrelated filters",
}


_COLUMNS = ["curve", "algorithm", "parameters", "qps", "qps_low", "qps_high", "by_filter"]


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
    `first_lost`, at which neither holds. `won_below` says that the exact scan also won at all below
    `last_won`, `lost_above` that the winner is faster than it at all above `first_lost`, too.
    """

    correlation: Correlation
    recall: float
    last_won: float | None
    first_lost: float | None
    winner: str
    undecided: bool
    won_below: bool
    lost_above: bool


@dataclass(frozen=True)
class AtFilter:
    """The fastest point of each curve that reaches a recall on the queries of a class.

    `queries` are those of the class. `best` are by curve, without the curves that do not reach the
    recall; `fastest` is the fastest of them, None if there is none. The bars of `undecided` overlap
    with that of the fastest.
    """

    filters: FilterClass
    queries: int
    best: Mapping[str, FilteredPoint]
    fastest: FilteredPoint | None
    undecided: Sequence[FilteredPoint]

    @property
    def exact(self) -> FilteredPoint | None:
        """The exact scan, if it was measured."""
        return next((one for one in self.best.values() if one.algorithm == EXACT), None)


def filtered_points(group: ComparisonGroup) -> list[FilteredPoint]:
    """Return each point of a group on each class of filters; none if its queries have no filter."""
    return [one for row in rows_of(group.points[_COLUMNS]) for one in _points_of(row)]


def _points_of(row: Row) -> Iterator[FilteredPoint]:
    found = row["by_filter"]
    qps = Interval(float(row["qps"]), float(row["qps_low"]), float(row["qps_high"]))
    for name, figures in found.items():
        yield FilteredPoint(
            curve=str(row["curve"]),
            algorithm=str(row["algorithm"]),
            parameters=str(row["parameters"]),
            filters=FilterClass.of(name),
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


def undecided_with(fastest: FilteredPoint, others: Iterable[FilteredPoint]) -> list[FilteredPoint]:
    """Return the others above whose interval of QPS that of the fastest point does not lie.

    An unknown interval decides nothing.
    """
    return [one for one in others if one is not fastest and not fastest.qps.low > one.qps.high]


def at_each_filter(points: list[FilteredPoint], recall: float) -> list[AtFilter]:
    """Return what is fastest at a recall on each class of filters, by selectivity."""
    classes = (one for correlation in CORRELATIONS for one in classes_of(points, correlation))
    return [_at_filter(points, filters, recall) for filters in sorted(classes)]


def _at_filter(points: list[FilteredPoint], filters: FilterClass, recall: float) -> AtFilter:
    best = best_of_curves(points, filters, recall)
    fastest = max(best.values(), key=lambda point: point.qps.value, default=None)
    undecided = undecided_with(fastest, best.values()) if fastest is not None else []
    queries = next(point.queries for point in points if point.filters == filters)
    return AtFilter(filters, queries, best, fastest, undecided)


def below_k(points: list[FilteredPoint]) -> int:
    """Return how many queries have fewer than k matches: the same for all points of a group."""
    first = points[0]
    same = [one for one in points if (one.curve, one.parameters) == (first.curve, first.parameters)]
    return sum(one.below_k for one in same)


def crossing(
    points: list[FilteredPoint], correlation: Correlation, recall: float
) -> Crossing | None:
    """Return where the exact scan stops being the fastest; None if it was not measured there."""
    found = [_at_filter(points, filters, recall) for filters in classes_of(points, correlation)]
    measured = [(at, at.exact) for at in found if at.exact is not None]
    if not measured:
        return None
    shares = [at.filters.selectivity for at, _ in measured]
    wins = [not undecided_with(exact, at.best.values()) for at, exact in measured]
    faster = [
        {p.curve: p for p in at.best.values() if p.qps.low > exact.qps.high}
        for at, exact in measured
    ]
    above = len(wins) - wins[::-1].index(True) if any(wins) else 0
    lost = next((i for i in range(above, len(shares)) if faster[i]), len(shares))
    is_lost = lost < len(shares)
    winner = max(faster[lost].values(), key=lambda p: p.qps.value).curve if is_lost else ""
    return Crossing(
        correlation,
        recall,
        last_won=shares[above - 1] if above else None,
        first_lost=shares[lost] if is_lost else None,
        winner=winner,
        undecided=lost > above,
        won_below=all(wins[:above]),
        lost_above=all(winner in curves for curves in faster[lost:]),
    )


def crossings_in_words(points: list[FilteredPoint], recall: float) -> list[str]:
    """Return where the exact scan stops being the fastest, a sentence for each correlation."""
    found = [crossing(points, one, recall) for one in CORRELATIONS]
    return [sentence_of(one) for one in found if one is not None]


def share_text(share: float) -> str:
    """Return a share of the rows as a decimal, never scientific."""
    return f"{share:.9f}".rstrip("0").rstrip(".")


def sentence_of(found: Crossing) -> str:
    """Return a crossing in words."""
    won, lost = found.last_won, found.first_lost
    parts = []
    if won is not None:
        where = "up to" if found.won_below else "at"
        parts.append(f"the exact scan is the fastest {where} {share_text(won)} of the rows")
    if lost is not None:
        share = share_text(lost)
        where = f"from {share} on" if found.lost_above else f"at {share}, not at all above"
        parts.append(f"{found.winner} is faster {where}")
    if found.undecided:
        words = ("undecided", "undecided elsewhere", "undecided between")
        parts.append(words[len(parts)])
    return f"{KINDS[found.correlation]}: " + ", ".join(parts)
