"""Judging whether a search setting reaches a recall, and racing those that do.

Everything is decided on a part of the tuning queries, drawn at random and grown until the decision
is clear. Held-out queries are never asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.measures.frontier import pareto_frontier
from harness.measures.interval import student_quantile

Float64 = NDArray[np.float64]

_LUCK = 1.0

MARGIN = 1.96 + 1.645 * 2**0.5 + _LUCK
"""Standard errors by which recall on the tuning queries must exceed the target.

The interval of recall on as many held-out queries then lies above it in 95 of 100 tunings: its
lower end is 1.96 standard errors below the mean, and the difference of the two means has a standard
deviation of sqrt(2) standard errors, which a normal variable exceeds 1.645 times in one of 20. The
rest is for builds: the winner is a lucky one among many. `tests/performance/tuning.py` told how
much that needs.
"""

FIRST_QUERIES = 50
_CLEAR = 3.0  # standard errors: several looks at growing parts are taken
_LEAST_ROUNDS = 5
_SURE = 0.999

SAME_SIZE = 1.01
"""Sizes whose ratio is below this are equal: builds of the same parameters differ a little."""


class Sample(NamedTuple):
    """What a part of the tuning queries says: the mean recall, and whether it reaches the target.

    `reaches` is None while it is not clear. `needed` is the recall that is required.
    """

    recall: float
    needed: float
    reaches: bool | None


def judged(recalls: Float64, count: int, target: float) -> Sample:
    """Return what the recall of some of the tuning queries says.

    Parameters
    ----------
    recalls
        `(m,)` recall of the queries asked so far, a random part.
    count
        The number of tuning queries. With all of them the decision is always clear.
    target
        The recall to reach on held-out queries, with its interval (see `MARGIN`).
    """
    m, mean = len(recalls), float(recalls.mean())
    # With one hit and one miss more, a few queries that all hit are not taken for certainty.
    spread = float(np.std([*recalls, 0.0, 1.0], ddof=1))
    needed = min(target + MARGIN * spread / count**0.5, 1.0)
    if m >= count:
        return Sample(mean, needed, mean >= needed)
    reach = _CLEAR * spread * (1 / m - 1 / count) ** 0.5
    clear = abs(mean - needed) > reach
    return Sample(mean, needed, mean > needed if clear else None)


def part_sizes(count: int) -> Iterator[int]:
    """Yield the sizes of the growing parts of so many tuning queries; the last is all of them."""
    size = FIRST_QUERIES
    while size < count:
        yield size
        size *= 2
    yield count


def slower_ones(logs: Float64, sizes: Float64 | None = None) -> list[int]:
    """Return the settings that are clearly slower than the fastest, or the fastest as small.

    Parameters
    ----------
    logs
        `(settings, rounds)` logarithms of seconds per query; NaN in rounds without a turn.
    sizes
        `(settings,)` bytes, if small settings may be slow: each is then compared with the fastest
        of those that are no larger than it (see `SAME_SIZE`).
    """
    known = np.isfinite(logs)
    if len(logs) < 2 or not known.any(axis=1).all():
        return []
    sizes = np.zeros(len(logs)) if sizes is None else sizes
    medians = np.array([np.median(row[k]) for row, k in zip(logs, known, strict=True)])
    leaders = [
        int(np.argmin(np.where(sizes <= size * SAME_SIZE, medians, np.inf))) for size in sizes
    ]
    return [i for i, best in enumerate(leaders) if i != best and _is_slower(logs[i], logs[best])]


def time_size_frontier(log_seconds: Float64, sizes: Float64) -> list[int]:
    """Return the settings that no other one beats in time and size, the smallest first.

    A size counts as smaller only if it is by more than `SAME_SIZE`, or else small differences
    between builds of equal parameters would put many of them on the frontier.

    Parameters
    ----------
    log_seconds, sizes
        `(settings,)` logarithms of seconds per query, and bytes. A setting with NaN in either is
        not on the frontier.
    """
    kept: list[int] = []
    for i in pareto_frontier(log_seconds, sizes, more_x_is_better=False, more_y_is_better=False):
        if not kept or sizes[i] * SAME_SIZE < sizes[kept[-1]]:
            kept.append(int(i))
    return kept[::-1]


def spread_over(sizes: Float64, most: int) -> list[int]:
    """Return at most so many settings of a frontier: both ends, and others spread over the sizes.

    Each is the one whose size has the largest ratio to the nearest size chosen before.

    Parameters
    ----------
    sizes
        `(settings,)` bytes, ascending.
    most
        At least 2.
    """
    logs = np.log(sizes)
    chosen = sorted({0, len(logs) - 1} if len(logs) else set())
    while len(chosen) < min(most, len(logs)):
        gaps = np.abs(logs[:, None] - logs[chosen]).min(axis=1)
        gaps[chosen] = -1.0
        chosen = sorted([*chosen, int(np.argmax(gaps))])
    return chosen


def _is_slower(ours: Float64, theirs: Float64) -> bool:
    differences = ours - theirs
    differences = differences[np.isfinite(differences)]
    rounds = len(differences)
    if rounds < _LEAST_ROUNDS:
        return False
    error = float(differences.std(ddof=1)) / rounds**0.5
    return bool(differences.mean() > student_quantile(rounds - 1, _SURE) * error)
