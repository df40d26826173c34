"""Scales of axes, for figures and pages: which suits the values, its limits and its ticks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.report.quantities import Quantity, Scale

Float64 = NDArray[np.float64]
Transform = Callable[[ArrayLike], Float64]

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


def transform(scale: Scale) -> tuple[Transform, Transform]:
    """Return the function from values to positions along an axis, and its inverse."""
    if scale == "log":
        return np.log10, lambda at: np.asarray(10.0 ** np.asarray(at))
    if scale == "error":
        return (
            lambda share: -np.log10(np.maximum(1 - np.asarray(share) + _ERROR_FLOOR, 1e-9)),
            lambda at: np.asarray(1 - (10.0 ** -np.asarray(at) - _ERROR_FLOOR)),
        )
    return np.asarray, np.asarray


def limits(values: Float64, scale: Scale, quantity: Quantity) -> tuple[float, float]:
    """Return the ends of an axis that holds the values, with a margin."""
    if len(values) == 0:
        return (0.1, 1.0) if scale == "log" else (0.0, 1.0)
    forward, inverse = transform(scale)
    low, high = float(forward(values.min())), float(forward(values.max()))
    # A single value also gets an axis with a margin on both sides.
    room = max(_MARGIN * (high - low), 0.02 if scale != "linear" else 0.02 * abs(high), 1e-9)
    bounds = [float(inverse(low - room)), float(inverse(high + room))]
    if quantity.column == "recall" and scale == "linear":
        bounds = [max(bounds[0], -0.02), min(bounds[1], 1.02)]
    return bounds[0], bounds[1]


def log_ticks(low: float, high: float) -> list[float]:
    """Return the ticks of a log axis: decades, or one, two or three to a decade."""
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    span = np.log10(high / low)
    steps = (1.0,) if span > 3.5 else (1.0, 3.0) if span > 2.2 else (1.0, 2.0, 5.0)
    return [s * 10.0**e for e in decades for s in steps if low <= s * 10.0**e <= high]


def share_ticks(low: float, high: float, most: int) -> list[float]:
    """Return the ticks of an axis of errors, at most so many labels wide, the highest kept."""
    shares = [share for share in _SHARES if low <= share <= min(high, 1.0)]
    if len(shares) < 2:
        return shares
    forward, _ = transform("error")
    least = float(forward(shares[-1]) - forward(shares[0])) / most
    kept = shares[-1:]
    for share in reversed(shares[:-1]):
        if forward(kept[-1]) - forward(share) >= least:
            kept.append(share)
    return kept[::-1]


def linear_ticks(low: float, high: float, most: int) -> list[float]:
    """Return about so many round ticks of a linear axis."""
    span = high - low
    if not span > 0:
        return [low]
    power = 10.0 ** np.floor(np.log10(span / most))
    step = power * next((s for s in (1.0, 2.0, 2.5, 5.0) if span / (s * power) <= most), 10.0)
    first, last = int(np.ceil(low / step - 1e-9)), int(np.floor(high / step + 1e-9))
    return [number * step for number in range(first, last + 1)]
