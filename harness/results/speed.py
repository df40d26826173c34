"""Speeds of a stored point: of each build, and the QPS with its interval."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.measures import qps_interval
from harness.measures.qps_interval import QpsInterval
from harness.measures.speed import (
    log_seconds_of_queries,
    log_seconds_of_reference,
    log_seconds_of_walls,
    query_windows,
    reference_levels,
    round_levels,
    wall_levels,
)
from harness.measures.verdicts import Speeds
from harness.results.identity import PointIdentity
from harness.results.point import Build, StoredPoint

Float64 = NDArray[np.float64]


def one_by_one(identity: PointIdentity) -> bool:
    """Whether every query was timed by itself, with no other running."""
    return identity.mode == "single" and identity.threads == 1


def speeds_of(point: StoredPoint) -> Speeds:
    """Return the speeds of a point's builds."""
    singly, builds = one_by_one(point.header.identity), point.builds
    return Speeds(
        blocks=tuple(build.block.id if build.block else "" for build in builds),
        log_seconds=np.array([_log_seconds(build, singly) for build in builds]),
        reference=np.array([_reference(build, singly) for build in builds]),
        levels=tuple(_levels(build, singly) for build in builds),
        reference_levels=tuple(_reference_levels(build, singly) for build in builds),
    )


def speeds_of_row(row: Mapping[str, Any]) -> Speeds:
    """Return the speeds of a point's builds from its row of the results table."""
    return Speeds(
        row["block_ids"],
        row["build_log_seconds"],
        row["reference_log_seconds"],
        row["round_levels"],
        row["reference_levels"],
    )


def qps_interval_of(point: StoredPoint) -> QpsInterval:
    """Return the QPS of a point on its own, as measured, with its interval.

    The interval is that relative to the reference index of the point's blocks.
    """
    return qps_interval.qps_interval(speeds_of(point))


def repeats_would_help(point: StoredPoint) -> bool:
    """Whether more passes per build narrow the QPS interval more than further builds would."""
    return qps_interval.repeats_would_help(speeds_of(point))


def _log_seconds(build: Build, singly: bool) -> float:
    if singly:
        return log_seconds_of_queries(build.times)
    return log_seconds_of_walls(build.walls, build.times.shape[1])


def _reference(build: Build, singly: bool) -> float:
    if build.block is None:
        return float("nan")
    times, cycles = build.block.reference_times, build.block.cycles
    return log_seconds_of_reference(times, cycles, len(_windows(build, singly)))


def _levels(build: Build, singly: bool) -> Float64:
    if build.block is None:
        return np.empty((0, 1))
    if not singly:
        return wall_levels(build.walls, build.block.cycles)
    return round_levels(build.times, build.block.cycles, _windows(build, singly))


def _reference_levels(build: Build, singly: bool) -> Float64:
    if build.block is None:
        return np.empty((0, 1))
    times, cycles = build.block.reference_times, build.block.cycles
    return reference_levels(times, cycles, len(_windows(build, singly)))


def _windows(build: Build, singly: bool) -> tuple[NDArray[np.intp], ...]:
    """The windows of a cycle; one with all queries if they are not timed one by one."""
    nq = build.times.shape[1]
    return _query_windows(nq, build.block.window if singly and build.block else nq)


@lru_cache(maxsize=8)
def _query_windows(nq: int, window: int) -> tuple[NDArray[np.intp], ...]:
    return tuple(query_windows(nq, window))
