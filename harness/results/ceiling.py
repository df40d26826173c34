"""The ceiling: how fast the harness itself can be, and which points come too near to it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from harness.results.conditions import conditions_of

NEAR_SHARE = 0.5
"""Points at this share of the ceiling's QPS or above are marked: half of their time is ours."""


def mark_near_ceiling(rows: Sequence[dict[str, Any]]) -> None:
    """Add the columns `ceiling_qps` and `near_ceiling` to rows of the results table.

    The ceiling of a row is the QPS of the newest answer-less point (`no-op`) of the same dataset,
    k, mode, number of threads and machine; NaN where none was measured, and then nothing is near.
    """
    ceilings = _ceilings(rows)
    for row in rows:
        ceiling = ceilings.get(conditions_of(row), math.nan)
        row["ceiling_qps"] = ceiling
        near = row.get("qps", math.nan) >= NEAR_SHARE * ceiling
        row["near_ceiling"] = bool(near and row["in_answers"])


def _ceilings(rows: Sequence[dict[str, Any]]) -> dict[tuple[Any, ...], float]:
    """Conditions to QPS; the newest comes last and stays."""
    measured = [row for row in rows if row["status"] == "ok" and not row["in_answers"]]
    newest_last = sorted(measured, key=lambda row: int(row["sequence"]))
    return {conditions_of(row): row["qps"] for row in newest_last}
