"""Scales and ticks of the axes of a matplotlib figure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter, NullLocator

from harness.report.quantities import Quantity, Scale, human
from harness.report.scales import limits, log_ticks, share_ticks, transform

_NARROW = 10.0**0.7  # a log axis of a smaller factor gets round numbers as ticks
_LABELS = 14  # that fit an axis


def apply_scale(
    axes: Axes, which: str, scale: Scale, quantity: Quantity, values: Sequence[float]
) -> None:
    """Set scale, limits and ticks of one axis (`which` is "x" or "y") to hold the values."""
    known = np.array([value for value in values if np.isfinite(value)], dtype=np.float64)
    if scale == "log":
        known = known[known > 0]
    axis: Axis = axes.xaxis if which == "x" else axes.yaxis
    if scale == "error":
        _set_scale(axes, which, "function", functions=transform(scale))
    else:
        _set_scale(axes, which, scale)
    low, high = limits(known, scale, quantity)
    (axes.set_xlim if which == "x" else axes.set_ylim)(low, high)
    ticks = _ticks(low, high, scale)
    if ticks is not None:
        axis.set_major_locator(FixedLocator(ticks))
        axis.set_minor_locator(NullLocator())
        axis.set_minor_formatter(NullFormatter())
    if scale != "error":
        axis.set_major_formatter(FuncFormatter(lambda value, _: human(value, quantity.unit)))
    else:
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g}".lstrip("0") or "0"))


def _set_scale(axes: Axes, which: str, scale: str, **options: object) -> None:
    (axes.set_xscale if which == "x" else axes.set_yscale)(scale, **options)


def _ticks(low: float, high: float, scale: Scale) -> list[float] | None:
    """The positions of the ticks; None leaves them to matplotlib."""
    if scale == "error":
        return share_ticks(low, high, _LABELS)
    if scale != "log":
        return None
    if high / low < _NARROW:
        ticks = MaxNLocator(5).tick_values(low, high)
        return [float(tick) for tick in ticks if low <= tick <= high]
    return log_ticks(low, high)
