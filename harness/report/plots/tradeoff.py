"""Any two quantities against each other, with the Pareto frontier of every algorithm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from numpy.typing import NDArray

from harness.report.analysis.curves import CurvePoints, curves_of, smallest, whole
from harness.report.analysis.points import ComparisonGroup
from harness.report.curve_styles import GREY, CurveStyle
from harness.report.plots.figure import (
    apply_scale,
    conclude,
    listed,
    marker_size,
    new_figure,
    scope_notes,
)
from harness.report.plots.labels import NamedCurve, label_curves
from harness.report.plots.pgf import pgf_text
from harness.report.plots.style import FAINT
from harness.report.quantities import Quantity, Scale, human, quantity
from harness.report.scales import choose_scale
from harness.report.texts import MEASURED
from harness.text import counted

Float64 = NDArray[np.float64]

_BOUND_REACH = 1.3  # bounds stretch an axis by at most this factor beyond the values
_LONGEST_BAR = 0.1  # of the axis: longer bars would fill the figure and are cut
_WIDEST_BAND = 0.2  # wider intervals would hide each other: their bars are enough
_MOST_GREY_NAMES = 6  # more names of grey curves would cover the others
_WIDE_PIXELS = 400  # narrower axes have no space for hints
_NO_OP_REACH = 4.0  # an overhead further above the points than this is off the scale


@dataclass(frozen=True)
class Choices:
    """The user's choices; None leaves them to the figure.

    `codes_only` keeps the smallest index of each build, without copies of the vectors, and joins
    all of these points instead of the frontier.
    """

    x_scale: Scale | None = None
    y_scale: Scale | None = None
    codes_only: bool = False


def tradeoff(
    group: ComparisonGroup,
    styles: Mapping[str, CurveStyle],
    x: str = "recall",
    y: str = "qps",
    choices: Choices | None = None,
) -> Figure:
    """Return a figure of two quantities of a group.

    Parameters
    ----------
    group
        The points.
    styles
        Colour, marker and dash of every curve of the table.
    x, y
        Names of quantities (`harness.report.quantities`).
    choices
        Scales, where the defaults do not suit.

    Raises
    ------
    UserError
        If a quantity is unknown.
    """
    choices = choices or Choices()
    across, up = quantity(x), quantity(y)
    figure = new_figure()
    axes = figure.subplots()
    curves = _curves(group, styles, (across, up), choices)
    shown = _shown(group, curves)
    notes = _notes(group, curves, shown, "qps" in (x, y))
    if across.is_size or up.is_size:
        notes += _mark_measured(axes, curves, across, up)
    no_op_qps = _no_op_qps(group) if up.column == "qps" else None
    _set_axes(axes, group, curves, (across, up), choices, no_op_qps)
    cut = [_draw(axes, c, across, up, greyed=c.name not in shown) for c in curves]
    if any(cut):
        notes.append(f"Bars cut at {counted(sum(cut), 'point')}: their intervals are wider.")
    if no_op_qps is not None and curves:
        notes += _draw_no_op(axes, group, across, no_op_qps)
    names = [item.brief.format(k=group.k) for item in (up, across)]
    title = f"{group.dataset}: {' against '.join(names)}"
    conclude(figure, group, title, notes, empty=not curves)
    greyed = [c for c in curves if c.name not in shown]
    named = [
        NamedCurve(
            c.name,
            FAINT if c in greyed else c.style.colour,
            _values(c.frontier, across),
            _values(c.frontier, up),
        )
        for c in curves
        if c.name in shown or len(greyed) <= _MOST_GREY_NAMES
    ]
    label_curves(axes, named, _cloud(curves, across, up))
    return figure


def tradeoff_source(
    group: ComparisonGroup,
    styles: Mapping[str, CurveStyle],
    x: str = "recall",
    y: str = "qps",
    choices: Choices | None = None,
) -> str:
    """Return the curves of `tradeoff` as LaTeX source for pgfplots; the parameters are the same."""
    choices = choices or Choices()
    across, up = quantity(x), quantity(y)
    curves = _curves(group, styles, (across, up), choices)
    scales = [
        asked or choose_scale(item, [value for c in curves for value in _values(c.frontier, item)])
        for item, asked in ((across, choices.x_scale), (up, choices.y_scale))
    ]
    return pgf_text(group, curves, _shown(group, curves), (across, up), (scales[0], scales[1]))


def _curves(
    group: ComparisonGroup,
    styles: Mapping[str, CurveStyle],
    quantities: tuple[Quantity, Quantity],
    choices: Choices,
) -> list[CurvePoints]:
    if not choices.codes_only:
        return curves_of(group.points, *quantities, styles)
    found = curves_of(smallest(group.points), *quantities, styles)
    return [whole(curve, quantities[0]) for curve in found]


def _shown(group: ComparisonGroup, curves: Sequence[CurvePoints]) -> set[str]:
    """The coloured curves: those that the user highlights, or the most relevant ones."""
    if any(curve.style.is_grey for curve in curves):
        return {curve.name for curve in curves if not curve.style.is_grey}
    return set(group.ranking.shown)


def _notes(
    group: ComparisonGroup, curves: Sequence[CurvePoints], shown: set[str], with_qps: bool
) -> list[str]:
    greyed = {curve.name for curve in curves} - shown
    rivals = greyed & group.ranking.leaders
    groups = {", nowhere among the fastest": greyed - rivals, ", for want of colours": rivals}
    if any(curve.style.is_grey for curve in curves):
        groups = {"": greyed}
    notes = [f"In grey{words}: {listed(names)}." for words, names in groups.items() if names]
    scopes = {str(scope) for c in curves if with_qps for scope in c.frontier["qps_scope"]}
    return notes + scope_notes(scopes)


def _set_axes(
    axes: Axes,
    group: ComparisonGroup,
    curves: Sequence[CurvePoints],
    quantities: tuple[Quantity, Quantity],
    choices: Choices,
    no_op_qps: float | None,
) -> None:
    points = pd.concat([c.points for c in curves]) if curves else group.points.iloc[:0]
    frontier = pd.concat([c.frontier for c in curves]) if curves else points
    asked = (choices.x_scale, choices.y_scale)
    for which, item, wanted in zip("xy", quantities, asked, strict=True):
        values = _values(points, item)
        scale = wanted or choose_scale(item, list(_values(frontier, item)))
        room = [*values, *_bounds(frontier, item)]
        if which == "y" and no_op_qps is not None:
            room += [no_op_qps] if no_op_qps < _NO_OP_REACH * np.max(room, initial=0) else []
        apply_scale(axes, which, scale, item, room)
        words = item.title.format(k=group.k)
        better = "more" if item.more_is_better else "less"
        hint = f"  ({better} is better)" if axes.bbox.width > _WIDE_PIXELS else ""
        (axes.set_xlabel if which == "x" else axes.set_ylabel)(f"{words}{hint}")


def _bounds(points: pd.DataFrame, item: Quantity) -> list[float]:
    """The ends of the intervals, cut if wide ones would shrink the rest of the figure."""
    if f"{item.column}_low" not in points or points.empty:
        return []
    values = _values(points, item)
    low = points[f"{item.column}_low"].to_numpy(dtype=np.float64)
    high = points[f"{item.column}_high"].to_numpy(dtype=np.float64)
    low = np.fmax(low, values.min() / _BOUND_REACH)
    high = np.fmin(high, values.max() * _BOUND_REACH)
    return [*low[np.isfinite(low)], *high[np.isfinite(high)]]


def _draw(axes: Axes, curve: CurvePoints, x: Quantity, y: Quantity, *, greyed: bool) -> int:
    """Draw a curve and return how many of its points have a bar that is cut."""
    colour = GREY if greyed else curve.style.colour
    front_x, front_y = _values(curve.frontier, x), _values(curve.frontier, y)
    behind = curve.points.drop(index=curve.frontier.index)
    axes.plot(_values(behind, x), _values(behind, y), curve.style.marker, color=colour, alpha=0.25,
              markersize=3.2, markeredgewidth=0, zorder=2)  # fmt: skip
    axes.plot(front_x, front_y, color=colour, marker=curve.style.marker,
              linestyle=curve.style.line, markersize=marker_size(curve.style),
              alpha=0.5 if greyed else 1.0,
              linewidth=0.9 if greyed else None, markeredgecolor="white", markeredgewidth=0.6,
              zorder=3 if greyed else 4)  # fmt: skip
    if greyed:
        return 0
    x_bars, x_cut = _bars(axes.xaxis, curve.frontier, x)
    y_bars, y_cut = _bars(axes.yaxis, curve.frontier, y)
    axes.errorbar(front_x, front_y, xerr=x_bars, yerr=y_bars, fmt="none", ecolor=colour,
                  elinewidth=1.0, alpha=0.6, zorder=3)  # fmt: skip
    narrow = y_bars is not None and bool((y_bars < _WIDEST_BAND * front_y).all())
    if y_bars is not None and narrow and len(front_x) > 1 and not y_cut.any():
        axes.fill_between(front_x, front_y - y_bars[0], front_y + y_bars[1], color=colour,
                          alpha=0.12, linewidth=0, zorder=1)  # fmt: skip
    return int((x_cut | y_cut).sum())


def _mark_measured(
    axes: Axes, curves: Sequence[CurvePoints], x: Quantity, y: Quantity
) -> list[str]:
    """Draw points with a measured size hollow, and return a note about it."""
    points = pd.concat([c.points for c in curves]) if curves else pd.DataFrame({"size_scope": []})
    measured = points[points["size_scope"].isin(MEASURED)]
    if measured.empty:
        return []
    axes.plot(_values(measured, x), _values(measured, y), "o", color="white", zorder=7,
              markersize=0.45 * float(mpl.rcParams["lines.markersize"]))  # fmt: skip
    named = listed(set(map(str, measured["curve"])))
    below = measured["size_scope"] == "measured, below the rows"
    lacking = f" ({int(below.sum())} of them less than the rows alone take)" if below.any() else ""
    return [f"Hollow: size measured as growth of memory, not computed{lacking}: {named}."]


def _draw_no_op(axes: Axes, group: ComparisonGroup, x: Quantity, no_op_qps: float) -> list[str]:
    """Draw the QPS of `no-op`, and rings around the points that come near to it."""
    top = axes.get_ylim()[1]
    far = ", far above" if no_op_qps > top else ""
    axes.axhline(min(no_op_qps, top), color=GREY, linestyle=(0, (1, 2)), linewidth=1.5, zorder=1)
    axes.annotate(f"harness overhead (no-op): {human(no_op_qps)}{far}",
                  (0.99, min(no_op_qps, top)), xycoords=("axes fraction", "data"), xytext=(0, -3),
                  textcoords="offset points", color=FAINT, size="x-small", va="top",
                  ha="right")  # fmt: skip
    near = group.points[group.points["near_no_op"]]
    if near.empty:
        return []
    axes.plot(_values(near, x), near["qps"], "o", markersize=11, markerfacecolor="none",
              markeredgecolor=GREY, zorder=5)  # fmt: skip
    return ["Ringed points are within a factor of 2 of the harness overhead (no-op)."]


def _no_op_qps(group: ComparisonGroup) -> float | None:
    speeds = group.no_op["qps"].dropna().tolist() if len(group.no_op) else []
    return float(max(speeds)) if speeds else None


def _cloud(curves: Sequence[CurvePoints], x: Quantity, y: Quantity) -> Float64:
    if not curves:
        return np.empty((0, 2))
    points = pd.concat([curve.points for curve in curves])
    return np.column_stack([_values(points, x), _values(points, y)])


def _bars(
    axis: Axis, points: pd.DataFrame, item: Quantity
) -> tuple[Float64 | None, NDArray[np.bool_]]:
    """`(2, points)` lengths of the error bars, None if no interval is known, and which are cut."""
    values = _values(points, item)
    if f"{item.column}_low" not in points:
        return None, np.zeros(len(values), dtype=bool)
    scale = axis.get_transform()
    start, stop = scale.transform(np.sort(axis.get_view_interval()))
    longest, at = _LONGEST_BAR * (stop - start), scale.transform(values)
    bars, cut = [], []
    for end, side in (("low", -1), ("high", 1)):
        bound = points[f"{item.column}_{end}"].to_numpy(dtype=np.float64)
        known = np.where(np.isfinite(bound), bound, values)
        cut.append(side * (scale.transform(known) - at) > longest)
        reach = np.where(cut[-1], scale.inverted().transform(at + side * longest), known)
        bars.append(np.maximum(side * (reach - values), 0.0))
    return (np.array(bars) if np.any(bars) else None), np.any(cut, axis=0)


def _values(points: pd.DataFrame, item: Quantity) -> Float64:
    return points[item.column].to_numpy(dtype=np.float64)
