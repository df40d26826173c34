"""Speed of a build from its stored times: how fast each round was, and the typical round.

A shared machine has states. A neighbour on the same core, for example, makes all that runs in some
rounds slower by a half or more, and a build spends a random share of its few rounds so. Two indexes
that had their turns in one round mostly met the same state, so they are compared round by round;
the typical difference is a median over the rounds, which the rounds in between two states do not
move. Quantiles of each index alone follow the share of its own rounds that were slow.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

QUERY_ORDER_SEED = 77_041

_NORMAL_MAD = 1.4826  # standard deviation of a normal over its median absolute deviation
_NORMAL_STEP = 0.9539  # median absolute difference of two normals over their standard deviation
_WINSOR = 2.5 * _NORMAL_MAD
"""Windows are drawn in to so many median absolute deviations, 2.5 of a normal's deviations."""


def query_order(nq: int, seed: int) -> NDArray[np.intp]:
    """Return the order in which the queries are asked in a block.

    It differs from block to block, so that which queries share a window averages out over them.

    Parameters
    ----------
    nq
        Number of queries.
    seed
        That of the block, at least 0, which all blocks of early versions have.
    """
    seeds = [QUERY_ORDER_SEED, nq, seed] if seed else [QUERY_ORDER_SEED, nq]
    return np.random.default_rng(seeds).permutation(nq)


def query_windows(nq: int, window: int, seed: int) -> list[NDArray[np.intp]]:
    """Return the windows that a cycle is cut into: row numbers of queries, `(<= window,)` each.

    They are consecutive parts of `query_order`, the same for every build of a block; the last may
    be shorter.
    """
    order = query_order(nq, seed)
    return [order[start : start + window] for start in range(0, nq, window)]


def median_of_known(values: Float64) -> Float64:
    """Return the median over the first axis; NaN values are left out, NaN where none is left.

    It is `numpy.nanmedian(values, axis=0)`, several times as fast.
    """
    if len(values) == 0:
        return np.full(values.shape[1:], np.nan)
    ordered = np.sort(values, axis=0)  # NaN comes last
    known = np.count_nonzero(~np.isnan(ordered), axis=0)
    below, above = np.maximum(known - 1, 0) // 2, known // 2
    above = np.minimum(above, np.maximum(known - 1, 0))
    return np.asarray((_row_of_each(ordered, below) + _row_of_each(ordered, above)) / 2)


def _row_of_each(values: Float64, rows: NDArray[np.intp]) -> Float64:
    return np.asarray(np.take_along_axis(values, rows[None], axis=0)[0])


def typical_times(times: Float64) -> Float64:
    """Return the typical seconds of each query of a build, `(nq,)`, from `(passes, nq)` seconds."""
    return median_of_known(times)


def round_levels(
    times: Float64, cycles: NDArray[np.integer], windows: Sequence[NDArray[np.intp]]
) -> Float64:
    """Return how fast each round of a build was.

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
        `(cycles, windows)` float64: the logarithm of the mean seconds that the queries of the
        window take at the speed of the round. NaN in cycles without a pass. An interruption of a
        few queries does not move it: the speed of a round is the median over the window's queries
        of the logarithm of their time, less that of the same query in the other rounds.
    """
    logs = _log(times)
    # All windows but the last are of one length, and faster together than one by one.
    alike = [window for window in windows if len(window) == len(windows[0])]
    groups = [np.array(alike), *(window[None] for window in windows[len(alike) :])]
    levels = [_levels(logs[:, group]) for group in groups]
    return _in_cycles(np.concatenate(levels, axis=1), cycles)


def _levels(logs: Float64) -> Float64:
    """The levels of windows of one length: `(passes, windows)` from `(passes, windows, length)`."""
    # The speed of a pass is relative to the mean of the passes: relative to the median, a third of
    # three times would be the median itself, and the pass with most of these would seem typical.
    # But an interruption is in the mean, so the seconds of a window come from the medians.
    middle, mean = median_of_known(logs), logs.mean(axis=0)
    speeds = np.median(logs - mean, axis=2)
    seconds = np.log(np.exp(middle).mean(axis=1))
    return np.asarray(seconds + speeds - np.median(middle - mean, axis=1))


def wall_levels(walls: Float64, cycles: NDArray[np.integer], nq: int) -> Float64:
    """Return `(cycles, 1)` levels as of `round_levels` from `(passes,)` seconds of whole passes."""
    return _in_cycles(_log(walls)[:, None] - np.log(nq), cycles)


def reference_levels(
    reference_times: Float64, cycles: NDArray[np.integer], windows: int
) -> Float64:
    """Return the logarithm of the reference index's seconds per query in the rounds of a build.

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
    levels
        `(cycles, windows)` float64; the median over all turns in each where they are not one a
        round, and no rows without any turn.
    """
    if len(cycles) == 0 or len(reference_times) == 0:
        return np.empty((0, windows))
    shape = (int(max(cycles)) + 1, windows)
    if len(reference_times) % windows or len(reference_times) < shape[0] * windows:
        return np.full(shape, np.median(_log(reference_times)))
    return _log(reference_times.reshape(-1, windows)[: shape[0]])


def typical_level(levels: Float64) -> float:
    """Return the logarithm of the mean seconds per query of a build in its typical round."""
    return float(typical_differences(levels[:, None], np.zeros_like(levels[:, None]), 1.0)[0])


def typical_difference(ours: Float64, theirs: Float64) -> float:
    """Return how much longer ours takes than theirs in the rounds in which both took part.

    Parameters
    ----------
    ours, theirs
        `(cycles, windows)` levels of builds of one block; NaN in rounds without a turn.

    Returns
    -------
    difference
        The logarithm of the ratio of mean seconds per query. NaN without a round of both.
    """
    cycles = min(len(ours), len(theirs))
    if ours.shape[1] != theirs.shape[1] or cycles == 0:
        return float("nan")
    ours, theirs = ours[:cycles], theirs[:cycles]
    share = share_of_windows(ours - theirs)
    return float(typical_differences(ours[:, None], theirs[:, None], share)[0])


def share_of_windows(differences: Float64) -> float:
    """Return how much of what the windows differ by, 0 to 1, is more than noise of their rounds.

    Parameters
    ----------
    differences
        `(cycles, windows)` differences of levels; NaN in rounds that one of the sides lacks.

    Returns
    -------
    share
        One less the variance of a window's median, from the differences between successive
        cycles, over that of the medians of the windows; both by medians of absolute deviations. 1
        where it cannot be known: with a single cycle.
    """
    # Settings of few passes take part in every second cycle, say: their own cycles are successive.
    differences = differences[np.isfinite(differences).any(axis=1)]
    steps = np.abs(np.diff(differences, axis=0))
    steps = steps[np.isfinite(steps)]
    if len(steps) == 0:
        return 1.0
    cycles = _median(np.isfinite(differences).sum(axis=0))
    if cycles == 0:  # most windows lack a round in which both took part
        return 0.0
    medians = median_of_known(differences)
    medians = medians[np.isfinite(medians)]
    noise = (_median(steps) / _NORMAL_STEP) ** 2 / cycles
    noise *= np.pi / 2 if cycles > 2 else 1.0  # that of a median over that of a mean
    spread = (_NORMAL_MAD * _median(np.abs(medians - _median(medians)))) ** 2
    return max(0.0, 1 - noise / spread) if spread > 0 else 0.0


def _median(values: NDArray[np.generic]) -> float:
    """The median of `(n,)` known numbers: of a few, `numpy.median` takes several times as long."""
    ordered, half = np.sort(values), len(values) // 2
    return float(ordered[half] if len(values) % 2 else (ordered[half - 1] + ordered[half]) / 2)


def typical_differences(ours: Float64, theirs: Float64, share: float) -> Float64:
    """Return `typical_difference` of each of many samples: `(n,)` from `(cycles, n, windows)`.

    Two figures are mixed. The median over all rounds is the one that noise moves least, but where
    queries differ in what they cost one side more than the other, it is not that of the mean query.
    The other is the mean over windows of the medians over the cycles. Windows whose median is off
    by more than 2.5 standard deviations, estimated by the median absolute deviation, are drawn in
    to there (winsorized): most of their cycles met two states of the machine. The mean has as
    weights the geometric mean of the seconds that both take for a window, so that the result is the
    ratio of the means over queries and not the mean of the ratios.

    Parameters
    ----------
    share
        That of the second figure, from `share_of_windows`: an empirical Bayes estimate (Efron and
        Morris, JASA 68, 1973) of the windows' own differences.
    """
    unknown = np.isnan(ours) | np.isnan(theirs)
    ours, theirs = np.where(unknown, np.nan, ours), np.where(unknown, np.nan, theirs)
    rounds = ours - theirs
    medians = 0.0 if share == 1 else _over_all_rounds(rounds)
    if share == 0:
        return np.asarray(medians)
    differences = median_of_known(rounds)
    centre = np.median(differences, axis=1, keepdims=True)
    reach = _WINSOR * np.median(np.abs(differences - centre), axis=1, keepdims=True)
    differences = np.clip(differences, centre - reach, centre + reach)
    sizes = (median_of_known(ours) + median_of_known(theirs)) / 2
    weights = np.exp(sizes - sizes.max(axis=1, keepdims=True))
    means = (weights * differences).sum(axis=1) / weights.sum(axis=1)
    return np.asarray((1 - share) * medians + share * means)


def _over_all_rounds(rounds: Float64) -> Float64:
    return median_of_known(rounds.transpose(0, 2, 1).reshape(-1, rounds.shape[1]))


def _in_cycles(levels: Float64, cycles: NDArray[np.integer]) -> Float64:
    placed = np.full((int(max(cycles, default=-1)) + 1, levels.shape[1]), np.nan)
    placed[cycles] = levels
    return placed


def _log(seconds: Float64) -> Float64:
    """NaN where a time is not positive."""
    known = seconds > 0
    return np.log(seconds, out=np.full(seconds.shape, np.nan), where=known)
