"""Training loss per iteration, from the diagnostics of adapters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from harness.report.analysis.points import ComparisonGroup, numbers, rows_of
from harness.report.curve_styles import CurveStyle
from harness.report.plots.figure import conclude, listed, marker_size, new_figure
from harness.report.plots.labels import NamedCurve, label_curves
from harness.report.quantities import human, shortened

Float64 = NDArray[np.float64]

_MOST_PANELS = 6
_LONGEST = 26  # characters of a name beside a curve


class _Trace(NamedTuple):
    parameters: str
    iteration: Float64
    loss: Float64


def training_loss(group: ComparisonGroup, styles: Mapping[str, CurveStyle]) -> Figure | None:
    """Return a panel per algorithm with a line per build, or None if no loss is recorded.

    Losses of different algorithms are different quantities, so each has a panel of its own.
    """
    traces = _traces(group)
    if not traces:
        return None
    relevant = [name for name in group.ranking.every if name in traces]
    shown = sorted(relevant[:_MOST_PANELS])
    columns = min(len(shown), 3)
    rows = -(-len(shown) // columns)
    figure = new_figure(height=0.75 if rows == 1 else 1.2)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels[len(shown) :]:
        axes.remove()
    for axes, name in zip(panels, shown, strict=False):
        _panel(axes, name, traces[name], styles[name])
    notes = ["The units of the loss are each algorithm's own."]
    if len(traces) > len(shown):
        notes.append(f"Not shown: {listed(traces.keys() - set(shown))}.")
    conclude(figure, group, f"{group.dataset}: training loss per iteration", notes)
    for axes, name in zip(panels, shown, strict=False):
        colour = styles[name].colour
        named = [
            NamedCurve(shortened(t.parameters, _LONGEST), colour, t.iteration, t.loss)
            for t in traces[name]
        ]
        label_curves(axes, named if len(named) <= 4 else [])
    return figure


def _traces(group: ComparisonGroup) -> dict[str, list[_Trace]]:
    """The distinct builds with a recorded loss, by label."""
    traces: dict[str, dict[str, _Trace]] = {}
    for row in rows_of(group.points):
        loss = numbers(row, "training", "loss")
        if loss is not None:
            iteration = numbers(row, "training", "iteration")
            if iteration is None:
                iteration = np.arange(len(loss), dtype=np.float64)
            parameters = row["build_parameters"]
            traces.setdefault(row["curve"], {})[parameters] = _per_iteration(
                parameters, iteration, loss
            )
    return {name: list(builds.values()) for name, builds in sorted(traces.items())}


def _per_iteration(parameters: str, iteration: Float64, loss: Float64) -> _Trace:
    """Losses of one iteration (of several subspaces, say) are summed."""
    steps, where = np.unique(iteration, return_inverse=True)
    return _Trace(
        parameters, steps.astype(np.float64), np.bincount(where.ravel(), loss).astype(np.float64)
    )


def _panel(axes: Axes, name: str, traces: list[_Trace], style: CurveStyle) -> None:
    for trace in traces:
        axes.plot(trace.iteration, trace.loss, color=style.colour, marker=style.marker,
                  markersize=0.6 * marker_size(style), linewidth=1.3, alpha=0.9)  # fmt: skip
    axes.set_title(shortened(name, _LONGEST), loc="left", color=style.colour, weight="bold")
    axes.set_xlabel("iteration")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.yaxis.set_major_formatter(lambda value, _: human(value))
    axes.margins(y=0.12)
    if axes.get_subplotspec().is_first_col():  # type: ignore[union-attr]
        axes.set_ylabel("loss")
