"""Figures of single queries: how latency is spread, and which queries are missed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.report.curves import distinct_looks
from harness.report.fastest import common_level, representatives
from harness.report.looks import Look
from harness.report.plots.figure import conclude, new_figure
from harness.report.plots.labels import NamedCurve, label_curves
from harness.report.plots.scales import apply_scale
from harness.report.points import Scene, rows_of
from harness.report.quantities import quantity

_MOST = 8
_GROUPS = 10
_SHOWN_SHARE = 0.999  # the slowest query of a thousand would stretch the axis


def latency_distribution(scene: Scene, looks: Mapping[str, Look]) -> Figure | None:
    """Return the share of queries answered within a time, for each curve at one recall.

    None if no point reaches any of the usual recalls or no times are stored.
    """
    level, rows = _compared(scene, "query_seconds")
    if level is None:
        return None
    figure = new_figure()
    axes = figure.subplots()
    named, longest = [], []
    for row, look in distinct_looks(rows, looks):
        times = np.sort(1e3 * row["query_seconds"])
        shares = np.arange(1, len(times) + 1) / len(times)
        kept = shares <= max(_SHOWN_SHARE, shares[0])
        axes.plot(times, shares, look.line, color=look.colour, drawstyle="steps-post")
        named.append(NamedCurve(row["curve"], look.colour, times[kept], shares[kept]))
        longest += [times[0], times[kept][-1]]
    apply_scale(axes, "x", "log", quantity("p50_ms"), longest)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("time of a query (less is better)")
    axes.set_ylabel("share of the queries answered by then")
    title = f"{scene.dataset}: latency at recall {level:g}"
    notes = ["Each query's time is its median over repeats and builds."]
    conclude(figure, scene, title, notes)
    label_curves(axes, named)
    return figure


def recall_by_difficulty(scene: Scene, looks: Mapping[str, Look]) -> Figure | None:
    """Return the recall of the easiest to the hardest tenth of the queries, at one mean recall.

    The harder a query, the less of it all points of the scene found together. None as above.
    """
    level, rows = _compared(scene, "query_recall")
    if level is None or len(rows.iloc[0]["query_recall"]) < _GROUPS:
        return None
    groups = np.array_split(_easiest_first(scene), _GROUPS)
    figure = new_figure()
    axes = figure.subplots()
    tenths = np.arange(1, _GROUPS + 1, dtype=np.float64)
    named = []
    for row, look in distinct_looks(rows, looks):
        means = np.array([row["query_recall"][group].mean() for group in groups])
        axes.plot(tenths, means, look.line, color=look.colour, marker=look.marker)
        named.append(NamedCurve(row["curve"], look.colour, tenths, means))
    _set_tenths(axes, tenths, scene.k)
    title = f"{scene.dataset}: who misses the hard queries?"
    words = f"Each algorithm's fastest point of recall {level:g} or more. "
    words += "Hard queries are those that all points together answered worst."
    conclude(figure, scene, title, [words])
    label_curves(axes, named)
    return figure


def _compared(scene: Scene, column: str) -> tuple[float | None, pd.DataFrame]:
    """The recall to compare at and each curve's fastest point there, of those with the array."""
    level = common_level(scene)
    if level is None or column not in scene.points:
        return None, scene.points.iloc[:0]
    rows = representatives(scene, level).head(_MOST)
    rows = rows[[isinstance(values, np.ndarray) and len(values) > 0 for values in rows[column]]]
    return (level if len(rows) else None), rows


def _easiest_first(scene: Scene) -> np.ndarray:
    recalls = [r["query_recall"] for r in rows_of(scene.points)]
    stored = [recall for recall in recalls if isinstance(recall, np.ndarray)]
    return np.argsort(-np.mean(stored, axis=0), kind="stable")


def _set_tenths(axes: Axes, tenths: np.ndarray, k: int) -> None:
    words = ["easiest", *(str(int(tenth)) for tenth in tenths[1:-1]), "hardest"]
    axes.set_xticks(tenths, words)
    axes.set_ylim(top=1.03)
    axes.set_xlabel("tenth of the queries")
    axes.set_ylabel(f"recall@{k}")
