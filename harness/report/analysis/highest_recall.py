"""The points of the highest recall, one of each curve, and which of them may be as good.

With a limit of bytes per vector, they answer "which code for my memory?".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.measures.choosing import split_queries
from harness.measures.recall_intervals import (
    Difference,
    RecallEstimate,
    judge_differences,
    recall_difference,
)
from harness.report.analysis.points import ComparisonGroup, comparison_groups, prepare, rows_of
from harness.results.table.columns import Row

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class RecallOf:
    """One measure of recall of a point, such as `recall 1@10`, on the held-out queries.

    `behind` is by how much the first point of the list is ahead, paired over the queries, with an
    interval for queries and builds, corrected for all comparisons of the list; None of the first.
    """

    measure: str
    value: float
    behind: Difference | None

    @property
    def verdict(self) -> str:
        """`lower` or `higher` than the first one's, or `undecided`; empty of the first."""
        if self.behind is None:
            return ""
        if not self.behind.real:
            return "undecided"
        return "lower" if self.behind.value > 0 else "higher"


@dataclass(frozen=True)
class BestOfCurve:
    """The point of a curve with the highest recall on the tuning queries."""

    row: Row
    recalls: tuple[RecallOf, ...]


def highest_recalls(group: ComparisonGroup) -> list[BestOfCurve]:
    """Return the best point of every curve, the best of all first, the others by their recall.

    Points are chosen by recall@k of the tuning queries, and compared by that of the others in
    recall 1@1, recall 1@k and recall@k. Points without answers cannot be compared so: they are left
    out.

    Parameters
    ----------
    group
        Its points are of a table that was loaded with `per_query=True`.
    """
    points = group.points.dropna(subset=["tuning_recall", "held_out_recall"])
    points = points[points["has_answers"]]
    if points.empty:
        return []
    order = ["tuning_recall", "qps"]
    ordered = points.sort_values(order, ascending=False, kind="stable").drop_duplicates("curve")
    first, *others = rows_of(ordered)
    others.sort(key=lambda row: -row["held_out_recall"])
    ours = _recalls(first, group.k)
    theirs = [_recalls(row, group.k) for row in others]
    judged = iter(judge_differences([one for each in theirs for one in _behind(ours, each)]))
    return [
        _best(first, ours, [None] * len(ours)),
        *(
            _best(row, each, [next(judged) for _ in each])
            for row, each in zip(others, theirs, strict=True)
        ),
    ]


def table_of_highest_recalls(table: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each point and measure: recall, and how far behind the first it is.

    Parameters
    ----------
    table
        From `load_results(..., per_query=True)`, or a part of it.
    """
    rows = [
        {
            **{name: getattr(group, name) for name in ("dataset", "k", "machine")},
            **{name: best.row[name] for name in ("curve", "parameters", "bytes_per_vector")},
            **{name: best.row[name] for name in ("qps", "qps_low", "qps_high")},
            "measure": one.measure,
            "recall": one.value,
            **{name: getattr(one.behind, name, None) for name in ("low", "high", "level")},
            "behind": one.behind.value if one.behind else None,
            "verdict": one.verdict,
        }
        for group in comparison_groups(prepare(table, stale=True))
        for best in highest_recalls(group)
        for one in best.recalls
    ]
    return pd.DataFrame(rows)


def _recalls(row: Row, k: int) -> dict[str, Float64]:
    """Return recalls of the held-out queries by measure, `(builds, nq)` each."""
    held_out = split_queries(row["recall_of_queries"].shape[1]).held_out
    every = row["recall_of_queries"][:, held_out]
    first = row["first_recall_of_queries"][:, held_out]
    if k == 1:
        return {"recall@1": every[..., 0]}
    return {
        "recall 1@1": first[..., 0],
        f"recall 1@{k}": first[..., k - 1],
        f"recall@{k}": every[..., k - 1],
    }


def _behind(ours: dict[str, Float64], theirs: dict[str, Float64]) -> Iterator[RecallEstimate]:
    return (recall_difference(ours[name], theirs[name]) for name in ours)


def _best(
    row: Row, recalls: dict[str, Float64], behind: Sequence[Difference | None]
) -> BestOfCurve:
    told = zip(recalls.items(), behind, strict=True)
    return BestOfCurve(row, tuple(RecallOf(m, float(v.mean()), one) for (m, v), one in told))
