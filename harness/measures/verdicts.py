"""Is one side faster than the other? Ratios of QPS with intervals, and verdicts from them.

The terminal, `compare`, the site and the plots all state verdicts by `judge`. The rules are fixed
in advance and never depend on the outcome: see `estimate` and docs/explanation/statistics.md.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite, log, nan
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.measures.interval import LEVEL, exp_of, known_values, student_quantile
from harness.measures.speed import typical_difference
from harness.measures.within_builds import error_within, joint_error

Float64 = NDArray[np.float64]
Verdict = Literal["faster", "slower", "equal", "undecided"]
RatioScope = Literal[
    "between builds",
    "between builds, by the reference",
    "between builds, not side by side",
    "within one build",
    "the same builds",
    "unknown",
]

EQUAL_WITHIN = 0.05
"""Two speeds are equal where the whole interval of their ratio lies in [1 / 1.05, 1.05]."""

LEAST_BUILDS = 3
"""Builds from which an interval is one between builds."""

MOST_BUILDS = 1000
"""`Ratio.more_builds` is capped here."""


@dataclass(frozen=True, eq=False)
class Speeds:
    """The speeds of a point's builds, or of a curve's builds at one recall.

    Parameters
    ----------
    blocks
        The id of each build's block, "" where it is unknown; B of them.
    log_seconds
        `(B,)` float64: the logarithm of each build's mean seconds per query in its typical round.
    reference
        `(B,)` float64: the same of the reference index in the rounds of each build, NaN where it
        is unknown.
    levels, reference_levels
        `(cycles, windows)` float64 for each build, from `round_levels` and `reference_levels` of
        `harness.measures.speed`; without rows where they are unknown.
    """

    blocks: tuple[str, ...]
    log_seconds: Float64
    reference: Float64
    levels: tuple[Float64, ...]
    reference_levels: tuple[Float64, ...] = field(default=())

    def __post_init__(self) -> None:
        """Fill in unknown levels of the reference.

        Raises
        ------
        ValueError
            If the fields are not of one length.
        """
        builds = len(self.blocks)
        if not self.reference_levels:
            object.__setattr__(self, "reference_levels", (np.empty((0, 1)),) * builds)
        columns = (self.log_seconds, self.reference, self.levels, self.reference_levels)
        if {len(column) for column in columns} != {builds}:
            raise ValueError(f"{[len(c) for c in columns]} values of {builds} builds")

    @property
    def relative(self) -> Float64:
        """`(B,)`: log seconds less those of the reference; NaN where there is no reference."""
        return np.asarray(self.log_seconds - self.reference, dtype=np.float64)

    def without(self, builds: Collection[int]) -> Speeds:
        """Return the speeds without the builds of these numbers."""
        kept = [i for i in range(len(self.blocks)) if i not in builds]
        return Speeds(
            tuple(self.blocks[i] for i in kept),
            self.log_seconds[kept],
            self.reference[kept],
            tuple(self.levels[i] for i in kept),
            tuple(self.reference_levels[i] for i in kept),
        )

    @staticmethod
    def between(below: Speeds, above: Speeds, share: float) -> Speeds:
        """Return the speeds between two points of a curve, linear in logarithms.

        Parameters
        ----------
        below, above
            The points; their builds are matched by block. Where they share no block, builds are
            matched in their order and the result has no block.
        share
            0 gives `below`, 1 gives `above`.
        """
        pairs = _shared(below, above)
        blocks = tuple(below.blocks[i] for i, _ in pairs)
        if not pairs:
            pairs = [(i, i) for i in range(min(len(below.blocks), len(above.blocks)))]
            blocks = ("",) * len(pairs)
        ours, theirs = _columns(pairs)

        def mixed(a: Float64, b: Float64) -> Float64:
            return np.asarray((1 - share) * a + share * b, dtype=np.float64)

        return Speeds(
            blocks,
            mixed(below.log_seconds[ours], above.log_seconds[theirs]),
            mixed(below.reference[ours], above.reference[theirs]),
            tuple(mixed(*_common(below.levels[i], above.levels[j])) for i, j in pairs),
            tuple(
                mixed(*_common(below.reference_levels[i], above.reference_levels[j]))
                for i, j in pairs
            ),
        )


@dataclass(frozen=True)
class Estimate:
    """The logarithm of ours / theirs in QPS, with its standard error; NaN where unknown.

    `degrees` of freedom are those of Student's distribution. `builds` is the number of builds of
    the side that has fewer. `scope` says what the standard error covers.
    """

    log_ratio: float
    standard_error: float
    degrees: float
    builds: int
    scope: RatioScope

    @property
    def swapped(self) -> Estimate:
        """The same comparison with its sides swapped, exactly: theirs / ours."""
        return replace(self, log_ratio=-self.log_ratio)


@dataclass(frozen=True)
class Ratio:
    """Ours / theirs in QPS, above 1 if ours is faster, with its interval and the verdict.

    `level` is the confidence of the interval, corrected for the number of comparisons.
    `more_builds` is about how many further builds would decide: 0 if it is decided, None if that
    is not known.
    """

    value: float
    low: float
    high: float
    level: float
    verdict: Verdict
    more_builds: int | None
    builds: int
    scope: RatioScope


def estimate(ours: Speeds, theirs: Speeds) -> Estimate:
    """Return the ratio ours / theirs by the first rule that applies.

    1. Three or more shared blocks: Student's t on the typical differences in the rounds of these
       blocks alone. Whatever slows a whole round cancels.
    2. Three or more builds a side with a reference: Welch's t (1947) on log seconds less those of
       the reference index.
    3. One or two shared blocks: the mean difference in them, with the error within these builds.
    4. Three or more builds a side: Welch's t on log seconds.
    5. Otherwise the ratio has no interval.

    A build that both sides hold, as where results were copied or merged, says nothing of a
    difference. It is left out, unless both sides hold the very same builds; if all builds of one
    side are among those of the other, the ratio has no interval.
    """
    common = [pair for pair in _shared(ours, theirs) if _is_same_build(ours, theirs, *pair)]
    counts = len(ours.blocks) - len(common), len(theirs.blocks) - len(common)
    if common and counts != (0, 0):
        if min(counts) == 0:
            found = _without_interval(-ours.log_seconds, -theirs.log_seconds)
            return replace(found, scope="the same builds")
        ours = ours.without([i for i, _ in common])
        theirs = theirs.without([j for _, j in common])
    pairs = _shared(ours, theirs)
    if len(pairs) >= LEAST_BUILDS:
        return _paired(_differences(ours, theirs, pairs))
    relative = known_values(ours.relative), known_values(theirs.relative)
    if min(map(len, relative)) >= LEAST_BUILDS:
        return _welch(*relative, "between builds, by the reference")
    error, degrees = _error_within(ours, theirs, pairs)
    if isfinite(error):
        log_ratio = float(_differences(ours, theirs, pairs).mean())
        return Estimate(log_ratio, error, degrees, len(pairs), "within one build")
    absolute = known_values(ours.log_seconds), known_values(theirs.log_seconds)
    if min(map(len, absolute)) >= LEAST_BUILDS:
        return _welch(*absolute, "between builds, not side by side")
    if pairs:
        return _without_interval(_differences(ours, theirs, pairs), np.zeros(len(pairs)))
    sides = relative if min(map(len, relative)) else absolute
    return _without_interval(-sides[0], -sides[1])


def judge(estimates: Sequence[Estimate]) -> list[Ratio]:
    """Return each ratio with its verdict, corrected for the number of comparisons made together.

    With m distinct comparisons the intervals have a confidence of 1 - .05 / m (Bonferroni), so
    that at most one set of comparisons in 20 contains a false statement. The same comparison made
    twice counts once, also with its sides swapped; those without an interval state nothing and
    do not count.
    """
    distinct = {_sides_apart(one) for one in estimates if isfinite(one.standard_error)}
    level = 1 - (1 - LEVEL) / max(1, len(distinct))
    return [_judged(one, level) for one in estimates]


def verdict_of(low: float, high: float) -> Verdict:
    """Return the verdict that an interval of a ratio states; undecided if it is unknown."""
    if low > 1:
        return "faster"
    if high < 1:
        return "slower"
    return "equal" if _within_margin(low, high) else "undecided"


def verdict_words(ratio: Ratio) -> str:
    """Return the verdict for readers, such as "undecided: about 4 more builds"."""
    margin = f"{100 * EQUAL_WITHIN:.0f} %"
    if ratio.verdict == "equal":
        return f"equal within {margin}"
    if ratio.verdict != "undecided":
        small = _within_margin(ratio.low, ratio.high)
        return f"{ratio.verdict} by less than {margin}" if small else ratio.verdict
    if ratio.scope == "the same builds":
        return "undecided: all builds of one side are in the other"
    if ratio.more_builds is None:
        return f"undecided: needs at least {LEAST_BUILDS} builds"
    if ratio.more_builds >= MOST_BUILDS:
        return f"undecided: {MOST_BUILDS} or more further builds"
    return f"undecided: about {ratio.more_builds} more build{'s' * (ratio.more_builds != 1)}"


def _paired(differences: Float64) -> Estimate:
    builds = len(differences)
    error = float(differences.std(ddof=1)) / builds**0.5
    return Estimate(float(differences.mean()), error, builds - 1, builds, "between builds")


def _welch(ours: Float64, theirs: Float64, scope: RatioScope) -> Estimate:
    """Welch's t; the degrees of freedom are Satterthwaite's."""
    sizes = np.array([len(ours), len(theirs)])
    variances = np.array([ours.var(ddof=1), theirs.var(ddof=1)]) / sizes
    total, spread = float(variances.sum()), float((variances**2 / (sizes - 1)).sum())
    degrees = total**2 / spread if spread > 0 else float(sizes.sum() - 2)
    log_ratio = float(theirs.mean() - ours.mean())
    return Estimate(log_ratio, total**0.5, degrees, int(sizes.min()), scope)


def _error_within(
    ours: Speeds, theirs: Speeds, pairs: list[tuple[int, int]]
) -> tuple[float, float]:
    """Standard error and degrees of freedom of the mean difference, within the builds alone."""
    return joint_error([error_within(ours.levels[i], theirs.levels[j]) for i, j in pairs])


def _without_interval(ours: Float64, theirs: Float64) -> Estimate:
    """A ratio of log speeds of which nothing but the value is known, if that."""
    builds = min(len(ours), len(theirs))
    log_ratio = float(ours.mean() - theirs.mean()) if builds else nan
    return Estimate(log_ratio, nan, nan, builds, "unknown")


def _judged(one: Estimate, level: float) -> Ratio:
    half = student_quantile(one.degrees, level) * one.standard_error
    value, low, high = (exp_of(one.log_ratio + change) for change in (0.0, -half, half))
    verdict = verdict_of(low, high)
    more = 0 if verdict != "undecided" else _more_builds(one, level)
    return Ratio(value, low, high, level, verdict, more, one.builds, one.scope)


def _more_builds(one: Estimate, level: float) -> int | None:
    """The least number of further builds of which the half-width is expected to decide.

    The standard error shrinks with the square root of the builds. The degrees of freedom grow in
    proportion, which is exact for paired builds.
    """
    if one.scope in ("unknown", "the same builds", "within one build"):
        return None
    from scipy.special import stdtrit

    wanted = max(abs(one.log_ratio), log(1 + EQUAL_WITHIN) - abs(one.log_ratio))
    builds = one.builds + np.arange(1, MOST_BUILDS + 1)
    degrees = one.degrees * (builds - 1) / (one.builds - 1)
    errors = one.standard_error * np.sqrt(one.builds / builds)
    enough = np.flatnonzero(stdtrit(degrees, (1 + level) / 2) * errors < wanted)
    return int(enough[0]) + 1 if len(enough) else MOST_BUILDS


def _within_margin(low: float, high: float) -> bool:
    return low >= 1 / (1 + EQUAL_WITHIN) and high <= 1 + EQUAL_WITHIN


def _sides_apart(one: Estimate) -> tuple[float, float, float, int, str]:
    """A key that is equal for two estimates of one comparison, whichever side comes first."""
    return abs(one.log_ratio), one.standard_error, one.degrees, one.builds, one.scope


def _is_same_build(ours: Speeds, theirs: Speeds, i: int, j: int) -> bool:
    """Whether two builds of a block are one measurement: no other has all times the same."""
    return bool(
        ours.log_seconds[i] == theirs.log_seconds[j]
        and np.array_equal(ours.levels[i], theirs.levels[j], equal_nan=True)
    )


def _shared(ours: Speeds, theirs: Speeds) -> list[tuple[int, int]]:
    """The builds of each shared block, in the order of the blocks' ids."""
    a, b = _known_blocks(ours), _known_blocks(theirs)
    return [(a[block], b[block]) for block in sorted(a.keys() & b.keys())]


def _known_blocks(speeds: Speeds) -> dict[str, int]:
    """Block to the number of its first build of known speed."""
    builds = enumerate(zip(speeds.blocks, speeds.log_seconds, strict=True))
    known = [(block, i) for i, (block, value) in builds if block and isfinite(value)]
    return dict(reversed(known))


def _differences(ours: Speeds, theirs: Speeds, pairs: list[tuple[int, int]]) -> Float64:
    """`(pairs,)`: the logarithm of ours / theirs in QPS, that is of theirs / ours in seconds.

    From the rounds in which both had a turn; where there are none, or nothing is known of rounds,
    each relative to the reference if that is known.
    """
    i, j = _columns(pairs)
    differences = theirs.log_seconds[j] - ours.log_seconds[i]
    conditions = theirs.reference[j] - ours.reference[i]
    apart = differences - np.where(np.isfinite(conditions), conditions, 0.0)
    together = [typical_difference(theirs.levels[b], ours.levels[a]) for a, b in pairs]
    return np.where(np.isfinite(together), together, apart)


def _columns(pairs: list[tuple[int, int]]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    ours, theirs = np.array(pairs, dtype=np.intp).reshape(-1, 2).T
    return ours, theirs


def _common(ours: Float64, theirs: Float64) -> tuple[Float64, Float64]:
    """The levels of the cycles that both have; none where their windows differ."""
    if ours.shape[1] != theirs.shape[1]:
        return ours[:0], ours[:0]
    cycles = min(len(ours), len(theirs))
    return ours[:cycles], theirs[:cycles]
