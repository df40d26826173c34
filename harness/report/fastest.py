"""What readers came for: the Pareto points, and what is fastest at the recall they need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from harness.measures.frontier import pareto_frontier
from harness.measures.statistics import fastest_at_recall, holm, paired_ratio, unpaired_ratio
from harness.report.points import Scene, known

LEVELS = (0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True)
class Answer:
    """The fastest point of a scene whose recall reaches a level.

    `tied` names the curves whose own fastest point is not significantly slower (paired over
    builds, Holm's correction over the curves); `row` is the point's row of the prepared table.
    """

    level: float
    row: dict[str, Any]
    tied: tuple[str, ...]


def pareto_points(scene: Scene) -> pd.DataFrame:
    """Return every point that is on the frontier of its own curve, by recall.

    The column `overall` tells which are on the frontier of all points of the scene.
    """
    points = known(scene.points, "recall", "qps")
    if points.empty:
        return points.assign(overall=[])
    chosen = [
        rows.iloc[pareto_frontier(rows["recall"], rows["qps"])]
        for _, rows in points.groupby("curve", sort=True)
    ]
    kept = pd.concat(chosen)
    best = points.index[pareto_frontier(points["recall"], points["qps"])]
    kept = kept.assign(overall=kept.index.isin(best))
    return kept.sort_values(["recall", "qps", "curve"], kind="stable")


def answers(scene: Scene, levels: Sequence[float] = LEVELS) -> list[Answer]:
    """Return the fastest point at each level of recall that any point reaches."""
    points = known(scene.points, "recall", "qps")
    found = []
    for level in levels:
        enough = points[points["recall"] >= level].sort_values(
            "qps", ascending=False, kind="stable"
        )
        rivals = enough.drop_duplicates("curve").to_dict("records")
        if rivals:
            winner, *others = [{str(n): v for n, v in rival.items()} for rival in rivals]
            found.append(Answer(level, winner, _tied(winner, others)))
    return found


def optimism(scene: Scene, levels: Sequence[float] = LEVELS) -> float:
    """Return by how much recall is flattered when points are chosen and reported on one sample.

    The mean over the levels of the recall on the half of the queries that a point was chosen on,
    less that on the other half; NaN if nothing can be chosen.
    """
    points = scene.points
    points = points[[isinstance(recall, np.ndarray) for recall in points["query_recall"]]]
    lengths = {len(recall) for recall in points["query_recall"]} if len(points) else set()
    if len(lengths) != 1 or min(lengths) < 2:
        return float("nan")
    recall = np.stack(points["query_recall"].tolist())
    seconds = np.stack(points["query_seconds"].tolist())
    choices = [fastest_at_recall(recall, seconds, level) for level in levels]
    gaps = [choice.optimism for choice in choices if choice is not None]
    return float(np.mean(gaps)) if gaps else float("nan")


def _tied(winner: dict[str, Any], others: list[dict[str, Any]]) -> tuple[str, ...]:
    p_values = holm([_p_value(winner, other) for other in others])
    pairs = zip(others, p_values, strict=True)
    return tuple(str(other["curve"]) for other, p in pairs if not p < 0.05)


def _p_value(winner: dict[str, Any], other: dict[str, Any]) -> float:
    """Whether two points differ in QPS; builds of equal number ran next to each other."""
    ours, theirs = winner.get("build_qps"), other.get("build_qps")
    if not isinstance(ours, np.ndarray) or not isinstance(theirs, np.ndarray):
        return float("nan")
    test = paired_ratio if len(ours) == len(theirs) else unpaired_ratio
    return test(ours, theirs).p_value


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
