"""When builds of all rows are slow: how many rows are sampled to learn from, and for how long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_FEW_BUILDS = 12
"""With a budget of so many builds of all rows or more, nothing is spent on samples."""

_SHARE = 1 / 3
"""Of the budget of an algorithm: what is spent on samples at most."""

_LEAST_ROWS = 10_000

_LEAST_RATIO = 10
"""Builds of a sample are to be cheaper by this at least."""

_BUILDS = 25
"""So many builds of the larger sample would take all that is spent on samples, at least."""

_RATIO_OF_SAMPLES = 4
"""At most. Two samples say where the optimum moves with the number of rows; one alone misleads."""

_SHARE_OF_SMALL = 1 / 3


@dataclass(frozen=True)
class Stage:
    """Builds of a sample of so many rows, until those of all samples have taken so many seconds."""

    rows: int
    until_seconds: float


def stages_of(
    n: int, share_seconds: float, build_seconds: float, made: Sequence[int] = ()
) -> list[Stage]:
    """Return the samples to learn from, the smaller one first; none if they would not pay.

    They pay if there is time for few builds of all rows, and yet for two beside the samples: the
    first, and one that is better for what they told; and if there are rows for two samples.

    Parameters
    ----------
    n
        The number of all rows.
    share_seconds
        The budget of an algorithm.
    build_seconds
        What its first build of all rows took.
    made
        The rows of the samples that it was tried on before, ascending. They are used again, also
        if the budget has become larger.
    """
    seconds = min(_SHARE * share_seconds, share_seconds - 2 * build_seconds)
    is_slow = share_seconds < _FEW_BUILDS * build_seconds
    if not is_slow or seconds <= 0 or n < 2 * _LEAST_RATIO * _LEAST_ROWS:
        return []
    large = _rows_of_large(n, n * seconds / _BUILDS / build_seconds)
    small = max(_LEAST_ROWS, large // _RATIO_OF_SAMPLES)
    if len(made) > 1:
        small, large = made[0], made[-1]
    elif made and made[0] >= large:  # the time for the small one went into drawing it
        large = made[0]
    elif made:
        small = made[0]
        large = min(max(large, 2 * small), _RATIO_OF_SAMPLES * small, n // _LEAST_RATIO)
    return [Stage(small, _SHARE_OF_SMALL * seconds), Stage(large, seconds)]


def _rows_of_large(n: int, most: float) -> int:
    """A tenth of all rows, halved until there are no more than that.

    Seconds differ from search to search. Sizes of few kinds let them share samples in the cache.
    """
    rows = n // _LEAST_RATIO
    while rows > most:
        rows //= 2
    return max(2 * _LEAST_ROWS, rows)
