"""The figure of latency under load: percentiles against the rate at which queries arrive."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.report.analysis.points import ComparisonGroup, rows_of
from harness.report.analysis.under_load import settings_under_load
from harness.report.curve_styles import GREY, CurveStyle
from harness.report.plots.figure import apply_scale, conclude, marker_size, new_figure
from harness.report.plots.labels import NamedCurve, label_curves
from harness.report.quantities import human, quantity


def latency_under_load(group: ComparisonGroup, styles: Mapping[str, CurveStyle]) -> Figure | None:
    """Return p99 (solid) and the median (dotted) against the offered rate, a line for each setting.

    A bound of p99 is a horizontal line, and the highest rate within it a bar on that line. Hollow
    markers are points at which the load generator did not keep the schedule. None if there is no
    point at a given rate.
    """
    offered = group.points[group.points["offered_qps"].notna()]
    if offered.empty:
        return None
    figure = new_figure()
    axes = figure.subplots()
    named = []
    for setting in settings_under_load(group):
        rows, style = setting.at_rates, styles[setting.curve]
        if rows.empty:
            continue
        rates = rows["offered_qps"].to_numpy(dtype=np.float64)
        p99 = rows["p99_ms"].to_numpy(dtype=np.float64)
        axes.plot(rates, p99, style.line, color=style.colour)
        axes.plot(rates, rows["p50_ms"], ":", color=style.colour)
        for rate, height, late in zip(rates, p99, rows["late_generator"], strict=True):
            axes.plot(rate, height, style.marker, color=style.colour, ms=marker_size(style),
                      mfc="white" if late else style.colour)  # fmt: skip
        named.append(NamedCurve(setting.curve, style.colour, rates, p99))
    searched = group.points[group.points["p99_bound_ms"].notna()]
    heights = [*offered["p99_ms"], *offered["p50_ms"], *searched["p99_bound_ms"]]
    apply_scale(axes, "y", "log", quantity("p99_ms"), heights)
    highest = searched["max_rate_qps"].dropna()
    apply_scale(axes, "x", "log", quantity("qps"), [*offered["offered_qps"], *highest])
    _draw_bounds(axes, group, styles)
    axes.set_xlabel("queries that arrive per second (more is better)")
    axes.set_ylabel("latency (less is better)")
    notes = ["Solid: 99th percentile, dotted: median, from when a query was due."]
    if offered["late_generator"].any():
        notes.append("Hollow: the load generator did not keep the schedule.")
    conclude(figure, group, f"{group.dataset}: latency under load", notes)
    label_curves(axes, named)
    return figure


def _draw_bounds(axes: Axes, group: ComparisonGroup, styles: Mapping[str, CurveStyle]) -> None:
    searched = group.points[group.points["p99_bound_ms"].notna()]
    for bound in sorted(set(searched["p99_bound_ms"])):
        axes.axhline(bound, color=GREY, lw=0.8)
        axes.annotate(f"bound {human(bound, 'ms')}", (1, bound), xycoords=("axes fraction", "data"),
                      ha="right", va="bottom", color=GREY, size="small")  # fmt: skip
    for row in rows_of(searched):
        colour, bound = styles[row["curve"]].colour, row["p99_bound_ms"]
        axes.plot([row["max_rate_qps_low"], row["max_rate_qps_high"]], [bound] * 2, color=colour)
        axes.plot(row["max_rate_qps"], bound, "|", color=colour, ms=10)
