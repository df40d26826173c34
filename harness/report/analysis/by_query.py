"""How recall is spread over queries: over those of a point, and from easy to hard ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.report.analysis.points import ComparisonGroup, rows_of
from harness.report.analysis.recommendations import common_level, representatives

Float64 = NDArray[np.float64]

MOST_CURVES = 8
_MOST_STEPS = 10
_MOST_NAMED = 3
_GROUPS = 10


@dataclass(frozen=True)
class RecallOfQueries:
    """The numbers of queries by their recall.

    `counts[i]` are the queries of recall from `i / steps` to below `(i + 1) / steps`; the last are
    those of recall 1. `lowest` is the least recall, `worst` are the numbers of the first queries
    that have it, from 0.
    """

    counts: tuple[int, ...]
    lowest: float
    worst: tuple[int, ...]

    @property
    def steps(self) -> int:
        """Into how many steps recalls are divided."""
        return len(self.counts) - 1


def recall_of_queries(query_recall: Float64, k: int) -> RecallOfQueries:
    """Return how recall is spread: in k steps, at most ten.

    Parameters
    ----------
    query_recall
        `(nq,)` recall@k of each query, as the mean over the builds; not empty.
    k
        The number of neighbours asked for.
    """
    steps = min(k, _MOST_STEPS)
    # A share such as .3 times ten may lie just below 3.
    numbers = np.clip(np.floor(query_recall * steps + 1e-9), 0, steps).astype(np.intp)
    lowest = float(query_recall.min())
    worst = np.flatnonzero(query_recall == lowest)[:_MOST_NAMED]
    counts = np.bincount(numbers, minlength=steps + 1)
    return RecallOfQueries(tuple(counts.tolist()), lowest, tuple(worst.tolist()))


@dataclass(frozen=True)
class RecallByDifficulty:
    """Mean recall of the easiest to the hardest tenth of the queries, a curve each.

    Attributes
    ----------
    level
        The mean recall that each curve's point reaches.
    difficulty
        `(10,)`: the median local intrinsic dimensionality of each tenth; None if it is not defined,
        as of inner products. Hard queries are then those that all points together answered worst.
    recalls
        `(10,)` for each curve.
    """

    level: float
    difficulty: Float64 | None
    recalls: dict[str, Float64]


def recall_by_difficulty(
    group: ComparisonGroup, level: float | None = None
) -> RecallByDifficulty | None:
    """Return the recall of easy and hard queries, of each curve's fastest point at a level.

    By default at the recall that the most curves reach. None if no point reaches it or too few
    queries are stored.
    """
    level, rows = compared_at(group, "query_recall", level)
    if level is None or len(rows.iloc[0]["query_recall"]) < _GROUPS:
        return None
    difficulty = difficulty_of_queries(rows)
    order = _best_answered_first(group) if difficulty is None else np.argsort(difficulty)
    groups = np.array_split(order, _GROUPS)
    medians = None
    if difficulty is not None:
        medians = np.array([np.median(difficulty[group]) for group in groups])
    recalls = {
        str(row["curve"]): np.array([row["query_recall"][group].mean() for group in groups])
        for row in rows_of(rows.sort_values("curve", kind="stable"))
    }
    return RecallByDifficulty(level, medians, recalls)


def difficulty_of_queries(rows: pd.DataFrame) -> Float64 | None:
    """Return the LID of each query, unknown ones counted as the hardest; None if all are unknown.

    Parameters
    ----------
    rows
        Points of one group, not empty.
    """
    stored = rows.iloc[0]["query_difficulty"]
    if not isinstance(stored, np.ndarray) or not np.isfinite(stored).any():
        return None
    return np.where(np.isfinite(stored), stored, np.nanmax(stored))


def compared_at(
    group: ComparisonGroup, column: str, level: float | None
) -> tuple[float | None, pd.DataFrame]:
    """Return the recall to compare at and each curve's fastest point there, the fastest eight.

    Only points that have an array of a value for each query in the column; None and no point if
    there is none.
    """
    level = common_level(group) if level is None else level
    if level is None or column not in group.points:
        return None, group.points.iloc[:0]
    rows = representatives(group, level).head(MOST_CURVES)
    rows = rows[[isinstance(values, np.ndarray) and len(values) > 0 for values in rows[column]]]
    return (level if len(rows) else None), rows


def _best_answered_first(group: ComparisonGroup) -> NDArray[np.intp]:
    recalls = [r["query_recall"] for r in rows_of(group.points)]
    stored = [recall for recall in recalls if isinstance(recall, np.ndarray)]
    return np.argsort(-np.mean(stored, axis=0), kind="stable")
