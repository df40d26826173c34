"""The section about latency under load: percentiles against the rate at which queries arrive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from markupsafe import Markup

from harness.report.analysis.points import ComparisonGroup, rows_of
from harness.report.analysis.under_load import (
    DUE,
    LATE,
    LoadedSetting,
    bound_text,
    highest_text,
    offered_text,
    settings_under_load,
)
from harness.report.curve_styles import CurveStyle
from harness.report.quantities import human, quantity
from harness.report.scales import choose_scale, limits
from harness.report.site.pictures import (
    Axis,
    Line,
    Picture,
    Span,
    axis_of,
    drawn,
    height_of,
    with_bounds,
)
from harness.report.site.recommending import grade_of_group
from harness.report.texts import stated_mark, stated_notes
from harness.results.table.columns import Row
from harness.text import Json

_PERCENTILES = {"p99_ms": "solid", "p95_ms": "dash", "p50_ms": "dot"}
_HIGHEST = ("max_rate_qps", "max_rate_qps_low", "max_rate_qps_high")
_HOLLOW = "Hollow marks are such points"
_MOST_NAMED = 24
_MOST_OPEN = 6
"""Of more settings than these, the picture of each is folded away."""


def load_values(group: ComparisonGroup, styles: Mapping[str, CurveStyle]) -> Json:
    """Return pictures and the table of a group under load."""
    settings = settings_under_load(group)
    return {
        "conditions": group.conditions,
        "grade": grade_of_group(group),
        "k": group.k,
        "overview": load_picture(group, styles),
        "pictures": _pictures(group, settings, styles),
        "is_open": len(settings) <= _MOST_OPEN,
        "settings": [_setting(one) for one in settings],
        "notes": [
            DUE,
            *([LATE, _HOLLOW] if group.points["late_generator"].any() else []),
            *stated_notes(group.points["has_answers"]),
        ],
    }


# ---- the table -----------------------------------------------------------------------------------


def _setting(one: LoadedSetting) -> Json:
    rows = [*rows_of(one.at_rates), *rows_of(one.searched)]
    return {
        "algorithm": str(rows[0]["algorithm"]),
        "curve": one.curve,
        "parameters": one.parameters,
        "rows": [_row(row) for row in rows],
    }


def _row(row: Row) -> Json:
    """A point in words: at a given rate, or the highest rate within a bound."""
    recall = f"{row['recall']:.3f}{stated_mark(row['has_answers'])}"
    known = {"recall": recall, "late": bool(row["late_generator"]), "highest": ""}
    if row["offered_qps"] != row["offered_qps"]:
        return known | {"highest": highest_text(row), "bound": f"p99 {bound_text(row)}"}
    return known | {
        "offered": offered_text(row),
        "achieved": human(row["achieved_qps"]),
        "latencies": [human(row[name], "ms") for name in reversed(_PERCENTILES)],
        "dropped": f"{row['dropped_share']:.1%}",
    }


# ---- the pictures --------------------------------------------------------------------------------


def load_picture(group: ComparisonGroup, styles: Mapping[str, CurveStyle]) -> Markup | None:
    """Return p99 of every setting against the rate; None if no setting was asked at a rate."""
    settings = settings_under_load(group)
    drawable = [one for one in settings if len(one.at_rates)]
    if not drawable:
        return None
    lines = [
        _line(one, "p99_ms", styles[one.curve], one.name if number < _MOST_NAMED else "")
        for number, one in enumerate(drawable)
    ]
    label = f"99th percentile of latency against the rate on {group.dataset}: " + ", ".join(
        line.name for line in lines if line.name
    )
    up = _latency_axis(group.points, ["p99_ms"], "p99")
    return _picture(label, lines, _rate_axis(group.points), up, settings, styles)


def _pictures(
    group: ComparisonGroup, settings: Sequence[LoadedSetting], styles: Mapping[str, CurveStyle]
) -> list[Json]:
    """Three percentiles of each setting that was asked at a rate, all on the same axes."""
    across = _rate_axis(group.points)
    up = _latency_axis(group.points, list(_PERCENTILES), "latency")
    return [
        {
            "caption": f"{one.curve} {one.parameters}".strip(),
            "picture": _picture(
                f"latency of {one.name} on {group.dataset} against the rate",
                [
                    _line(one, name, styles[one.curve]._replace(dash=dash), name.split("_")[0])
                    for name, dash in _PERCENTILES.items()
                ],
                across,
                up,
                [one],
                styles,
            ),
        }
        for one in settings
        if len(one.at_rates)
    ]


def _picture(
    label: str,
    lines: Sequence[Line],
    x: Axis,
    y: Axis,
    settings: Sequence[LoadedSetting],
    styles: Mapping[str, CurveStyle],
) -> Markup:
    """A picture with the bounds of p99, and on each the highest rates within it."""
    searched = [(one, row) for one in settings for row in rows_of(one.searched)]
    bounds = sorted({float(row["p99_bound_ms"]) for _, row in searched})
    spans = [_span(styles[one.curve], row) for one, row in searched if row["max_rate_qps"] > 0]
    levels = [(bound, f"bound {human(bound, 'ms')}") for bound in bounds]
    named = sum(bool(line.name) for line in lines)
    return drawn(Picture(label, lines, x, y, levels=levels, spans=spans, height=height_of(named)))


def _span(style: CurveStyle, row: Row) -> Span:
    """The highest rate within a bound, with its interval."""
    value, low, high = (float(row[name]) for name in _HIGHEST)
    return Span(style, value, low, high, float(row["p99_bound_ms"]))


def _line(one: LoadedSetting, column: str, style: CurveStyle, name: str) -> Line:
    rows = one.at_rates
    rates, heights = (rows[c].to_numpy(dtype=np.float64) for c in ("offered_qps", column))
    late = list(map(bool, rows["late_generator"]))
    return Line(name, style, rates, heights, marked=bool(name), hollow=late)


def _rate_axis(points: pd.DataFrame) -> Axis:
    value, *bounds = _HIGHEST
    values = with_bounds(_known(points, ["offered_qps", value]), _known(points, bounds))
    return _axis("queries that arrive per second", "qps", values)


def _latency_axis(points: pd.DataFrame, columns: Sequence[str], title: str) -> Axis:
    return _axis(title, "p99_ms", _known(points, [*columns, "p99_bound_ms"]))


def _axis(title: str, of: str, values: Sequence[float]) -> Axis:
    scale = choose_scale(quantity(of), values)
    ends = limits(np.array(values), scale, quantity(of))
    return axis_of(title, scale, ends, quantity(of).unit)


def _known(points: pd.DataFrame, columns: Sequence[str]) -> list[float]:
    values = np.concatenate([points[name].to_numpy(dtype=np.float64) for name in columns])
    return [float(value) for value in values if np.isfinite(value)]
