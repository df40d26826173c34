"""Speed of a build from its stored times: typical times, log seconds, levels of rounds.

Interruptions only add time, so the typical time of a query is the lower quartile of its repeats. It
varies less than their median or mean on a machine with other work.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

QUERY_ORDER_SEED = 77_041


def query_order(nq: int) -> NDArray[np.intp]:
    """Return the order in which the queries are asked: seeded by their number alone."""
    return np.random.default_rng([QUERY_ORDER_SEED, nq]).permutation(nq)


def query_windows(nq: int, window: int) -> list[NDArray[np.intp]]:
    """Return the windows that a cycle is cut into: row numbers of queries, `(<= window,)` each.

    They are consecutive parts of `query_order`, the same for every build; the last may be shorter.
    """
    order = query_order(nq)
    return [order[start : start + window] for start in range(0, nq, window)]


def lower_quartile(values: Float64) -> Float64:
    """Return the lower quartile over the first axis; NaN values are left out.

    It is `numpy.quantile(values, 0.25, axis=0, method="median_unbiased")` (Hyndman & Fan, "Sample
    quantiles in statistical packages", 1996, definition 8) without numpy's overhead. NaN where no
    value is left.
    """
    if len(values) == 0:
        return np.full(values.shape[1:], np.nan)
    ordered = np.sort(values, axis=0)  # NaN comes last
    last = len(values) - 1
    if not np.isnan(ordered[last]).any():
        position = _quartile_position(last + 1)
        low, high = ordered[int(position)], ordered[min(int(position) + 1, last)]
        return np.asarray(low + (position - int(position)) * (high - low), dtype=np.float64)
    known = np.count_nonzero(~np.isnan(ordered), axis=0)
    positions = np.array([_quartile_position(n) for n in range(last + 2)])[known]
    below = positions.astype(np.intp)
    above = np.clip(below + 1, 0, np.maximum(known - 1, 0))
    low, high = _row_of_each(ordered, below), _row_of_each(ordered, above)
    return np.asarray(low + (positions - below) * (high - low), dtype=np.float64)


def _quartile_position(known: int) -> float:
    """Position of the quartile among so many ordered values, counted from 0."""
    return min(max((known + 1 / 3) / 4 - 2 / 3, 0.0), max(known - 1.0, 0.0))


def _row_of_each(values: Float64, rows: NDArray[np.intp]) -> Float64:
    return np.asarray(np.take_along_axis(values, rows[None], axis=0)[0])


def typical_times(times: Float64) -> Float64:
    """Return the typical seconds of each query of a build, `(nq,)`, from `(passes, nq)` seconds."""
    return lower_quartile(times)


def log_seconds_of_queries(times: Float64) -> float:
    """Return the logarithm of the mean typical seconds per query of a build.

    `times` is `(passes, nq)` seconds of queries that were timed one by one. NaN without passes.
    """
    return _log_of_mean(typical_times(times))


def log_seconds_of_walls(walls: Float64, nq: int) -> float:
    """Return the logarithm of the typical seconds per query from `(passes,)` seconds of passes."""
    return _log_of_mean(lower_quartile(walls[:, None]) / nq)


def log_seconds_of_reference(
    reference_times: Float64, cycles: NDArray[np.integer], windows: int
) -> float:
    """Return the logarithm of the reference index's typical seconds per query for one build.

    Computed as for the build: the lower quartile over the cycles in which the build made its
    passes, window by window, then the mean over windows. So a build that took part in few cycles is
    compared with the conditions of these cycles.

    Parameters
    ----------
    reference_times
        `(turns,)` seconds per query, one turn a round: cycle by cycle, in these window by window.
    cycles
        `(passes,)` the cycles in which the build made its passes.
    windows
        The number of windows of a cycle.

    Returns
    -------
    log_seconds
        NaN without any turn. Where the turns are not one a round, the quartile is over all turns.
    """
    turns = _by_cycle(reference_times, cycles, windows)
    if turns is None:
        return _log_of_mean(lower_quartile(reference_times[:, None]))
    return _log_of_mean(lower_quartile(turns[cycles]))


def round_levels(
    times: Float64, cycles: NDArray[np.integer], windows: Sequence[NDArray[np.intp]]
) -> Float64:
    """Return how slow each round of a build was, relative to its other rounds.

    Parameters
    ----------
    times
        `(passes, nq)` seconds of queries that were timed one by one.
    cycles
        `(passes,)` the cycle of the block in which each pass was made, ascending.
    windows
        From `query_windows`.

    Returns
    -------
    levels
        `(cycles, windows)` float64: the median over the window's queries of the logarithm of their
        time, less the mean of it over the query's passes. NaN in cycles without a pass. Relative
        to the mean and not to the typical time, which is one of few repeats: most of a window's
        queries would have exactly that time, and its level would show nothing of the noise.
    """
    logs = _log(times)
    logs -= logs.mean(axis=0)
    # All windows but the last have one length; computing them together is faster.
    alike = [window for window in windows if len(window) == len(windows[0])]
    medians = [np.median(logs[:, np.array(alike)], axis=2)]
    medians += [np.median(logs[:, w], axis=1, keepdims=True) for w in windows[len(alike) :]]
    return _in_cycles(np.concatenate(medians, axis=1), cycles)


def wall_levels(walls: Float64, cycles: NDArray[np.integer]) -> Float64:
    """Return `(cycles, 1)` levels as of `round_levels` from `(passes,)` seconds of whole passes."""
    logs = _log(walls)
    return _in_cycles((logs - logs.mean())[:, None], cycles)


def reference_levels(
    reference_times: Float64, cycles: NDArray[np.integer], windows: int
) -> Float64:
    """Return the logarithms of the reference index's times in the cycles of a build's levels.

    Parameters as for `log_seconds_of_reference`; `(cycles, windows)` float64, or `(0, windows)`
    where the turns are not one a round.
    """
    turns = _by_cycle(reference_times, cycles, windows)
    return np.empty((0, windows)) if turns is None else _log(turns[: int(max(cycles)) + 1])


def _by_cycle(
    reference_times: Float64, cycles: NDArray[np.integer], windows: int
) -> Float64 | None:
    """The turns as `(cycles, windows)`, None unless they are one a round."""
    if len(cycles) == 0 or len(reference_times) % windows:
        return None
    turns = reference_times.reshape(-1, windows)
    return turns if len(turns) > max(cycles) else None


def _in_cycles(levels: Float64, cycles: NDArray[np.integer]) -> Float64:
    placed = np.full((int(max(cycles, default=-1)) + 1, levels.shape[1]), np.nan)
    placed[cycles] = levels
    return placed


def _log_of_mean(seconds: Float64) -> float:
    mean = float(seconds.mean()) if len(seconds) else float("nan")
    return float(np.log(mean)) if mean > 0 else float("nan")


def _log(seconds: Float64) -> Float64:
    """NaN where a time is not positive."""
    known = seconds > 0
    return np.log(seconds, out=np.full(seconds.shape, np.nan), where=known)
