"""Searching an index for the lowest settings that reach a target."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.measures.ladders import Asked, Place, lowest_reaching


def asked_once(reaches, seconds=0.0):
    return Asked("reaches" if reaches else "misses", seconds)


NEEDS = st.lists(st.integers(0, 12), min_size=1, max_size=5)
"""What rung each column needs, or none that there is: fewer with a larger second parameter."""


@given(NEEDS, st.integers(1, 12))
def test_the_lowest_settings_are_found_with_few_questions(needs, rungs):
    needs = sorted(needs, reverse=True)
    grid = list(itertools.product(range(rungs), range(len(needs))))
    asked = []

    def ask(number):
        asked.append(number)
        first, second = grid[number]
        return asked_once(first >= needs[second], first + 2 * second)

    found = {grid[i] for i in lowest_reaching([Place(0, rung) for rung in grid], ask)}
    enough = [(a, b) for a, b in grid if a >= needs[b]]
    assert found == {(a, b) for a, b in enough if not {(a - 1, b), (a, b - 1)} & set(enough)}
    assert len(asked) == len(set(asked)) <= len(needs) * (2 * rungs.bit_length() + 1)


@given(NEEDS, st.integers(1, 12), st.integers(0, 3), st.integers(0, 40))
def test_settings_that_are_too_slow_are_not_among_the_lowest(needs, rungs, weight, limit):
    """As above; the time rises with both parameters, and beyond a limit nothing is answered."""
    needs = sorted(needs, reverse=True)
    grid = list(itertools.product(range(rungs), range(len(needs))))

    def ask(number):
        first, second = grid[number]
        seconds = 3 * first + weight * second
        if seconds > limit:
            return Asked("too slow", seconds)
        return asked_once(first >= needs[second], seconds)

    found = {grid[i] for i in lowest_reaching([Place(0, rung) for rung in grid], ask)}
    enough = {grid[i] for i in range(len(grid)) if ask(i).verdict == "reaches"}
    assert found == {(a, b) for a, b in enough if not {(a - 1, b), (a, b - 1)} & enough}


def test_a_slow_column_is_asked_little_once_a_fast_one_reaches():
    """The second parameter costs more than it helps: its largest value is not searched through."""
    grid = list(itertools.product(range(100), range(8)))
    asked, reached = [], []

    def ask(number):
        first, second = grid[number]
        seconds = (first + 5) * 3.0**second
        asked.append(second)
        if reached and seconds > 1.5 * min(reached):
            return Asked("too slow", seconds)
        if first >= 60 - second:
            reached.append(seconds)
            return Asked("reaches", seconds)
        return Asked("misses", seconds)

    [best] = lowest_reaching([Place(0, rung) for rung in grid], ask)
    assert grid[best] == (60, 0)
    assert sum(second > 4 for second in asked) <= 9  # three for each


@given(st.floats(0.2, 3), st.floats(0.2, 3), st.integers(1, 60), st.integers(20, 100))
def test_of_many_columns_the_fastest_is_found_with_few_questions(first, second, need, columns):
    """Recall and time grow with the products of two parameters, whose values are 5 % apart."""
    grid = list(itertools.product(range(100), range(columns)))
    asked, reached = [], []

    def seconds_of(place):
        return first * 1.05 ** place[0] + second * 1.05 ** place[1]

    def reaches(place):
        return sum(place) >= 2 * need

    def ask(number):
        asked.append(number)
        place, seconds = grid[number], seconds_of(grid[number])
        if reached and seconds > 1.3 * min(reached):
            return Asked("too slow", seconds)
        if reaches(place):
            reached.append(seconds)
        return asked_once(reaches(place), seconds)

    found = lowest_reaching([Place(0, rung) for rung in grid], ask)
    best = min((seconds_of(place) for place in grid if reaches(place)), default=None)
    assert (best is None) == (not found)
    assert not found or min(seconds_of(grid[number]) for number in found) <= 1.0001 * best
    assert len(asked) <= 120  # of up to 10,000


@given(st.integers(1, 100), st.integers(0, 99), st.sets(st.integers(0, 99)))
def test_noise_in_the_times_does_not_hide_what_reaches_the_target(rungs, needed, paused):
    """A lower setting that looks too slow beside a higher one was disturbed."""
    reached = []

    def ask(number):
        if reached and number in paused:
            return Asked("too slow", 1.0)
        if number >= needed:
            reached.append(number)
        return asked_once(number >= needed, 1.0)

    found = lowest_reaching([Place(0, (rung,)) for rung in range(rungs)], ask)
    assert found == ([min(reached)] if rungs > needed else [])


@given(st.integers(1, 100), st.integers(0, 99), st.integers(0, 99))
def test_settings_above_one_that_fails_hide_none_below_it(rungs, needed, failing):
    """Such as one that needs more memory than there is; with other parameters others may do."""
    grid = [(first, second) for first in range(rungs) for second in range(2)]

    def ask(number):
        first, second = grid[number]
        if second == 1 and first >= failing:
            return Asked("failed")
        return asked_once(first >= needed)

    found = {grid[i] for i in lowest_reaching([Place(0, rung) for rung in grid], ask)}
    assert found == ({(needed, 0)} if needed < rungs else set())


def test_one_that_fails_below_all_others_does_not_end_the_search():
    places = [Place(0, (rung,)) for rung in range(20)]
    found = lowest_reaching(places, lambda i: asked_once(i > 9) if i > 0 else Asked("failed"))
    assert found == [10]


@given(st.data(), st.lists(st.integers(0, 5), min_size=3, max_size=3), st.integers(0, 40))
def test_gaps_in_a_ladder_hide_no_setting(data, weights, needed):
    """Recall rises with all three parameters; `where` may drop any of the settings."""
    grid = list(itertools.product(range(5), range(3), range(3)))
    rungs = data.draw(st.lists(st.sampled_from(grid), unique=True))
    enough = {rung for rung in rungs if np.dot(weights, rung) >= needed}

    def is_below(one, other):
        return one != other and all(a <= b for a, b in zip(one, other, strict=True))

    places = [Place(0, rung) for rung in rungs]
    found = {rungs[i] for i in lowest_reaching(places, lambda i: asked_once(rungs[i] in enough))}
    assert found == {one for one in enough if not any(is_below(other, one) for other in enough)}


@given(st.data())
def test_of_many_columns_those_that_fail_or_have_gaps_hide_none_that_reaches(data):
    """What reaches the target stays, whichever columns are searched first."""
    needed = data.draw(st.integers(0, 30))
    failing = data.draw(st.integers(0, 24))
    highest = data.draw(st.integers(5, 20))
    grid = [(a, b) for a in range(20) for b in range(24) if b < failing or a < highest]
    reaching = {place for place in grid if sum(place) >= needed and place[1] < failing}

    def ask(number):
        if grid[number][1] >= failing:
            return Asked("failed")
        return asked_once(grid[number] in reaching, 1.0)

    found = lowest_reaching([Place(0, rung) for rung in grid], ask)
    assert {grid[number] for number in found} <= reaching
    assert bool(found) == bool(reaching)


@given(st.integers(1, 100), st.integers(0, 99))
def test_nothing_is_asked_above_one_that_misses_and_is_too_slow(rungs, limit):
    asked = []

    def ask(number):
        asked.append(number)
        return Asked("misses", float(number), is_useless=number >= limit)

    assert lowest_reaching([Place(0, (rung,)) for rung in range(rungs)], ask) == []
    assert sum(number >= limit for number in asked) == (rungs > limit)


def test_ladders_are_searched_apart_and_settings_without_rungs_are_all_asked():
    places = [Place(0, ()), Place(1, ()), Place(2, (0,)), Place(2, (1,))]
    assert lowest_reaching(places, lambda i: asked_once(i != 1)) == [0, 2]
