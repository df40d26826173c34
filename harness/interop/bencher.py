"""Results as Bencher reads them, to watch them over commits: its JSON (Bencher Metric Format)."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pandas as pd

from harness.contracts import UserError
from harness.files.replacing import write_text
from harness.report.analysis.points import prepare, rows_of
from harness.results.table.columns import Row
from harness.text import clean, counted

_NAME_CHARACTERS = 1024

_MEASURES = (
    ("throughput", "qps", 1.0, True),
    ("latency", "p50_ms", 1e6, False),
    ("recall", "recall", 1.0, True),
    ("build-time", "build_seconds", 1.0, True),
    ("index-size", "index_bytes", 1.0, False),
)
"""Measure, column, the factor to its unit, and whether the column has bounds.

Bencher's own units: operations a second, nanoseconds, seconds, bytes.
"""

Metric = dict[str, float]


def write_bencher(table: pd.DataFrame, path: Path) -> None:
    """Write a benchmark for each finished point, with value, lower and upper bound of each measure.

    Figures that are not known are left out; the latency is the median. Points under load are left
    out too: their QPS is what was offered.

    Raises
    ------
    UserError
        If the file does not end in `.json` or cannot be written, or two points have one name, as
        those of several machines do.
    """
    if path.suffix.lower() != ".json":
        raise UserError("Bencher reads JSON", where=str(path), expected="a name in .json")
    measured = (table["status"] == "ok") & table["in_answers"] & (table["mode"] != "load")
    finished = prepare(table[measured], stale=True)
    if finished.empty:
        raise UserError("no finished point to export", where=str(path))
    benchmarks: dict[str, dict[str, Metric]] = {}
    for row in rows_of(finished):
        name = _name(row)
        if name in benchmarks:
            raise UserError(
                "two points would be one benchmark",
                where=name,
                hint="export those of one machine and version alone (results, without stale)",
            )
        benchmarks[name] = _metrics(row)
    text = json.dumps(benchmarks, indent=1, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def _name(row: Row) -> str:
    facts = [row["dataset"], f"k={row['k']}", row["curve"], row["parameters"]]
    facts += [row["mode"]] if row["mode"] != "single" else []
    facts += [counted(row["threads"], "thread")] if row["threads"] != 1 else []
    return clean(" ".join(str(fact) for fact in facts if fact), _NAME_CHARACTERS)


def _metrics(row: Row) -> dict[str, Metric]:
    found = {
        measure: _metric(row, column, factor, bounded)
        for measure, column, factor, bounded in _MEASURES
    }
    return {measure: metric for measure, metric in found.items() if "value" in metric}


def _metric(row: Row, column: str, factor: float, bounded: bool) -> Metric:
    columns = {"value": column}
    if bounded:
        columns |= {"lower_value": f"{column}_low", "upper_value": f"{column}_high"}
    values = {name: factor * float(row[one]) for name, one in columns.items()}
    return {name: value for name, value in values.items() if math.isfinite(value)}
