"""Figures of a point that was measured under load: latency from when a query was due, and rates."""

from __future__ import annotations

from collections.abc import Iterator
from math import nan

import numpy as np
from numpy.typing import NDArray

from harness.contracts.definitions import Load
from harness.measures.interval import NO_INTERVAL, Interval, log_t_interval
from harness.measures.load import (
    DROPPED,
    LATE_START,
    MOST_LATE_SHARE,
    achieved_rate,
    highest_rate,
    share_of,
    trials_of,
)
from harness.measures.qps import latency
from harness.results.point import Build, LoadShare, StoredPoint
from harness.results.table.columns import Row
from harness.text import counted


def load_columns(point: StoredPoint) -> Row:
    """Return the columns of a point of the mode `load`, no column in the other modes.

    They replace QPS, which under load is what was offered, and the percentiles of each pass: under
    load the passes of a build are pooled, since one alone has too few of the rare long queues.
    """
    load = point.header.identity.load
    if load is None:
        return {}
    shares = [share for _, share in _shares(point)]
    late = share_of([share.outcomes for share in shares], LATE_START)
    columns = {
        **asked_columns(load, late),
        "dropped_share": share_of([share.outcomes for share in shares], DROPPED),
        "late_start_share": late,
    }
    if load.rate is not None:
        return columns | _at_a_rate(point)
    return columns | _within_a_bound(point, load, too_late=columns["late_generator"])


def asked_columns(load: Load, late_start_share: float) -> Row:
    """Return the columns that follow from the load that was asked for and the share of late starts.

    Under load QPS is what was offered, so it is unknown.
    """
    known = {"qps": nan, "qps_low": nan, "qps_high": nan, "qps_scope": "unknown"}
    known |= {"drop_ms": load.drop_ms, "late_generator": late_start_share > MOST_LATE_SHARE}
    if load.rate is not None:
        return known | {"offered_qps": load.rate}
    return known | {"p99_bound_ms": load.p99_ms}


def _at_a_rate(point: StoredPoint) -> Row:
    achieved = [achieved_rate(share.outcomes, build.walls) for build, share in _shares(point)]
    pooled = latency([build.times.reshape(1, -1) for build in point.builds])
    return {
        "achieved_qps": float(np.median(achieved)),
        **pooled._asdict(),
    }


def _within_a_bound(point: StoredPoint, load: Load, *, too_late: bool) -> Row:
    """No latency: the rates of the search differ, and the last ones were chosen by it."""
    found = NO_INTERVAL if too_late else _highest_rate(point, load)
    return {
        "max_rate_qps": found.value,
        "max_rate_qps_low": found.low,
        "max_rate_qps_high": found.high,
        **dict.fromkeys(latency([])._fields, nan),
    }


def load_warnings(point: StoredPoint) -> Iterator[str]:
    """Yield why the highest rate of a point is not known, where a build found none."""
    load = point.header.identity.load
    if load is None or load.p99_ms is None:
        return
    found = np.isfinite(_highest_rates(point, load))
    if not found.all():
        yield (
            f"{np.count_nonzero(~found)} of {counted(len(found), 'build')} found no highest rate: "
            "all rates that were tried kept the bound, or none did, or too few were tried"
        )


def _highest_rate(point: StoredPoint, load: Load) -> Interval:
    """The highest rate within the bound, over builds.

    It is not known if a build found none: the others are those that kept the bound by luck.
    """
    rates = _highest_rates(point, load)
    return log_t_interval(rates) if np.isfinite(rates).all() else NO_INTERVAL


def _highest_rates(point: StoredPoint, load: Load) -> NDArray[np.float64]:
    """The highest rate within the bound of each build; NaN where it found none."""
    assert load.p99_ms is not None
    bound = load.p99_ms / 1e3
    searches = [trials_of(share.rates, build.times, bound) for build, share in _shares(point)]
    return np.array([highest_rate(trials) for trials, _ in searches])


def _shares(point: StoredPoint) -> Iterator[tuple[Build, LoadShare]]:
    return ((build, build.load) for build in point.builds if build.load is not None)
