"""Figures of the two halves of the queries: one to choose points on, one to report them by."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.measures.bootstrap import bootstrap_interval
from harness.measures.build_intervals import qps_interval
from harness.measures.latency import headline, per_build, single_qps
from harness.measures.splitting import split_queries
from harness.results.files import stacked
from harness.results.point import StoredPoint
from harness.results.speed import one_by_one, qps_of_passes, speed_of

Float64 = NDArray[np.float64]


def half_columns(point: StoredPoint, query_recall: Float64) -> dict[str, Any]:
    """Return recall and QPS of a point on either half.

    Parameters
    ----------
    query_recall
        `(nq,)` recall@k of every query.

    Returns
    -------
    columns
        `tuning_recall` and `tuning_qps` to choose by; `reporting_recall` and `reporting_qps` with
        `_low` and `_high`, and `reporting_build_qps` `(builds,)`, to report. Where queries were not
        timed one by one (batches, several clients) QPS is that of all queries.
    """
    tuning, reporting = split_queries(len(query_recall))
    recall = bootstrap_interval(query_recall[reporting])
    return {
        "tuning_recall": float(query_recall[tuning].mean()),
        "reporting_recall": recall.value,
        "reporting_recall_low": recall.low,
        "reporting_recall_high": recall.high,
        **_speeds(point, tuning, reporting),
    }


def _speeds(
    point: StoredPoint, tuning: NDArray[np.intp], reporting: NDArray[np.intp]
) -> dict[str, Any]:
    if one_by_one(point.header.identity):
        seconds = stacked([build.times for build in point.builds])
        passes = single_qps(seconds[..., reporting])
        speed = qps_interval(seconds[..., reporting])
        chosen_by = headline(single_qps(seconds[..., tuning]))
    else:
        passes, speed = qps_of_passes(point), speed_of(point)
        chosen_by = speed.value
    return {
        "tuning_qps": chosen_by,
        "reporting_qps": speed.value,
        "reporting_qps_low": speed.low,
        "reporting_qps_high": speed.high,
        "reporting_build_qps": per_build(passes),
    }
