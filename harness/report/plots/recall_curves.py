"""Recall 1@N against N: whether the true nearest neighbour is among the first N ids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from harness.report.looks import GREY, Look
from harness.report.plots.figure import conclude, marker_size, new_figure
from harness.report.plots.labels import NamedCurve, label_curves
from harness.report.points import Scene, rows_of

_MOST = 6
_AS_FAST = 1.5  # settings of one index differ less in speed by chance


def recall_curves(scene: Scene, looks: Mapping[str, Look]) -> Figure:
    """Return recall 1@N against N = 1..k, one curve for each label, bands where known.

    For each label, one setting with the most common code size is coloured, so that equal sizes are
    compared: of the settings about as fast as the fastest, the one with the highest curve. The
    others are grey.
    """
    figure = new_figure()
    axes = figure.subplots()
    points = scene.points
    points = points[[isinstance(curve, np.ndarray) for curve in points["first_recall_curve"]]]
    chosen = _chosen(points)
    others = points.drop(index=chosen.index)
    ranks = np.arange(1, scene.k + 1)
    for row in rows_of(others):
        axes.plot(ranks, row["first_recall_curve"], color=GREY, alpha=0.3, linewidth=0.8, zorder=1)
    named = [_draw(axes, row, ranks, looks[row["curve"]]) for row in rows_of(chosen)]
    _set_axes(axes, scene)
    title = f"{scene.dataset}: is the nearest among the first N? recall 1@N"
    notes = [f"In grey: {len(others)} further settings."] if len(others) else []
    conclude(figure, scene, title, notes, empty=points.empty)
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
    return points.loc[best[:_MOST]]


def _best_of(rows: pd.DataFrame) -> Any:
    """The index of the highest curve among the rows that are about as fast as the fastest."""
    equals = rows[rows["_far"] == rows["_far"].min()]
    fast = equals[equals["qps"] >= equals["qps"].max() / _AS_FAST]
    return fast["first_recall_curve"].map(np.mean).idxmax()


def _draw(axes, row, ranks, look) -> NamedCurve:  # type: ignore[no-untyped-def]
    curve = row["first_recall_curve"]
    marks = sorted({int(i) for i in np.unique(np.geomspace(1, len(ranks), 8).round()) - 1})
    axes.plot(ranks, curve, look.line, color=look.colour, marker=look.marker, markevery=marks,
              markersize=marker_size(look), markeredgecolor="white", markeredgewidth=0.6,
              zorder=3)  # fmt: skip
    low, high = row.get("first_recall_low_curve"), row.get("first_recall_high_curve")
    if isinstance(low, np.ndarray) and isinstance(high, np.ndarray):
        axes.fill_between(ranks, low, high, color=look.colour, alpha=0.13, linewidth=0, zorder=2)
    name = f"{row['curve']}  {row['words']}".strip()
    return NamedCurve(name, look.colour, ranks, curve)


def _set_axes(axes, scene: Scene) -> None:  # type: ignore[no-untyped-def]
    axes.set_xscale("log")
    ticks = [n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if n <= scene.k]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlim(0.93, max(scene.k, 2) * 1.07)
    axes.set_ylim(min(axes.get_ylim()[0], 0.9), 1.03)
    axes.set_xlabel("N, answers looked at")
    axes.set_ylabel("recall 1@N")
