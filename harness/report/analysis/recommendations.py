"""The Pareto points, and the fastest point at a recall, with the curves that equal it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.measures.choosing import Report, block_log_speeds, choose, eligible
from harness.measures.frontier import pareto_frontier
from harness.measures.verdicts import Estimate, Ratio, Speeds, estimate, judge, verdict_words
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
    return group.candidates.fastest(levels)


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
class Candidates:
    """Points that can be chosen, from `choosable`. What many recalls need is computed once."""

    points: pd.DataFrame

    @cached_property
    def means(self) -> Float64:
        """`(points,)`: the mean speed of each over its blocks, a logarithm of QPS."""
        return np.asarray(np.nanmean(self._by_block, axis=1), dtype=np.float64)

    def fastest(self, levels: Sequence[float]) -> list[Recommendation]:
        """Return the fastest point at each level of recall that any point reaches."""
        return [one for level in levels if (one := self._fastest(level)) is not None]

    def _fastest(self, level: float) -> Recommendation | None:
        points = self.points
        if points.empty:
            return None
        sure = eligible(points["tuning_recall"], points["held_out_recall_low"], level)
        reached = bool(sure.any())
        chosen = np.flatnonzero(sure if reached else points["recall"] >= level)
        return self._recommendation(level, chosen, reached) if len(chosen) else None

    def _recommendation(
        self, level: float, chosen: NDArray[np.intp], reached: bool
    ) -> Recommendation:
        """Choose among the points of these numbers."""
        choice = choose(self._by_block[chosen])
        number = int(chosen[choice.winner])
        winner = self._row(number)
        luck = float(np.exp(self.means[number] - choice.log_speed))
        qps, low, high = (winner[name] / luck for name in ("qps", "qps_low", "qps_high"))
        rivals = self._rivals(chosen, number) if reached else []
        ratios = judge([self._estimate(other, number) for other in rivals])
        names = [self._curves[other] for other in rivals]
        judged = tuple(zip(names, ratios, strict=True))
        return Recommendation(level, winner, reached, qps, low, high, choice.report, judged)

    def _rivals(self, chosen: NDArray[np.intp], winner: int) -> list[int]:
        """The fastest of these points of each curve but the winner's, fastest first."""
        ordered = chosen[np.argsort(-self.means[chosen], kind="stable")]
        _, first = np.unique(self._curve_numbers[ordered], return_index=True)
        fastest = ordered[np.sort(first)].tolist()
        return [other for other in fastest if self._curves[other] != self._curves[winner]]

    def _estimate(self, ours: int, theirs: int) -> Estimate:
        """The ratio of two points: neighbouring recalls compare mostly the same ones."""
        if (ours, theirs) not in self._estimates:
            found = estimate(self._speeds[ours], self._speeds[theirs])
            self._estimates[ours, theirs] = found
        return self._estimates[ours, theirs]

    def _row(self, number: int) -> Row:
        """A point's row: of thousands, few are chosen, each at several recalls."""
        if number not in self._rows:
            # A frame of the row would copy each column: ten times as long.
            row = {name: column[number] for name, column in self._columns.items()}
            self._rows[number] = {
                n: v.item() if isinstance(v, np.generic) else v for n, v in row.items()
            }
        return self._rows[number]

    @cached_property
    def _columns(self) -> dict[str, Any]:
        return {str(name): column.array for name, column in self.points.items()}

    @cached_property
    def _speeds(self) -> list[Speeds]:
        return _speeds(self.points)

    @cached_property
    def _by_block(self) -> Float64:
        """`(points, blocks)` by `block_log_speeds`."""
        return block_log_speeds(self._speeds)

    @cached_property
    def _curves(self) -> list[str]:
        return self.points["curve"].astype(str).tolist()

    @cached_property
    def _curve_numbers(self) -> NDArray[np.intp]:
        return np.unique(self._curves, return_inverse=True)[1]

    @cached_property
    def _estimates(self) -> dict[tuple[int, int], Estimate]:
        return {}

    @cached_property
    def _rows(self) -> dict[int, Row]:
        return {}


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
