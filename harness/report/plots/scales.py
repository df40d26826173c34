"""Axis scales and their ticks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter, NullLocator
from numpy.typing import NDArray

from harness.report.quantities import Quantity, Scale, human

Float64 = NDArray[np.float64]

_SHARES = (
    *(0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995),
    *(0.998, 0.999, 0.9995, 0.9998, 0.9999, 1.0),
)
_ERROR_FLOOR = 1e-3
_MARGIN = 0.06


def choose_scale(quantity: Quantity, values: Sequence[float]) -> Scale:
    """Return the scale on which these values are best distinguished.

    A log scale needs a range of at least a factor of 2. Shares of which half are 0.9 or more are
    shown by their error, since the step from .99 to .999 matters as much as that from .9 to .99.
    """
    known = np.array([value for value in values if np.isfinite(value)])
    if len(known) == 0:
        return "linear"
    if quantity.scale == "log":
        spread = known.min() > 0 and known.max() >= 2 * known.min()
        return "log" if spread else "linear"
    if quantity.column == "recall" and np.median(known) >= 0.9 and known.max() > 0.95:
        return "error"
    return "linear"


def apply_scale(
    axes: Axes, which: str, scale: Scale, quantity: Quantity, values: Sequence[float]
) -> None:
    """Set scale, limits and ticks of one axis (`which` is "x" or "y") to hold the values."""
    known = np.array([value for value in values if np.isfinite(value)], dtype=np.float64)
    if scale == "log":
        known = known[known > 0]
    axis: Axis = axes.xaxis if which == "x" else axes.yaxis
    forward, inverse = _transform(scale)
    if scale == "error":
        _set_scale(axes, which, "function", functions=(forward, inverse))
    else:
        _set_scale(axes, which, scale)
    low, high = _limits(known, scale, quantity)
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


def _transform(scale: Scale):  # type: ignore[no-untyped-def]
    if scale == "log":
        return np.log10, lambda v: 10.0 ** np.asarray(v)
    if scale == "error":
        return (
            lambda share: -np.log10(np.maximum(1 - np.asarray(share) + _ERROR_FLOOR, 1e-9)),
            lambda v: 1 - (10.0 ** -np.asarray(v) - _ERROR_FLOOR),
        )
    return np.asarray, np.asarray


def _limits(values: Float64, scale: Scale, quantity: Quantity) -> tuple[float, float]:
    if len(values) == 0:
        return (0.1, 1.0) if scale == "log" else (0.0, 1.0)
    forward, inverse = _transform(scale)
    low, high = forward(values.min()), forward(values.max())
    # A single value also gets an axis with a margin on both sides.
    room = max(_MARGIN * (high - low), 0.02 if scale != "linear" else 0.02 * abs(high), 1e-9)
    bounds = [float(inverse(low - room)), float(inverse(high + room))]
    if quantity.column == "recall" and scale == "linear":
        bounds = [max(bounds[0], -0.02), min(bounds[1], 1.02)]
    return bounds[0], bounds[1]


def _ticks(low: float, high: float, scale: Scale) -> list[float] | None:
    """The positions of the ticks; None leaves them to matplotlib."""
    if scale == "error":
        inside = [share for share in _SHARES if low <= share <= min(high, 1.0)]
        return _thinned(inside)
    if scale != "log":
        return None
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    span = np.log10(high / low)
    steps = (1.0,) if span > 3.5 else (1.0, 3.0) if span > 2.2 else (1.0, 2.0, 5.0)
    if span < 0.7:
        return [
            float(tick) for tick in MaxNLocator(5).tick_values(low, high) if low <= tick <= high
        ]
    return [s * 10.0**e for e in decades for s in steps if low <= s * 10.0**e <= high]


def _thinned(shares: list[float]) -> list[float]:
    """Remove ticks whose labels would touch; the axis is about twelve labels wide."""
    forward, _ = _transform("error")
    if len(shares) < 2:
        return shares
    least = (forward(shares[-1]) - forward(shares[0])) / 14
    kept = shares[-1:]
    for share in reversed(shares[:-1]):
        if forward(kept[-1]) - forward(share) >= least:
            kept.append(share)
    return kept[::-1]
