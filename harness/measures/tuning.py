"""Searching one index for the cheapest setting that reaches a recall, and racing such settings.

Everything is decided on a part of the tuning queries, drawn at random and grown until the decision
is clear. Held-out queries are never asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.measures.interval import student_quantile

Float64 = NDArray[np.float64]

MARGIN = 1.96 + 1.645 * 2**0.5
"""Standard errors by which recall on the tuning queries must exceed the target.

The interval of recall on as many held-out queries then lies above it in 95 of 100 tunings: its
lower end is 1.96 standard errors below the mean, and the difference of the two means has a standard
deviation of sqrt(2) standard errors, which a normal variable exceeds 1.645 times in one of 20.
"""

FIRST_QUERIES = 50
_CLEAR = 3.0  # standard errors: several looks at growing parts are taken
_LEAST_ROUNDS = 5
_SURE = 0.999


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


class Place(NamedTuple):
    """Where a setting is among those of its index.

    Settings of one `ladder` differ in monotone parameters alone; `rung` is the position along each
    of these, so that a setting with no smaller position than another has no smaller recall.
    """

    ladder: int
    rung: tuple[int, ...]


_Column = tuple[int, tuple[int, ...]]
"""The ladder of settings, and their positions along all parameters but the first."""


def lowest_reaching(places: Sequence[Place], reaches: Callable[[int], bool]) -> list[int]:
    """Return the settings that reach the target while no lower one of their ladder does.

    Columns of settings that differ in the first parameter alone are searched by bisection, those of
    larger other parameters first: what does not reach the target there, does not reach it below.

    Parameters
    ----------
    places
        Of each setting; a ladder may have gaps.
    reaches
        Asked by the number of a setting, as few as possible.
    """
    columns: dict[_Column, list[int]] = {}
    for number in sorted(range(len(places)), key=lambda i: places[i].rung[:1]):
        place = places[number]
        columns.setdefault((place.ladder, place.rung[1:]), []).append(number)
    missed: dict[_Column, Place] = {}  # the highest of each column that does not reach the target
    lowest = []
    for column in sorted(columns, reverse=True):
        own = columns[column]
        above = [place.rung[:1] for other, place in missed.items() if _covers(other, column)]
        first = sum(any(places[n].rung[:1] <= rung for rung in above) for n in own)
        first += _first_reaching(own[first:], reaches)
        if first > 0:
            missed[column] = places[own[first - 1]]
        if first < len(own):
            lowest.append(own[first])
    return sorted(n for n in lowest if not any(_is_below(places[m], places[n]) for m in lowest))


def _covers(one: _Column, other: _Column) -> bool:
    """Whether a column has the other's ladder, and no parameter smaller."""
    return one[0] == other[0] and all(a >= b for a, b in zip(one[1], other[1], strict=True))


def _is_below(one: Place, other: Place) -> bool:
    return (
        one != other
        and one.ladder == other.ladder
        and all(a <= b for a, b in zip(one.rung, other.rung, strict=True))
    )


def _first_reaching(numbers: Sequence[int], reaches: Callable[[int], bool]) -> int:
    """The position of the first of ascending settings that reaches the target, else their count."""
    if not numbers or not reaches(numbers[-1]):
        return len(numbers)
    low, high = 0, len(numbers) - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if reaches(numbers[middle]) else (middle + 1, high)
    return high


def slower_ones(logs: Float64) -> list[int]:
    """Return the settings that are clearly slower than the fastest.

    Parameters
    ----------
    logs
        `(settings, rounds)` logarithms of seconds per query; NaN in rounds without a turn.
    """
    known = np.isfinite(logs)
    if len(logs) < 2 or not known.any(axis=1).all():
        return []
    leader = int(np.argmin([np.median(row[k]) for row, k in zip(logs, known, strict=True)]))
    return [i for i in range(len(logs)) if i != leader and _is_slower(logs[i], logs[leader])]


def _is_slower(ours: Float64, theirs: Float64) -> bool:
    differences = ours - theirs
    differences = differences[np.isfinite(differences)]
    rounds = len(differences)
    if rounds < _LEAST_ROUNDS:
        return False
    error = float(differences.std(ddof=1)) / rounds**0.5
    return bool(differences.mean() > student_quantile(rounds - 1, _SURE) * error)
