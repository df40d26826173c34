"""Columns of what an index costs: seconds, bytes and how these are known, rows compared."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Literal

import numpy as np

from harness.measures.interval import NO_INTERVAL, log_t_interval
from harness.measures.verdicts import LEAST_BUILDS
from harness.results.point import BuildFacts, PointHeader
from harness.results.table.columns import Row, or_nan

SizeScope = Literal["computed", "measured", "measured, below the rows", "unknown"]

_BYTES_OF_A_NUMBER = 4


def size_columns(header: PointHeader, facts: Sequence[BuildFacts]) -> Row:
    """Return what the builds of a point took, the size of its index, and rows compared."""
    seconds = np.array([fact.build_seconds for fact in facts])
    interval = log_t_interval(seconds) if len(seconds) >= LEAST_BUILDS else NO_INTERVAL
    index_bytes = float(np.median([fact.index_bytes for fact in facts]))
    measured = any(fact.index_bytes_are_measured for fact in facts)
    scope = size_scope(index_bytes, header.n, header.d, measured=measured)
    index_bytes = float("nan") if scope == "unknown" else index_bytes
    return {
        "build_seconds": float(np.median(seconds)),
        "build_seconds_low": interval.low,
        "build_seconds_high": interval.high,
        "prepare_seconds": float(np.median([fact.prepare_seconds for fact in facts])),
        "index_bytes": index_bytes,
        "bytes_per_vector": index_bytes / header.n,
        "size_scope": scope,
        "measured_index_bytes": float(np.median([fact.measured_index_bytes for fact in facts])),
        "peak_rss_bytes": float(np.max([or_nan(fact.peak_bytes) for fact in facts])),
        "distance_computations": float(
            np.median([or_nan(fact.distance_computations) for fact in facts])
        ),
        "seeds": tuple(fact.seed for fact in facts),
    }


def size_scope(index_bytes: float, n: int, d: int, *, measured: bool) -> SizeScope:
    """Return how a size is known.

    A measured size is the growth of a process's memory while it builds. Memory that was allocated
    before and is reused is not in it, so it may be far too small: a size below that of n float32
    rows of d numbers has a scope of its own, and no growth is an unknown size.

    Parameters
    ----------
    index_bytes
        Bytes; NaN if unknown.
    n, d
        Rows and dimensions of the base.
    measured
        Whether it is the growth of memory, and not computed from what the index holds.
    """
    if not isfinite(index_bytes) or (measured and index_bytes <= 0):
        return "unknown"
    if not measured:
        return "computed"
    return "measured, below the rows" if index_bytes < _BYTES_OF_A_NUMBER * n * d else "measured"
