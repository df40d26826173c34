"""The figure of filtered search: QPS and recall against selectivity, by correlation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from harness.measures.filtering import CORRELATIONS, Correlation, FilterClass
from harness.measures.interval import Interval
from harness.report.analysis.by_filter import (
    LEVEL,
    FilteredPoint,
    best_of_curves,
    classes_of,
    crossings_in_words,
    filtered_points,
    fixed_points,
)
from harness.report.analysis.points import ComparisonGroup
from harness.report.curve_styles import CurveStyle
from harness.report.plots.figure import apply_scale, conclude, marker_size, new_figure
from harness.report.quantities import quantity

_WIDE = 3000.0  # the largest selectivity over the smallest
_TITLES: Mapping[Correlation, str] = {
    "positive": "matches nearer than at random",
    "none": "as near",
    "negative": "farther",
}


def by_selectivity(
    group: ComparisonGroup, styles: Mapping[str, CurveStyle], level: float | None = None
) -> Figure | None:
    """Return QPS at a recall, and recall of one setting, against the selectivity of the filters.

    A column for each correlation. None if no query has a filter.
    """
    level = LEVEL if level is None else level
    points = filtered_points(group)
    shown = [one for one in CORRELATIONS if classes_of(points, one)]
    if not shown:
        return None
    figure = new_figure(1.5)
    axes = figure.subplots(2, len(shown), sharex="col", sharey="row", squeeze=False)
    fixed = fixed_points(group, points, level)
    for column, correlation in enumerate(shown):
        _draw_speed(axes[0, column], points, correlation, level, styles)
        _draw_recall(axes[1, column], fixed, correlation, styles)
        axes[0, column].set_title(_TITLES[correlation], fontsize="medium")
    speeds = [point.qps.value for point in points if point.filters in _classes(points)]
    apply_scale(axes[0, 0], "y", "log", quantity("qps"), speeds)
    axes[1, 0].set_ylim(-0.03, 1.03)
    _set_shares(axes[1], [one.selectivity for one in _classes(points)])
    axes[1, len(shown) // 2].set_xlabel("share of rows that match")
    axes[0, 0].set_ylabel(f"QPS at recall {level:g}")
    axes[1, 0].set_ylabel(f"recall@{group.k}, one setting")
    _name_curves(figure, axes[0])
    title = f"{group.dataset}: filtered search at recall {level:g}"
    conclude(figure, group, title, _notes(points, level))
    return figure


def _classes(points: list[FilteredPoint]) -> list[FilterClass]:
    return [one for correlation in CORRELATIONS for one in classes_of(points, correlation)]


def _set_shares(row: Sequence[Axes], shares: Sequence[float]) -> None:
    step = 2 if max(shares) > _WIDE * min(shares) else 1  # else the labels touch each other
    ticks = [10.0**power for power in range(-6, 1, step)]
    for axes in row:
        axes.set_xscale("log")
        axes.set_xlim(min(shares) / 1.5, max(shares) * 1.5)
        axes.xaxis.set_major_locator(FixedLocator(ticks))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))


def _notes(points: list[FilteredPoint], level: float) -> list[str]:
    notes = [one.capitalize() + "." for one in crossings_in_words(points, level)]
    above = "Above: each curve's fastest setting that reaches the recall on these queries."
    below = "Below: its fastest setting that reaches it over all, or its best."
    return [*notes, f"{above} {below}"]


def _draw_speed(
    axes: Axes,
    points: list[FilteredPoint],
    correlation: Correlation,
    level: float,
    styles: Mapping[str, CurveStyle],
) -> None:
    lines: dict[str, list[FilteredPoint]] = {}
    for filters in classes_of(points, correlation):
        for curve, point in best_of_curves(points, filters, level).items():
            lines.setdefault(curve, []).append(point)
    for curve in sorted(lines):
        _draw(axes, lines[curve], [point.qps for point in lines[curve]], styles[curve])


def _draw_recall(
    axes: Axes,
    fixed: Mapping[str, list[FilteredPoint]],
    correlation: Correlation,
    styles: Mapping[str, CurveStyle],
) -> None:
    for curve in sorted(fixed):
        chosen = dict.fromkeys(classes_of(fixed[curve], correlation))
        line = [next(p for p in fixed[curve] if p.filters == filters) for filters in chosen]
        _draw(axes, line, [point.recall for point in line], styles[curve])


def _draw(
    axes: Axes, line: Sequence[FilteredPoint], values: Sequence[Interval], style: CurveStyle
) -> None:
    x = [point.filters.selectivity for point in line]
    y = np.array([value.value for value in values])
    bars = [[value.value - value.low, value.high - value.value] for value in values]
    spread = np.nan_to_num(np.array(bars).T) if line else None
    label = line[0].curve if line else None
    axes.errorbar(x, y, spread, fmt=style.line, color=style.colour, marker=style.marker,
                  markersize=marker_size(style), label=label)  # fmt: skip


def _name_curves(figure: Figure, row: Sequence[Axes]) -> None:
    named = {
        str(name): handle
        for axes in row
        for handle, name in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    if named:
        figure.legend(named.values(), named.keys(), loc="outside right center", fontsize="small")
