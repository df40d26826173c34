"""The QPS of a point with its interval, and percentiles of its times per query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.measures.interval import NO_INTERVAL, exp_of, known_values, student_quantile
from harness.measures.verdicts import LEAST_BUILDS, Speeds
from harness.measures.within_builds import error_within, joint_error

Float64 = NDArray[np.float64]
Scope = Literal["between builds", "within one build", "unknown"]


class QpsInterval(NamedTuple):
    """QPS with its 95 % interval, NaN where unknown, and what the interval covers."""

    value: float
    low: float
    high: float
    scope: Scope


def qps_interval(speeds: Speeds) -> QpsInterval:
    """Return the QPS of a point: the geometric mean over builds, with the interval.

    From three builds on it is Student's over builds, of log seconds relative to the reference if
    that is known of three builds (results of release 0.1 have none). Otherwise it is the noise
    within the builds, by `error_within`, and the scope says so.
    """
    known = known_values(speeds.log_seconds)
    if len(known) == 0:
        return QpsInterval(*NO_INTERVAL, "unknown")
    relative = known_values(speeds.relative)
    over_builds = relative if len(relative) >= LEAST_BUILDS else known
    scope: Scope = "between builds"
    if len(over_builds) >= LEAST_BUILDS:
        degrees = float(len(over_builds) - 1)
        error = float(over_builds.std(ddof=1)) / len(over_builds) ** 0.5
    else:
        error, degrees = joint_error(errors_within(speeds))
        scope = "unknown" if np.isnan(error) else "within one build"
    half = student_quantile(degrees) * error
    value, low, high = (exp_of(change - float(known.mean())) for change in (0.0, -half, half))
    return QpsInterval(value, low, high, scope)


def errors_within(speeds: Speeds) -> list[tuple[float, float]]:
    """Return `error_within` of each build, relative to the reference where that is known."""
    pairs = zip(speeds.levels, speeds.reference_levels, strict=True)
    return [
        error_within(levels, reference if len(reference) else np.zeros_like(levels))
        for levels, reference in pairs
    ]


def repeats_would_help(speeds: Speeds) -> bool:
    """Whether builds vary mostly through the noise within each, so that more passes help most.

    The variance of the builds' log seconds, relative to the reference if it is known, contains the
    noise within builds, and is compared with that of `error_within`. False with fewer than two
    builds or one pass a build, which do not show it.
    """
    relative = np.where(np.isfinite(speeds.relative), speeds.relative, speeds.log_seconds)
    known = np.isfinite(relative)
    if known.sum() < 2:
        return False
    within = np.array([error**2 for error, _ in errors_within(speeds)])[known].mean()
    return bool(within > relative[known].var(ddof=1) / 2)


_PERCENTILES = (50.0, 95.0, 99.0, 99.9)


class Latency(NamedTuple):
    """Milliseconds per query."""

    mean_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    p999_ms: float


def latency(times: Sequence[Float64]) -> Latency:
    """Return mean and percentiles of the time per query.

    Parameters
    ----------
    times
        `(passes, nq)` seconds of each query, for each build.
    """
    per_build = [_of_build(1e3 * seconds) for seconds in times if len(seconds)]
    if not per_build:
        return Latency(*[float("nan")] * len(Latency._fields))
    return Latency(*(float(figure) for figure in np.median(per_build, axis=0)))


def _of_build(milliseconds: Float64) -> Float64:
    """The figures of a build, `(figures,)`: the medians over its passes."""
    percentiles = np.percentile(milliseconds, _PERCENTILES, axis=1)
    per_pass = np.concatenate([milliseconds.mean(axis=1)[None], percentiles])
    return np.asarray(np.median(per_pass, axis=1), dtype=np.float64)
