"""The statistics of the harness in one place to import from."""

from harness.measures.at_recall import Curve, qps_at_recall
from harness.measures.bootstrap import Bounds, bootstrap_bounds, bootstrap_interval
from harness.measures.build_intervals import (
    Scope,
    ScopedInterval,
    log_t_interval,
    qps_interval,
    qps_interval_of_passes,
    repeats_would_help,
)
from harness.measures.comparing import (
    Difference,
    Verdict,
    holm,
    neighbouring_builds,
    paired_difference,
    paired_ratio,
    steadiest,
    unpaired_ratio,
    verdict,
)
from harness.measures.interval import LEVEL, VERDICT_LEVEL, Interval
from harness.measures.splitting import Split, split_queries

__all__ = [
    "LEVEL",
    "VERDICT_LEVEL",
    "Bounds",
    "Curve",
    "Difference",
    "Interval",
    "Scope",
    "ScopedInterval",
    "Split",
    "Verdict",
    "bootstrap_bounds",
    "bootstrap_interval",
    "holm",
    "log_t_interval",
    "neighbouring_builds",
    "paired_difference",
    "paired_ratio",
    "qps_at_recall",
    "qps_interval",
    "qps_interval_of_passes",
    "repeats_would_help",
    "split_queries",
    "steadiest",
    "unpaired_ratio",
    "verdict",
]
