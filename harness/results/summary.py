"""A point without its answers and times: what was computed from them by whoever has them.

What can be computed from a summary, or from the header of its point, is not in it: QPS and its
interval come from the levels of the rounds, sizes from the facts of the builds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from harness.measures.speed import typical_level
from harness.results.point import BuildFacts, PointHeader
from harness.text import Json

Float64 = NDArray[np.float64]

CURVES = ("recall_curve", "recall_low_curve", "recall_high_curve")
CURVES_OF_FIRST = ("first_recall_curve", "first_recall_low_curve", "first_recall_high_curve")
"""Columns of recall@K and recall 1@K with their bounds."""

SPLIT_RECALLS = ("tuning_recall", "held_out_recall")
LATENCIES = ("mean_ms", "p50_ms", "p95_ms", "p99_ms", "p999_ms")
LOAD_SHARES = ("dropped_share", "late_start_share")
HIGHEST_RATES = ("max_rate_qps", "max_rate_qps_low", "max_rate_qps_high")
"""Columns of numbers that go together."""

SHARES = (
    *(*SPLIT_RECALLS, "held_out_recall_low", "held_out_recall_high"),
    *("recall_within_1_percent", "recall_within_10_percent"),
    *LOAD_SHARES,
)
AMOUNTS = (*LATENCIES, "relative_error", "filter_seconds", "achieved_qps", *HIGHEST_RATES)
"""Columns of numbers, of shares from 0 to 1 and of others, that answers and times gave."""


@dataclass(frozen=True)
class BuildSummary:
    """What is known of one build without its answers and times.

    `block` is the id of its block, "" for none. `levels` and `reference_levels` are `(cycles,
    windows)` as in `harness.measures.verdicts.Speeds`, without rows where they are unknown, and
    `log_seconds` is the logarithm of its seconds per query.
    """

    number: int
    passes: int
    facts: BuildFacts
    provenance: Json
    block: str
    log_seconds: float
    levels: Float64
    reference_levels: Float64

    @cached_property
    def typical_log_seconds(self) -> float:
        """The logarithm of its seconds per query, from its levels where they are known."""
        return typical_level(self.levels) if len(self.levels) else self.log_seconds


@dataclass(frozen=True)
class Summary:
    """A measured point without its answers and times.

    `curves` are `(k,)` and `numbers` figures, both by the column of the results table; NaN where
    unknown. `by_filter` is that column.
    """

    header: PointHeader
    builds: Sequence[BuildSummary]
    curves: Mapping[str, Float64]
    numbers: Mapping[str, float]
    warnings: tuple[str, ...]
    nondeterministic: bool
    by_filter: Mapping[str, Json]

    @cached_property
    def repeats(self) -> int:
        """The smallest number of timed passes of its builds."""
        return min(build.passes for build in self.builds)
