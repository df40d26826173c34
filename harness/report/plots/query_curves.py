"""Figures of single queries: latency, recall by difficulty, and recall 1@N."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from numpy.typing import NDArray

from harness.report.analysis import by_query
from harness.report.analysis.by_query import MOST_CURVES, compared_at
from harness.report.analysis.points import ComparisonGroup, rows_of, title_of
from harness.report.analysis.recommendations import representatives
from harness.report.curve_styles import GREY, CurveStyle
from harness.report.plots.figure import apply_scale, conclude, marker_size, new_figure
from harness.report.plots.labels import NamedCurve, label_curves
from harness.report.quantities import quantity

Float64 = NDArray[np.float64]

_SHOWN_SHARE = 0.999  # the slowest of a thousand queries would stretch the axis


def latency_distribution(
    group: ComparisonGroup, styles: Mapping[str, CurveStyle], level: float | None = None
) -> Figure | None:
    """Return the share of queries answered within a time, for each curve at one recall.

    By default at the recall that the most curves reach. None if no point reaches it or no times are
    stored.
    """
    level, rows = compared_at(group, "query_seconds", level)
    if level is None:
        return None
    figure = new_figure()
    axes = figure.subplots()
    named, longest = [], []
    for row in rows_of(rows.sort_values("curve", kind="stable")):
        style = styles[row["curve"]]
        times = np.sort(1e3 * row["query_seconds"])
        shares = np.arange(1, len(times) + 1) / len(times)
        kept = shares <= max(_SHOWN_SHARE, shares[0])
        axes.plot(times, shares, style.line, color=style.colour, drawstyle="steps-post",
                  marker=style.marker, markevery=max(1, len(times) // 5))  # fmt: skip
        named.append(NamedCurve(row["curve"], style.colour, times[kept], shares[kept]))
        longest += [times[0], times[kept][-1]]
    apply_scale(axes, "x", "log", quantity("p50_ms"), longest)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("time of a query (less is better)")
    axes.set_ylabel("share of queries answered")
    title = f"{group.dataset}: latency at recall {level:g}"
    notes = ["Each query's time is the median of its repeats.", *_left_out(group, level)]
    conclude(figure, group, title, notes)
    label_curves(axes, named)
    return figure


def recall_by_difficulty(
    group: ComparisonGroup, styles: Mapping[str, CurveStyle], level: float | None = None
) -> Figure | None:
    """Return the recall of the easiest to the hardest tenth of the queries, at one mean recall.

    See `harness.report.analysis.by_query`. None as above.
    """
    found = by_query.recall_by_difficulty(group, level)
    if found is None:
        return None
    figure = new_figure()
    axes = figure.subplots()
    tenths = np.arange(1, 11, dtype=np.float64)
    named = []
    for name, means in found.recalls.items():
        style = styles[name]
        axes.plot(tenths, means, style.line, color=style.colour, marker=style.marker)
        named.append(NamedCurve(name, style.colour, tenths, means))
    _set_tenths(axes, tenths, group.k, found.difficulty)
    title = f"{group.dataset}: who misses the hard queries?"
    words = f"Each algorithm's fastest point of recall {found.level:g} or more. "
    words += _HARD if found.difficulty is not None else _MISSED
    conclude(figure, group, title, [words, *_left_out(group, found.level)])
    label_curves(axes, named)
    return figure


_HARD = "Hard queries have a high local intrinsic dimensionality (LID), from their true neighbours."
_MISSED = "Hard queries are those that all points together answered worst."


def _left_out(group: ComparisonGroup, level: float) -> list[str]:
    number = len(representatives(group, level)) - MOST_CURVES
    return [f"{number} slower ones are not shown."] if number > 0 else []


def _set_tenths(axes: Axes, tenths: Float64, k: int, medians: Float64 | None) -> None:
    """Label the ticks with the median difficulty of each tenth, if it is known."""
    if medians is None:
        words = ["easiest", *(str(int(tenth)) for tenth in tenths[1:-1]), "hardest"]
    else:
        words = [f"{median:.0f}" for median in medians]
    axes.set_xticks(tenths, words)
    axes.set_ylim(top=1.03)
    measure = "" if medians is None else ": median LID, easiest to hardest"
    axes.set_xlabel(f"tenth of the queries{measure}")
    axes.set_ylabel(f"recall@{k}")


_MOST_RECALL_CURVES = 6
_AS_FAST = 1.5  # settings of one index differ less in speed by chance


def recall_curves(group: ComparisonGroup, styles: Mapping[str, CurveStyle]) -> Figure:
    """Return recall 1@N against N = 1..k, one curve for each label, bands where known.

    For each label, one setting with the most common code size is coloured, so that equal sizes are
    compared: of the settings about as fast as the fastest, the one with the highest curve. The
    others are grey.
    """
    figure = new_figure()
    axes = figure.subplots()
    points = group.points
    points = points[[isinstance(curve, np.ndarray) for curve in points["first_recall_curve"]]]
    chosen = _chosen(points)
    others = points.drop(index=chosen.index)
    ranks = np.arange(1, group.k + 1)
    for row in rows_of(others):
        axes.plot(ranks, row["first_recall_curve"], color=GREY, alpha=0.3, linewidth=0.8, zorder=1)
    named = [_draw(axes, row, ranks, styles[row["curve"]]) for row in rows_of(chosen)]
    _set_axes(axes, group)
    title = f"{group.dataset}: is the nearest among the first N? recall 1@N"
    notes = [f"In grey: {len(others)} further settings."] if len(others) else []
    conclude(figure, group, title, notes, empty=points.empty)
    label_curves(axes, named)
    return figure


def _chosen(points: pd.DataFrame) -> pd.DataFrame:
    """The best of the fastest points of each label, of the index size that most labels share.

    Of equally common sizes, the largest below that of the raw vectors is used, so that codes are
    compared and not copies of the vectors.
    """
    if points.empty:
        return points
    size = points["bytes_per_vector"].round(0)
    labels = points.groupby(size, dropna=False)["curve"].nunique()
    order = sorted(labels.index, key=lambda b: (labels[b], b < 4 * points["d"].max(), b))
    near = (size - order[-1]).abs() <= 0.1 * abs(order[-1])
    ordered = points.assign(_far=~near)
    best = [_best_of(rows) for _, rows in ordered.groupby("curve", sort=True)]
    return points.loc[best[:_MOST_RECALL_CURVES]]


def _best_of(rows: pd.DataFrame) -> Any:
    """The index of the highest curve among the rows that are about as fast as the fastest."""
    equals = rows[rows["_far"] == rows["_far"].min()]
    slow = equals["qps"] < equals["qps"].max() / _AS_FAST
    fast = equals[~slow]  # an unknown speed is not slow
    return fast["first_recall_curve"].map(np.mean).idxmax()


def _draw(axes, row, ranks, style) -> NamedCurve:  # type: ignore[no-untyped-def]
    curve = row["first_recall_curve"]
    marks = sorted({int(i) for i in np.unique(np.geomspace(1, len(ranks), 8).round()) - 1})
    axes.plot(ranks, curve, style.line, color=style.colour, marker=style.marker, markevery=marks,
              markersize=marker_size(style), markeredgecolor="white", markeredgewidth=0.6,
              zorder=3)  # fmt: skip
    low, high = row["first_recall_low_curve"], row["first_recall_high_curve"]
    axes.fill_between(ranks, low, high, color=style.colour, alpha=0.13, linewidth=0, zorder=2)
    name = title_of(row)
    return NamedCurve(name, style.colour, ranks, curve)


def _set_axes(axes, group: ComparisonGroup) -> None:  # type: ignore[no-untyped-def]
    axes.set_xscale("log")
    ticks = [n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if n <= group.k]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlim(0.93, max(group.k, 2) * 1.07)
    axes.set_ylim(min(axes.get_ylim()[0], 0.9), 1.03)
    axes.set_xlabel("N, answers looked at")
    axes.set_ylabel("recall 1@N")
