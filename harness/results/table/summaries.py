"""Summaries of points: made from rows of the table, and the columns that they give."""

from __future__ import annotations

from math import nan

import numpy as np

from harness.measures.speed import typical_difference
from harness.measures.verdicts import Speeds
from harness.results.point import StoredPoint
from harness.results.summary import (
    AMOUNTS,
    CURVES,
    CURVES_OF_FIRST,
    SHARES,
    BuildSummary,
    Summary,
)
from harness.results.table.columns import Row
from harness.results.table.loads import asked_columns
from harness.results.table.recalls import curve_columns
from harness.results.table.sizes import size_columns
from harness.results.table.speeds import columns_of_speeds, speeds_of_row


def summarized(point: StoredPoint, row: Row) -> Summary:
    """Return the summary of a stored point, from the point and its row of the table."""
    speeds = speeds_of_row(row)
    parts = (speeds.blocks, speeds.log_seconds.tolist(), speeds.levels, speeds.reference_levels)
    return Summary(
        header=point.header,
        builds=[
            BuildSummary(build.number, len(build.walls), build.facts, build.provenance, *rounds)
            for build, *rounds in zip(point.builds, *parts, strict=True)
        ],
        curves={name: row[name] for name in (*CURVES, *CURVES_OF_FIRST)},
        numbers={n: float(row[n]) for n in (*SHARES, *AMOUNTS) if np.isfinite(row[n])},
        warnings=row["warnings"],
        nondeterministic=bool(row["nondeterministic"]),
        by_filter=row["by_filter"],
    )


def summary_columns(summary: Summary) -> Row:
    """Return the columns of a point of which nothing but its summary is stored.

    All that can be computed from a summary is computed anew. What takes a row for each query, such
    as the difference in recall between two points, has no columns.
    """
    identity, numbers = summary.header.identity, summary.numbers
    load = identity.load
    curves = curve_columns("recall", identity.k, *(summary.curves[name] for name in CURVES))
    first = [summary.curves[name] for name in CURVES_OF_FIRST]
    return {
        "log_tail": "",
        **curves,
        **curve_columns("first_recall", identity.k, *first),
        **columns_of_speeds(_speeds(summary)),
        **({} if load is None else asked_columns(load, numbers["late_start_share"])),
        **size_columns(summary.header, [build.facts for build in summary.builds]),
        **{name: numbers.get(name, nan) for name in (*SHARES, *AMOUNTS)},
        "warnings": summary.warnings,
        "nondeterministic": summary.nondeterministic,
        "by_filter": dict(summary.by_filter),
    }


def _speeds(summary: Summary) -> Speeds:
    builds = summary.builds
    seconds = [build.typical_log_seconds for build in builds]
    reference = [
        own - typical_difference(build.levels, build.reference_levels)
        for own, build in zip(seconds, builds, strict=True)
    ]
    return Speeds(
        blocks=tuple(build.block for build in builds),
        log_seconds=np.array(seconds),
        reference=np.array(reference),
        levels=tuple(build.levels for build in builds),
        reference_levels=tuple(build.reference_levels for build in builds),
    )
