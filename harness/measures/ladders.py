"""Searching one index for the fastest settings that reach a target, with few questions.

Recall and time rise along monotone parameters. Of two such parameters with many values, the search
also assumes that the time at the target has one valley.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

_FIRST_STEP = 8
"""The first step upwards in a column is such a part of it."""

_FIRST_COLUMNS = 8
"""Of the columns of a ladder about so many are searched first, evenly spread."""

_NEAR = 1.05
"""Columns are searched on both sides of those that take up to so many times the least time."""


class Place(NamedTuple):
    """Where a setting is among those of its index.

    Settings of one `ladder` differ in monotone parameters alone; `rung` is the position along each
    of these, so that a setting with no smaller position than another has no smaller recall.
    """

    ladder: int
    rung: tuple[int, ...]


Verdict = Literal["reaches", "misses", "too slow", "failed"]
"""Of a question about a setting. One that is `too slow` is of no use even if it reaches the target,
and those above it in its column are slower still. One that `failed` says nothing of other
columns; in its own, those above it are skipped unless the failed one is the lowest."""


class Asked(NamedTuple):
    """What a question about a setting has told, and its seconds.

    `is_useless`: it is too slow to be of use, also if it misses the target.
    """

    verdict: Verdict
    seconds: float = 0.0
    is_useless: bool = False


def lowest_reaching(places: Sequence[Place], ask: Callable[[int], Asked]) -> list[int]:
    """Return the settings that reach the target while no lower one of their ladder does.

    Settings that differ in the first parameter alone are a column. Each is searched upwards from
    its lowest setting in growing steps, and then by bisection. The next question is about the
    column that can still be the fastest: the one whose slowest setting that missed the target is
    the fastest. So slow columns are asked last, when `ask` knows that they are of no use. What does
    not reach the target does not reach it with smaller other parameters either.

    Of a ladder with many columns, which differ in one parameter, only some are searched at first,
    and then the middle of the gaps beside the fastest, again and again. The settings of the others
    are not returned.

    Parameters
    ----------
    places
        Of each setting; a ladder may have gaps.
    ask
        Called with the number of a setting, as rarely as possible.
    """
    by_column: dict[tuple[int, tuple[int, ...]], list[int]] = {}
    for number in sorted(range(len(places)), key=lambda i: places[i].rung[:1]):
        place = places[number]
        by_column.setdefault((place.ladder, place.rung[1:]), []).append(number)
    columns = [
        _Column(ladder, others, [places[number].rung[:1] for number in own], own)
        for (ladder, others), own in sorted(by_column.items(), reverse=True)
    ]
    _begin(columns)
    while going := [one for one in columns if one.is_searched and not one.is_done]:
        column = min(going, key=lambda one: one.missed_seconds)
        position = column.next_position()
        _take(columns, column, position, ask(column.numbers[position]))
        if all(one.is_done for one in columns if one.is_searched):
            _search_beside_fastest(columns)
    lowest = [column.numbers[column.reached] for column in columns if column.reached is not None]
    return sorted(n for n in lowest if not any(_is_below(places[m], places[n]) for m in lowest))


def _take(columns: Sequence[_Column], column: _Column, position: int, asked: Asked) -> None:
    """Take what a question has told of a column, and so of others."""
    verdict, seconds, is_useless = asked
    if verdict != "misses":
        column.end_at(position, verdict, seconds)
    else:
        column.missed_seconds = max(column.missed_seconds, seconds)
    for other in columns:
        if verdict == "misses" and column.covers(other):
            other.miss(column.firsts[position])
        if verdict == "reaches" and other is not column and other.covers(column):
            other.leave_out(column.firsts[position])
    if is_useless:
        column.give_up()


def _by_ladder(columns: Sequence[_Column]) -> Iterator[list[_Column]]:
    return (list(own) for _, own in itertools.groupby(columns, key=lambda one: one.ladder))


def _begin(columns: Sequence[_Column]) -> None:
    """Search the first columns of each ladder: both ends, and some that are evenly spread."""
    for own in _by_ladder(columns):
        is_line = len(own[0].others) == 1
        step = max(1, round(len(own) / _FIRST_COLUMNS)) if is_line else 1
        for column in [*own[::step], own[-1]]:
            column.is_searched = True


def _search_beside_fastest(columns: Sequence[_Column]) -> None:
    """Search the middle of the gaps beside the fastest columns of each ladder, if there are any.

    If none reaches the target, of all gaps, unless one was of no use.
    """
    for own in _by_ladder(columns):
        places = [place for place, column in enumerate(own) if column.is_searched]
        reached = [column.reached_seconds for column in own if column.reached is not None]
        if not reached and any(column.is_slow for column in own):
            continue
        most = _NEAR * min(reached, default=math.inf)
        for one, other in itertools.pairwise(places):
            ends = (own[one], own[other])
            if not reached or any(
                end.reached is not None and end.reached_seconds <= most for end in ends
            ):
                own[(one + other) // 2].is_searched = True


@dataclass
class _Column:
    """Settings of a ladder that differ in the first parameter alone, ascending.

    Those before `low` miss the target; that at `high` and those after it need not be asked.
    `reached` is the lowest known to reach it, in `reached_seconds`. `firsts` are the positions
    along the first parameter, `others` those along the others.
    """

    ladder: int
    others: tuple[int, ...]
    firsts: list[tuple[int, ...]]
    numbers: list[int]
    low: int = 0
    high: int = field(init=False)
    is_searched: bool = False
    is_slow: bool = False
    reached: int | None = None
    reached_seconds: float = 0.0
    missed_seconds: float = 0.0
    _step: int = 0
    _is_doubtful: bool = False
    _low_was_tried: bool = False

    def __post_init__(self) -> None:
        self.high = len(self.numbers)

    @property
    def is_done(self) -> bool:
        """Whether it is known which is the lowest that reaches the target."""
        return self.low >= self.high

    def next_position(self) -> int:
        """Return which setting to ask about next."""
        last = len(self.numbers) - 1
        if self._is_doubtful and not self._low_was_tried:
            self._low_was_tried = True  # mostly of no use either, which ends the column
            return self.low
        if self.high <= last:
            return (self.low + self.high) // 2
        position = min(self.low + self._step, last)
        self._step = 2 * self._step or max(1, len(self.numbers) // _FIRST_STEP)
        return position

    def end_at(self, position: int, verdict: Verdict, seconds: float) -> None:
        """Take that those from this position on need not be asked."""
        if verdict == "failed" and position == self.low:
            self.low += 1  # one above may do
            return
        self.high, self._is_doubtful = position, verdict != "reaches"
        self.is_slow |= verdict == "too slow"
        if verdict == "reaches":
            self.reached, self.reached_seconds = position, seconds

    def covers(self, other: _Column) -> bool:
        """Whether it has the other's ladder, and no other parameter is smaller."""
        pairs = zip(self.others, other.others, strict=True)
        return self.ladder == other.ladder and all(a >= b for a, b in pairs)

    def give_up(self) -> None:
        """Take that those above the last one that missed the target are of no use.

        Not if one above it reaches the target: then the one that missed it was disturbed.
        """
        if self.reached is None:
            self.high, self.is_slow = self.low, True

    def leave_out(self, first: tuple[int, ...]) -> None:
        """Take that those from this position along the first parameter on need not be asked."""
        count = bisect_left(self.firsts, first)
        if count < self.high:
            self.high, self._is_doubtful = count, False

    def miss(self, first: tuple[int, ...]) -> None:
        """Take that the target is missed up to this position along the first parameter."""
        while self.low < self.high and self.firsts[self.low] <= first:
            self.low += 1


def _is_below(one: Place, other: Place) -> bool:
    return (
        one != other
        and one.ladder == other.ladder
        and all(a <= b for a, b in zip(one.rung, other.rung, strict=True))
    )
