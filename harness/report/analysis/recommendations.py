"""The Pareto points, and the fastest point at a recall, with the curves that equal it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.measures.choosing import Report, block_log_speeds, choose, eligible
from harness.measures.frontier import pareto_frontier
from harness.measures.verdicts import Ratio, Speeds, estimate, judge, verdict_words
from harness.report.analysis.points import ComparisonGroup, known, rows_of, title_of
from harness.report.texts import mark
from harness.results.table.columns import Row
from harness.results.table.speeds import SPEED_COLUMNS, speeds_of_row

LEVELS = (0.8, 0.9, 0.95, 0.99)

Float64 = NDArray[np.float64]
Rival = tuple[str, Ratio]

_COMMON_LEVELS = (0.9, 0.95, 0.8, 0.5, 0.99)


@dataclass(frozen=True)
class Recommendation:
    """The fastest point of a comparison group at a recall, and the curves that may be as fast.

    `row` is the point's row of the prepared table. It reaches the level on the tuning queries and,
    with confidence, on the held-out queries, whose recall is reported. If no point does, `reached`
    is False, and the point is the fastest of those that reach it over all queries. `qps` and its
    bounds are cross-fitted over blocks, so that the choice does not bias them, unless `report`
    says otherwise. `rivals` are the other curves that reach the level with confidence, each with
    the ratio of its own fastest point to this one, fastest first; none if `reached` is False.
    """

    level: float
    row: Row
    reached: bool
    qps: float
    qps_low: float
    qps_high: float
    report: Report
    rivals: tuple[Rival, ...] = ()

    @property
    def equal(self) -> tuple[Rival, ...]:
        """The rivals that are equal within 5 %."""
        return tuple(rival for rival in self.rivals if rival[1].verdict == "equal")

    @property
    def undecided(self) -> tuple[Rival, ...]:
        """The rivals of which the measurements do not decide."""
        # The winner has the highest mean over all blocks; a rival may be faster in common blocks.
        return tuple(rival for rival in self.rivals if rival[1].verdict in ("undecided", "faster"))

    @property
    def equal_names(self) -> list[str]:
        """The curves that are equal within 5 %, marked if that is known within one build only."""
        return [f"{name}{mark(ratio.scope)}" for name, ratio in self.equal]

    @property
    def undecided_names(self) -> dict[str, list[str]]:
        """The undecided curves by what would decide, such as "about 4 more builds"."""
        found: dict[str, list[str]] = {}
        for name, ratio in self.undecided:
            found.setdefault(_what_is_missing(ratio), []).append(name)
        return found

    @property
    def undecided_text(self) -> str:
        """The undecided curves in one line."""
        groups = self.undecided_names.items()
        return ", ".join(f"{', '.join(names)} ({words})" for words, names in groups)

    @property
    def optimism(self) -> float:
        """Recall on the tuning queries, less that on the held-out queries."""
        return float(self.row["tuning_recall"] - self.row["held_out_recall"])


def recommendations(
    group: ComparisonGroup, levels: Sequence[float] = LEVELS
) -> list[Recommendation]:
    """Return the fastest point at each level of recall that any point reaches."""
    points = choosable(group.points)
    if points.empty:
        return []
    speeds = _speeds(points)
    candidates = _Candidates(points, speeds, block_log_speeds(speeds))
    found = []
    for level in levels:
        sure = eligible(points["tuning_recall"], points["held_out_recall_low"], level)
        reached = bool(sure.any())
        chosen = np.flatnonzero(sure if reached else points["recall"] >= level)
        if len(chosen):
            found.append(_recommendation(level, candidates, chosen, reached))
    return found


def why_not_reached(group: ComparisonGroup) -> str:
    """Return why a group has no recommendation at a recall, with the highest that there is."""
    points = group.points.dropna(subset=["recall"])
    if points.empty:
        return "every point failed"
    best = next(rows_of(points.loc[[points["recall"].idxmax()]]))
    name = title_of(best)
    return f"no point reaches it; the highest recall is {best['recall']:.3f}, of {name}"


def block_speeds(points: pd.DataFrame) -> Float64:
    """Return the speeds of points in each block, `(points, blocks)`: logarithms of QPS, or NaN."""
    return block_log_speeds(_speeds(points))


def _speeds(points: pd.DataFrame) -> list[Speeds]:
    return list(map(speeds_of_row, rows_of(points[list(SPEED_COLUMNS)])))


@dataclass(frozen=True, eq=False)
class _Candidates:
    """Points of a group, with the speeds of each, also `(points, blocks)` by `block_speeds`."""

    points: pd.DataFrame
    speeds: Sequence[Speeds]
    by_block: Float64

    def row(self, number: int) -> Row:
        """A point's row: of thousands, few are chosen."""
        return next(rows_of(self.points.iloc[[number]]))


def _recommendation(
    level: float, candidates: _Candidates, chosen: NDArray[np.intp], reached: bool
) -> Recommendation:
    """Choose among the candidates of these numbers."""
    speeds = candidates.by_block[chosen]
    choice, means = choose(speeds), np.nanmean(speeds, axis=1)
    number = int(chosen[choice.winner])
    winner = candidates.row(number)
    luck = float(np.exp(means[choice.winner] - choice.log_speed))
    qps, low, high = (winner[name] / luck for name in ("qps", "qps_low", "qps_high"))
    curves = candidates.points["curve"].astype(str).tolist()
    rivals: dict[str, int] = {}
    for other in chosen[np.argsort(-means, kind="stable")] if reached else ():
        rivals.setdefault(curves[other], int(other))
    rivals.pop(curves[number], None)
    ours = candidates.speeds[number]
    ratios = judge([estimate(candidates.speeds[other], ours) for other in rivals.values()])
    judged = tuple(zip(rivals, ratios, strict=True))
    return Recommendation(level, winner, reached, qps, low, high, choice.report, judged)


def _what_is_missing(ratio: Ratio) -> str:
    if ratio.verdict == "faster":
        return "faster in the blocks of both"
    return verdict_words(ratio).removeprefix("undecided: ")


def pareto_points(group: ComparisonGroup) -> pd.DataFrame:
    """Return every point that is on the frontier of its own curve, sorted by recall.

    The frontier is by recall on the tuning queries; the recall to report is `held_out_recall`. The
    column `overall` marks points on the frontier of the whole group, `recommended` those that are
    the fastest at one of the usual recalls, which are always included.
    """
    points = choosable(group.points)
    if points.empty:
        return points.assign(overall=[], recommended=[])
    best = points.index[pareto_frontier(points["tuning_recall"], points["qps"])]
    chosen = {one.row["key"] for one in recommendations(group)}
    points = points.assign(overall=points.index.isin(best), recommended=points["key"].isin(chosen))
    kept = [
        rows.iloc[pareto_frontier(rows["tuning_recall"], rows["qps"])]
        for _, rows in points.groupby("curve", sort=True)
    ]
    every = pd.concat([*kept, points[points["recommended"]]]).drop_duplicates("key")
    return every.sort_values(["held_out_recall", "qps", "curve"], kind="stable")


def optimism(found: Sequence[Recommendation]) -> float:
    """Return by how much recall would be too high if it were reported where it was chosen.

    The mean over recommendations; NaN of none.
    """
    return float(np.mean([one.optimism for one in found])) if found else float("nan")


def optimism_text(gap: float) -> str:
    """Return a mean optimism in words, such as "0.0017 lower"."""
    if abs(gap) < 0.00005:
        return "the same to four digits"
    return f"{abs(gap):.4f} {'higher' if gap > 0 else 'lower'}"


def choosable(points: pd.DataFrame) -> pd.DataFrame:
    """Return the points that can be chosen: of known speed, and recall on both query parts."""
    if points.empty:
        return points
    return points.dropna(subset=["tuning_recall", "held_out_recall_low", "qps"])


def common_level(group: ComparisonGroup) -> float | None:
    """Return the level of recall for a comparison of curves.

    It is the first of some levels that the most curves reach; None if no curve reaches any.
    """
    points = known(group.points, "recall", "qps")
    reach = points.groupby("curve")["recall"].max() if len(points) else pd.Series(dtype=float)
    counts = [int((reach >= level).sum()) for level in _COMMON_LEVELS]
    return _COMMON_LEVELS[counts.index(max(counts))] if max(counts, default=0) else None


def representatives(group: ComparisonGroup, level: float) -> pd.DataFrame:
    """Return the fastest point of each curve whose recall reaches a level, fastest first."""
    points = known(group.points, "recall", "qps")
    enough = points[points["recall"] >= level]
    ordered = enough.sort_values(["qps", "curve"], ascending=[False, True], kind="stable")
    return ordered.drop_duplicates("curve")
