"""Curves of a comparison group: points and frontier of each label, and the order of curves."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, cast

import numpy as np
import pandas as pd

from harness.measures.frontier import Curve, pareto_frontier, qps_at_recall
from harness.report.analysis.points import ComparisonGroup, known
from harness.report.analysis.recommendations import recommendations
from harness.report.curve_styles import COLOURS, CurveStyle, curve_styles, highlighted
from harness.report.quantities import Quantity

_USUALLY_SHOWN = 8
_LEVELS = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True)
class CurvePoints:
    """All points of one label at which both quantities are known, and the frontier's rows."""

    name: str
    algorithm: str
    style: CurveStyle
    points: pd.DataFrame
    frontier: pd.DataFrame


def curves_of(
    points: pd.DataFrame, x: Quantity, y: Quantity, styles: Mapping[str, CurveStyle]
) -> list[CurvePoints]:
    """Return the curves of finished points, in the order of their names."""
    curves = []
    usable = known(points, x.column, y.column)
    for key, rows in usable.groupby(["algorithm", "curve"], sort=True):
        algorithm, name = map(str, cast(tuple[str, str], key))
        chosen = pareto_frontier(
            rows[x.column],
            rows[y.column],
            more_x_is_better=x.more_is_better,
            more_y_is_better=y.more_is_better,
        )
        curves.append(CurvePoints(name, algorithm, styles[name], rows, rows.iloc[chosen]))
    return curves


def smallest(points: pd.DataFrame) -> pd.DataFrame:
    """Return for each build the point whose index is smallest, the fastest of equals."""
    ordered = points.sort_values(
        ["bytes_per_vector", "qps"], ascending=[True, False], kind="stable"
    )
    return ordered.drop_duplicates(["curve", "build_parameters"]).sort_index()


def whole(curve: CurvePoints, x: Quantity) -> CurvePoints:
    """Return the curve with all of its points joined, in the order of x."""
    ordered = curve.points.sort_values(x.column, kind="stable")
    return replace(curve, points=ordered, frontier=ordered)


def styles_of(
    found: Sequence[ComparisonGroup], highlight: Collection[str] = ()
) -> dict[str, CurveStyle]:
    """Return the style of every curve; curves that are shown together have different colours.

    Some figures choose curves by more than speed, such as by recall at any size: all curves of a
    group have different colours if there are enough. Of curves to highlight, all others are grey.
    """
    names = {
        str(name)
        for group in found
        for part in (group.points, group.no_op, group.failures)
        for name in part["curve"]
    }
    together = [[*highlight, *group.ranking.shown] for group in found]
    possibly = [group.ranking.every for group in found]
    return highlighted(curve_styles({*names, *highlight}, together, possibly), highlight)


class Ranking(NamedTuple):
    """Which curves of a group are most relevant; `ComparisonGroup.ranking` computes it once.

    `every` are all curves, most relevant first. `leaders` are or may be the fastest at one of
    several levels of recall; "may be" means equal to the fastest within 5 %, or undecided against
    it. `shown` are those that a chart shows by default: the leaders, as many as there are colours,
    then close ones, up to eight.
    """

    every: list[str]
    leaders: frozenset[str]
    shown: list[str]


def ranking_of(group: ComparisonGroup) -> Ranking:
    """Return which curves of a group are most relevant."""
    every, leaders = _by_relevance(group.points), _leaders(group)
    ordered = sorted(every, key=lambda name: name not in leaders)  # stable
    most = max(_USUALLY_SHOWN, min(len(leaders), len(COLOURS)))
    return Ranking(every, leaders, ordered[:most])


def _leaders(group: ComparisonGroup) -> frozenset[str]:
    return frozenset(
        name
        for one in recommendations(group, _LEVELS)
        for name in (str(one.row["curve"]), *(name for name, _ in (*one.equal, *one.undecided)))
    )


def _by_relevance(points: pd.DataFrame) -> list[str]:
    """The names of the curves, most relevant first.

    They are sorted by the best rank in QPS at any of several levels of recall, then by the mean
    rank: a curve that wins at one level comes before one that is second everywhere.
    """
    usable = known(points, "recall", "qps")
    names = sorted(map(str, points["curve"].unique()))
    speeds = np.full((len(names), len(_LEVELS)), np.nan)
    for row, name in enumerate(names):
        curve = measured_curve(usable[usable["curve"] == name])
        speeds[row] = [qps_at_recall(curve, level).value for level in _LEVELS]
    order = np.argsort(np.argsort(-np.nan_to_num(speeds, nan=0.0), axis=0, kind="stable"), axis=0)
    ranks = np.where(np.isnan(speeds), len(names), order)
    worth = [(ranks[row].min(), ranks[row].mean(), name) for row, name in enumerate(names)]
    return [name for _, _, name in sorted(worth)]


def measured_curve(points: pd.DataFrame) -> Curve:
    """Return recall and QPS of points, with their bounds, as arrays."""
    columns = ("recall", "recall_low", "recall_high", "qps", "qps_low", "qps_high")
    return Curve(*(points[column].to_numpy(dtype=np.float64) for column in columns))
