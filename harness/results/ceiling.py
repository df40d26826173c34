"""Harness overhead: the QPS of the no-op adapter, and the points that come near to it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from harness.results.conditions import conditions_of

NEAR_SHARE = 0.5
"""Points from this share of the no-op QPS on are marked: half of their time is overhead."""


def mark_near_ceiling(rows: Sequence[dict[str, Any]]) -> None:
    """Add the columns `ceiling_qps` and `near_ceiling` to rows of the results table.

    `ceiling_qps` is the QPS of the newest point of `no-op` with the same dataset, k, mode, number
    of threads and machine; NaN if none was measured, and then no row is near.
    """
    ceilings = _ceilings(rows)
    for row in rows:
        ceiling = ceilings.get(conditions_of(row), math.nan)
        row["ceiling_qps"] = ceiling
        near = row.get("qps", math.nan) >= NEAR_SHARE * ceiling
        row["near_ceiling"] = bool(near and row["in_answers"])


def _ceilings(rows: Sequence[dict[str, Any]]) -> dict[tuple[Any, ...], float]:
    """QPS of `no-op` by conditions; of several the newest."""
    measured = [row for row in rows if row["status"] == "ok" and not row["in_answers"]]
    newest_last = sorted(measured, key=lambda row: int(row["sequence"]))
    return {conditions_of(row): row["qps"] for row in newest_last}
