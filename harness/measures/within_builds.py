"""The noise of a speed within one build, by resampling the cycles of its block.

A lower quartile of few repeats follows the one or two cycles that happen to lie there. Where the
speed of the machine drifts from cycle to cycle, two builds of a block follow the same cycles, and
the noise of their ratio shrinks much less with the number of cycles than that of a mean. No
constant factor fits quiet and drifting machines alike, so cycles are drawn with replacement (the
bootstrap: Efron, Annals of Statistics 7, 1979), the same for both builds and all windows.

Such an interval is one within these builds: it knows nothing of other builds, nor of a state of the
machine that lasts for many cycles and slows one index more than another.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from harness.measures.speed import lower_quartile

Float64 = NDArray[np.float64]

_DRAWS = 200
_SEED = 20_180_131
_CHUNK = 500  # windows resampled at a time, to bound memory


def error_within(
    ours: Float64, reference: Float64, theirs: Float64 | None = None
) -> tuple[float, float]:
    """Return the standard error of a build's log seconds within its block.

    They are log seconds relative to the reference index, or the difference of two builds.

    Parameters
    ----------
    ours, theirs
        `(cycles, windows)` from `harness.measures.speed.round_levels`, of one block.
    reference
        `(cycles, windows)` from `reference_levels`; without rows where it is unknown.

    Returns
    -------
    error, degrees
        The degrees of freedom are the passes of the build that has fewer, less one. NaN with fewer
        than two passes, or where the windows differ.
    """
    sides = [ours] if theirs is None else [ours, theirs]
    passes = [int(_complete(side).sum()) for side in sides]
    if min(passes) < 2 or len({side.shape[1] for side in sides}) > 1:
        return float("nan"), float("nan")
    rows = max(map(len, sides))
    padded = [_padded(side, rows) for side in sides]
    taking_part = np.flatnonzero(np.any([_complete(side) for side in padded], axis=0))
    drawn = taking_part[_draws(len(taking_part))]
    effects = [_effects(side, reference, drawn) for side in padded]
    effect = effects[0] if theirs is None else effects[0] - effects[1]
    known = effect[np.isfinite(effect)]
    # A draw of n repeats n - 1 parts of the variance among them.
    variance = float(known.var(ddof=1)) * min(passes) / (min(passes) - 1)
    return variance**0.5, float(min(passes) - 1)


def joint_error(errors: list[tuple[float, float]]) -> tuple[float, float]:
    """Return the error and degrees of freedom (Satterthwaite 1946) of the mean over builds.

    Each of `errors` is the independent error of one build, from `error_within`; NaN without any.
    """
    if not errors:
        return float("nan"), float("nan")
    parts = np.array([error**2 for error, _ in errors]) / len(errors) ** 2
    degrees = np.array([degrees for _, degrees in errors])
    total, spread = float(parts.sum()), float((parts**2 / degrees).sum())
    return total**0.5, total**2 / spread if spread > 0 else float(degrees.sum())


def _effects(levels: Float64, reference: Float64, drawn: NDArray[np.intp]) -> Float64:
    """Log seconds less those of the reference in each draw, but for a constant: `(draws,)`."""
    total = _quartiles(levels, drawn)
    if len(reference) >= len(levels) and reference.shape[1] == levels.shape[1]:
        in_our_cycles = np.where(np.isnan(levels), np.nan, reference[: len(levels)])
        total = total - _quartiles(in_our_cycles, drawn)
    return total


def _quartiles(levels: Float64, drawn: NDArray[np.intp]) -> Float64:
    """The mean over windows of the quartiles of the drawn cycles, `(draws,)`."""
    windows = levels.shape[1]
    parts = [levels[:, start : start + _CHUNK] for start in range(0, windows, _CHUNK)]
    sums = [lower_quartile(part[drawn]).sum(axis=1) for part in parts]
    return np.asarray(np.sum(sums, axis=0) / windows, dtype=np.float64)


@lru_cache(maxsize=16)
def _draws(cycles: int) -> NDArray[np.intp]:
    """Which cycles are drawn, `(cycles, draws)`; it depends on their number alone."""
    return np.random.default_rng([_SEED, cycles]).integers(cycles, size=(cycles, _DRAWS))


def _complete(levels: Float64) -> NDArray[np.bool_]:
    """In which cycles the build made a pass."""
    return np.asarray(np.isfinite(levels).all(axis=1) & (levels.shape[1] > 0))


def _padded(levels: Float64, rows: int) -> Float64:
    return np.pad(levels, ((0, rows - len(levels)), (0, 0)), constant_values=np.nan)
