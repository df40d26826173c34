"""The noise of a speed within one build, by resampling the cycles of its block.

The typical difference of two builds is made of medians over the cycles of a block, whose noise no
simple formula gives where the machine changes its speed in spells. So cycles are drawn with
replacement (the bootstrap: Efron, Annals of Statistics 7, 1979), the same for both builds and all
windows.

Such an interval is one within these builds: it knows nothing of other builds, nor of a state of the
machine that lasts for many cycles and slows one index more than another.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from harness.measures.speed import share_of_windows, typical_differences

Float64 = NDArray[np.float64]

_DRAWS = 200
_SEED = 20_180_131
_MOST_VALUES = 2_000_000  # resampled at a time, to bound memory


def error_within(ours: Float64, theirs: Float64) -> tuple[float, float]:
    """Return the standard error of the typical difference of two builds, within their block.

    Parameters
    ----------
    ours, theirs
        `(cycles, windows)` levels of two builds of one block, or of one and of its reference index,
        from `harness.measures.speed`; without rows where they are unknown.

    Returns
    -------
    error, degrees
        The degrees of freedom are the cycles in which both made a pass, less one. NaN with fewer
        than two of these, or where the windows differ.
    """
    cycles = min(len(ours), len(theirs))
    if cycles == 0 or ours.shape[1] != theirs.shape[1]:
        return float("nan"), float("nan")
    ours, theirs = ours[:cycles], theirs[:cycles]
    shared = np.flatnonzero(np.isfinite(ours + theirs).all(axis=1))
    if len(shared) < 2:
        return float("nan"), float("nan")
    share = share_of_windows(ours - theirs)  # of what was measured: draws repeat cycles
    drawn = shared[_draws(len(shared))]
    parts = min(_DRAWS, -(-drawn.size * ours.shape[1] // _MOST_VALUES))
    effects = np.concatenate(
        [
            typical_differences(ours[part], theirs[part], share)
            for part in np.array_split(drawn, parts, axis=1)
        ]
    )
    # A draw of n repeats n - 1 parts of the variance among them.
    variance = float(effects.var(ddof=1)) * len(shared) / (len(shared) - 1)
    return variance**0.5, float(len(shared) - 1)


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


@lru_cache(maxsize=16)
def _draws(cycles: int) -> NDArray[np.intp]:
    """Which cycles are drawn, `(cycles, draws)`; it depends on their number alone."""
    return np.random.default_rng([_SEED, cycles]).integers(cycles, size=(cycles, _DRAWS))
