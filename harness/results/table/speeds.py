"""Speeds of a stored point: of each build, and the QPS with its interval."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.contracts.definitions import timed_one_by_one
from harness.measures import qps
from harness.measures.qps import QpsInterval
from harness.measures.speed import (
    query_windows,
    reference_levels,
    round_levels,
    typical_difference,
    typical_level,
    typical_times,
    wall_levels,
)
from harness.measures.verdicts import Speeds
from harness.results.point import BlockShare, Build, StoredPoint
from harness.results.table.columns import Row

Float64 = NDArray[np.float64]


def speeds_of(point: StoredPoint) -> Speeds:
    """Return the speeds of a point's builds."""
    singly = timed_one_by_one(point.header.identity.mode, point.header.identity.threads)
    rounds = [_Rounds.of(build, singly) for build in point.builds]
    blocks = tuple(build.block.id if build.block else "" for build in point.builds)
    return Speeds(
        blocks=blocks,
        log_seconds=np.array([one.log_seconds for one in rounds]),
        reference=np.array([one.reference for one in rounds]),
        # Passes of no block are no rounds: nothing else had a turn beside them.
        levels=tuple(
            one.levels if name else np.empty((0, 1))
            for name, one in zip(blocks, rounds, strict=True)
        ),
        reference_levels=tuple(one.reference_levels for one in rounds),
    )


SPEED_COLUMNS = (
    *("block_ids", "build_log_seconds", "reference_log_seconds"),
    *("round_levels", "reference_levels"),
)
"""The columns that hold the speeds of a point's builds."""


def speeds_of_row(row: Row) -> Speeds:
    """Return the speeds of a point's builds from the `SPEED_COLUMNS` of its row."""
    return Speeds(*(row[name] for name in SPEED_COLUMNS))


def qps_interval_of(point: StoredPoint) -> QpsInterval:
    """Return the QPS of a point on its own, as measured, with its interval.

    The interval is that relative to the reference index of the point's blocks.
    """
    return qps.qps_interval(speeds_of(point))


def repeats_would_help(point: StoredPoint) -> bool:
    """Whether more passes a build narrow the interval of QPS more than further builds would."""
    return qps.repeats_would_help(speeds_of(point))


class _Rounds(NamedTuple):
    """The speed of one build and of the reference index, round by round and in the typical one."""

    levels: Float64
    reference_levels: Float64

    @property
    def log_seconds(self) -> float:
        return typical_level(self.levels)

    @property
    def reference(self) -> float:
        """So that less it, log seconds are the typical difference from the reference."""
        return self.log_seconds - typical_difference(self.levels, self.reference_levels)

    @classmethod
    def of(cls, build: Build, singly: bool) -> _Rounds:
        block, (passes, nq) = build.block, build.times.shape
        cycles = np.arange(passes) if block is None else block.cycles
        windows = _windows(nq, block.window if singly and block else nq, block)
        if singly:
            levels = round_levels(build.times, cycles, windows)
        else:
            levels = wall_levels(build.walls, cycles, nq)
        times = np.empty(0) if block is None else block.reference_times
        return cls(levels, reference_levels(times, cycles, len(windows)))


def _windows(nq: int, window: int, block: BlockShare | None) -> tuple[NDArray[np.intp], ...]:
    """The windows of a cycle; one of all queries where they are not timed one by one."""
    return _query_windows(nq, window, block.order_seed if block else 0)


@lru_cache(maxsize=8)
def _query_windows(nq: int, window: int, seed: int) -> tuple[NDArray[np.intp], ...]:
    return tuple(query_windows(nq, window, seed))


def speed_columns(point: StoredPoint) -> Row:
    """Return the QPS of a point, latency, and the speeds of its builds."""
    typical = np.array([typical_times(build.times) for build in point.builds])
    return {
        **columns_of_speeds(speeds_of(point)),
        **qps.latency([build.times for build in point.builds])._asdict(),
        "query_seconds": np.median(typical, axis=0),
    }


def columns_of_speeds(speeds: Speeds) -> Row:
    """Return the QPS of a point with its interval, and the speeds of its builds."""
    interval = qps.qps_interval(speeds)
    return {
        "qps": interval.value,
        "qps_low": interval.low,
        "qps_high": interval.high,
        "qps_scope": interval.scope,
        "build_qps": np.exp(-speeds.log_seconds),
        "block_ids": speeds.blocks,
        "build_log_seconds": speeds.log_seconds,
        "reference_log_seconds": speeds.reference,
        "round_levels": speeds.levels,
        "reference_levels": speeds.reference_levels,
    }
