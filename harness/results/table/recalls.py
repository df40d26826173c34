"""Columns of recall, and of how near the answers come to the true neighbours."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.contracts.dataset import Metric
from harness.measures.choosing import split_queries
from harness.measures.recall import first_recall_matrix, near_recall, recall_matrix, relative_error
from harness.measures.recall_intervals import recall_bounds
from harness.results.identity import PointIdentity
from harness.results.point import Build
from harness.results.table.columns import RECALL_KS, Row

Float64 = NDArray[np.float64]
RecallMatrix = Callable[[Metric, Float64, Float64, Float64], Float64]


def recall_columns(
    identity: PointIdentity,
    builds: Sequence[Build],
    true_distances: Float64,
    keep_queries: bool,
) -> Row:
    """Return the recall of a point; that of each build and query is the mean over its answers."""
    k = identity.k
    columns: Row = {}
    for prefix, matrix in (("recall", recall_matrix), ("first_recall", first_recall_matrix)):
        recall = np.array([over_answers(matrix, identity, b, true_distances) for b in builds])
        value, low, high = recall_bounds(recall)
        columns |= curve_columns(prefix, k, value, low, high)
        if keep_queries:
            columns[f"{prefix}_of_queries"] = recall
        if prefix == "recall":
            columns["query_recall"] = recall[..., -1].mean(axis=0)
            columns.update(_split_columns(recall[..., -1:]))
        else:
            columns["query_first_recall"] = recall[..., 0].mean(axis=0)
    return columns


def curve_columns(prefix: str, k: int, value: Float64, low: Float64, high: Float64) -> Row:
    """Return a curve of recall with its bounds, `(k,)` each, as a whole and at the usual K."""
    columns: Row = {
        f"{prefix}_curve": value,
        f"{prefix}_low_curve": low,
        f"{prefix}_high_curve": high,
    }
    short = prefix.replace("first_recall", "recall1")
    for wanted in (w for w in RECALL_KS if w <= k):
        columns[f"{short}@{wanted}"] = value[wanted - 1]
        columns[f"{short}@{wanted}_low"] = low[wanted - 1]
        columns[f"{short}@{wanted}_high"] = high[wanted - 1]
    return columns


def nearness_columns(metric: Metric, builds: Sequence[Build], true_distances: Float64) -> Row:
    """Return the means over the answers of all builds."""
    answers = [
        (distances, scales.astype(np.float64))
        for build in builds
        for distances, scales in zip(build.distances, build.scales, strict=True)
    ]
    near = {
        f"recall_within_{percent}_percent": [
            near_recall(metric, *answer, true_distances, percent / 100) for answer in answers
        ]
        for percent in (1, 10)
    }
    errors = [relative_error(metric, distances, true_distances) for distances, _ in answers]
    return {name: float(np.mean(v)) for name, v in {**near, "relative_error": errors}.items()}


def _split_columns(recall: Float64) -> Row:
    """Recall@k on the queries to choose points by, and on those held out to report it."""
    tuning, held_out = split_queries(recall.shape[1])
    bounds = recall_bounds(recall[:, held_out])
    return {
        "tuning_recall": float(recall[:, tuning].mean()),
        "held_out_recall": float(bounds.value[0]),
        "held_out_recall_low": float(bounds.low[0]),
        "held_out_recall_high": float(bounds.high[0]),
    }


def over_answers(
    matrix: RecallMatrix, identity: PointIdentity, build: Build, true_distances: Float64
) -> Float64:
    """Return the recall of each query, `(nq, k)`, the mean over the answers of a build."""
    answers = zip(build.distances, build.scales.astype(np.float64), strict=True)
    found = [matrix(identity.metric, d, s, true_distances) for d, s in answers]
    mean: Float64 = np.mean(found, axis=0)
    return mean
