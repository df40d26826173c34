"""What readers came for: the Pareto points, and what is fastest at the recall they need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.measures.frontier import pareto_frontier
from harness.measures.statistics import LEVEL, Difference, holm
from harness.report.build_speeds import BuildSpeeds, ratio_of
from harness.report.points import Scene, known, rows_of

LEVELS = (0.8, 0.9, 0.95, 0.99)
_SIGNIFICANT = 1 - LEVEL


@dataclass(frozen=True)
class Answer:
    """The fastest point of a scene whose recall reaches a level on the tuning half of the queries.

    `row` is the point's row of the prepared table: what is reported of it are the figures of the
    other half, its columns `reporting_*`, so recall may come out a little below the level. `tied`
    names the curves whose own choice is not significantly slower there (paired over neighbouring
    builds, Holm's correction over the curves).
    """

    level: float
    row: dict[str, Any]
    tied: tuple[str, ...]

    @property
    def optimism(self) -> float:
        """Recall on the half that the point was chosen on, less that on the other."""
        return float(self.row["tuning_recall"] - self.row["reporting_recall"])


def pareto_points(scene: Scene) -> pd.DataFrame:
    """Return every point that is on the frontier of its own curve, by recall.

    Chosen on the tuning half of the queries, to be reported by the columns `reporting_*`; the
    column `overall` tells which are on the frontier of all points of the scene.
    """
    points = _splittable(scene.points)
    if points.empty:
        return points.assign(overall=[])
    chosen = [
        rows.iloc[pareto_frontier(rows["tuning_recall"], rows["tuning_qps"])]
        for _, rows in points.groupby("curve", sort=True)
    ]
    kept = pd.concat(chosen)
    best = points.index[pareto_frontier(points["tuning_recall"], points["tuning_qps"])]
    kept = kept.assign(overall=kept.index.isin(best))
    return kept.sort_values(["reporting_recall", "reporting_qps", "curve"], kind="stable")


def answers(scene: Scene, levels: Sequence[float] = LEVELS) -> list[Answer]:
    """Return the fastest point at each level of recall that any point reaches."""
    points = _splittable(scene.points)
    recall, curves = points["tuning_recall"].to_numpy(), points["curve"].to_numpy()
    fastest_first = np.argsort(-points["tuning_qps"].to_numpy(dtype=float), kind="stable")
    found = []
    for level in levels:
        enough = fastest_first[recall[fastest_first] >= level]
        first = np.sort(np.unique(curves[enough].astype(str), return_index=True)[1])
        rivals = list(rows_of(points.iloc[enough[first]]))  # the fastest of every curve
        if rivals:
            winner, *others = rivals
            found.append(Answer(level, winner, _tied(winner, others)))
    return found


def optimism(scene: Scene, levels: Sequence[float] = LEVELS) -> float:
    """Return by how much recall would be flattered if it were reported where it was chosen.

    The mean over the answers at the levels; NaN if nothing can be chosen.
    """
    gaps = [answer.optimism for answer in answers(scene, levels)]
    return float(np.mean(gaps)) if gaps else float("nan")


def _splittable(points: pd.DataFrame) -> pd.DataFrame:
    """The points whose figures are known on both halves of the queries."""
    if points.empty:
        return points.assign(tuning_recall=[], tuning_qps=[], reporting_qps=[])
    return points.dropna(subset=["tuning_recall", "tuning_qps", "reporting_qps"])


def _tied(winner: dict[str, Any], others: list[dict[str, Any]]) -> tuple[str, ...]:
    """The curves that are not significantly slower than the winner."""
    ratios = [_ratio(winner, other) for other in others]
    p_values = holm([ratio.p_value for ratio in ratios])
    slower = (p < _SIGNIFICANT and r.value > 1 for r, p in zip(ratios, p_values, strict=True))
    pairs = zip(others, slower, strict=True)
    return tuple(str(other["curve"]) for other, is_slower in pairs if not is_slower)


def _ratio(winner: dict[str, Any], other: dict[str, Any]) -> Difference:
    if not all(isinstance(row.get("reporting_build_qps"), np.ndarray) for row in (winner, other)):
        return Difference(*[float("nan")] * 4)
    return ratio_of(_reported(winner), _reported(other), paired=True)[0]


def _reported(row: dict[str, Any]) -> BuildSpeeds:
    """Speeds of the builds on the reporting half; pace is known of all queries only."""
    qps: NDArray[np.float64] = row["reporting_build_qps"]
    unknown = np.full(len(qps), np.nan)
    began_at = row.get("build_began_at")
    if not isinstance(began_at, np.ndarray) or len(began_at) != len(qps):
        began_at = unknown
    return BuildSpeeds(qps, unknown, began_at)


def common_level(
    scene: Scene, levels: Sequence[float] = (0.9, 0.95, 0.8, 0.5, 0.99)
) -> float | None:
    """Return the level of recall at which curves are best compared.

    The first of the levels that the most curves reach; None if no curve reaches any.
    """
    points = known(scene.points, "recall", "qps")
    reach = points.groupby("curve")["recall"].max() if len(points) else pd.Series(dtype=float)
    counts = [int((reach >= level).sum()) for level in levels]
    return levels[counts.index(max(counts))] if max(counts, default=0) else None


def representatives(scene: Scene, level: float) -> pd.DataFrame:
    """Return the fastest point of each curve whose recall reaches a level, fastest first."""
    points = known(scene.points, "recall", "qps")
    enough = points[points["recall"] >= level]
    ordered = enough.sort_values(["qps", "curve"], ascending=[False, True], kind="stable")
    return ordered.drop_duplicates("curve")
