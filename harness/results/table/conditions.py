"""QPS at equal conditions, and the QPS that the harness itself allows."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from harness.results.table.columns import Row

_FIGURES = ("qps", "qps_low", "qps_high")
CONDITIONS = ("dataset", "k", "mode", "threads", "machine")
"""The columns in which two rows must agree to be compared."""

Conditions = tuple[str | int, ...]


def conditions_of(row: Row) -> Conditions:
    """Return what two rows must have in common to be compared."""
    return tuple(row[name] for name in CONDITIONS)


def adjust_qps(rows: Sequence[Row]) -> None:
    """Set `qps` and its bounds to what each point would reach at the mean conditions of its group.

    A group holds the rows of one dataset, k, mode, number of threads and machine. Its conditions
    are the mean over its blocks of the reference index's log seconds; stale rows do not count
    unless there are no others. Rows with slower blocks are raised by that factor.
    `measured_qps` keeps the QPS as measured; rows with a build without reference keep it as `qps`.
    """
    groups = defaultdict(list)
    for row in rows:
        if row["status"] == "ok":
            row["measured_qps"] = row["qps"]
            groups[conditions_of(row)].append(row)
    for group in groups.values():
        blocks = _references([row for row in group if not row["stale"]]) or _references(group)
        if blocks:
            _adjust(group, float(np.mean([np.mean(values) for values in blocks.values()])))


def _references(rows: Iterable[Row]) -> dict[str, list[float]]:
    """The log seconds of the reference index in each block, as its builds recorded them."""
    blocks = defaultdict(list)
    for block, reference in _builds(rows):
        if block and math.isfinite(reference):
            blocks[block].append(reference)
    return blocks


def _builds(rows: Iterable[Row]) -> Iterator[tuple[str, float]]:
    for row in rows:
        yield from zip(row["block_ids"], row["reference_log_seconds"].tolist(), strict=True)


def _adjust(rows: Iterable[Row], conditions: float) -> None:
    for row in rows:
        own = float(np.mean(row["reference_log_seconds"]))
        if math.isfinite(own):
            row.update({name: row[name] * math.exp(own - conditions) for name in _FIGURES})


def count_build_queries(rows: Sequence[Row]) -> None:
    """Set `build_queries`, the queries that take as long as the build, by the adjusted QPS."""
    for row in rows:
        if row["status"] == "ok":
            row["build_queries"] = row["build_seconds"] * row["qps"]


NEAR_SHARE = 0.5
"""Points from this share of the no-op QPS on are marked: half of their time is overhead."""


def mark_near_no_op(rows: Sequence[Row]) -> None:
    """Set the columns `no_op_qps` and `near_no_op` to rows of the results table.

    `no_op_qps` is the QPS of the newest point of `no-op` with the same dataset, k, mode, number
    of threads and machine; NaN if none was measured, and then no row is near.
    """
    no_ops = _no_op_qps(rows)
    for row in rows:
        no_op_qps = no_ops.get(conditions_of(row), math.nan)
        row["no_op_qps"] = no_op_qps
        row["near_no_op"] = bool(row["in_answers"] and row["qps"] >= NEAR_SHARE * no_op_qps)


def _no_op_qps(rows: Sequence[Row]) -> dict[Conditions, float]:
    """QPS of `no-op` by conditions; of several the newest."""
    measured = [row for row in rows if row["status"] == "ok" and not row["in_answers"]]
    newest_last = sorted(measured, key=lambda row: int(row["sequence"]))
    return {conditions_of(row): row["qps"] for row in newest_last}
