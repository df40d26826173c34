"""Searching an index for the cheapest setting that reaches a recall, and the race of settings."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.measures.recall_intervals import recall_bounds
from harness.measures.tuning import (
    MARGIN,
    Place,
    judged,
    lowest_reaching,
    part_sizes,
    slower_ones,
    spread_over,
    time_size_frontier,
)


@given(st.lists(st.integers(0, 12), min_size=1, max_size=5), st.integers(1, 12))
def test_the_lowest_settings_are_found_with_few_questions(needs, rungs):
    """Column s of a monotone staircase needs rung `needs[s]`, or none that there is."""
    needs = sorted(needs, reverse=True)
    grid = list(itertools.product(range(rungs), range(len(needs))))
    places = [Place(0, rung) for rung in grid]
    asked = []

    def reaches(number):
        asked.append(number)
        first, second = grid[number]
        return first >= needs[second]

    found = {grid[i] for i in lowest_reaching(places, reaches)}
    enough = [(a, b) for a, b in grid if a >= needs[b]]
    lowest = {(a, b) for a, b in enough if not {(a - 1, b), (a, b - 1)} & set(enough)}
    assert found == lowest
    assert len(asked) == len(set(asked)) <= len(needs) * (rungs.bit_length() + 1)


@given(
    st.lists(st.integers(0, 12), min_size=1, max_size=5),
    st.integers(1, 12),
    st.integers(0, 3),
    st.integers(0, 40),
)
def test_settings_that_are_too_slow_are_not_among_the_lowest(needs, rungs, weight, limit):
    """As above; the time rises with both parameters, and beyond a limit nothing is answered."""
    needs = sorted(needs, reverse=True)
    grid = list(itertools.product(range(rungs), range(len(needs))))

    def reaches(number):
        first, second = grid[number]
        return None if 3 * first + weight * second > limit else first >= needs[second]

    found = {grid[i] for i in lowest_reaching([Place(0, rung) for rung in grid], reaches)}
    enough = {grid[i] for i in range(len(grid)) if reaches(i)}
    assert found == {(a, b) for a, b in enough if not {(a - 1, b), (a, b - 1)} & enough}


@given(st.data(), st.lists(st.integers(0, 5), min_size=3, max_size=3), st.integers(0, 40))
def test_gaps_in_a_ladder_hide_no_setting(data, weights, needed):
    """Recall rises with all three parameters; `where` may drop any of the settings."""
    grid = list(itertools.product(range(5), range(3), range(3)))
    rungs = data.draw(st.lists(st.sampled_from(grid), unique=True))
    enough = {rung for rung in rungs if np.dot(weights, rung) >= needed}

    def is_below(one, other):
        return one != other and all(a <= b for a, b in zip(one, other, strict=True))

    places = [Place(0, rung) for rung in rungs]
    found = {rungs[i] for i in lowest_reaching(places, lambda i: rungs[i] in enough)}
    assert found == {one for one in enough if not any(is_below(other, one) for other in enough)}


def test_ladders_are_searched_apart_and_settings_without_rungs_are_all_asked():
    places = [Place(0, ()), Place(1, ()), Place(2, (0,)), Place(2, (1,))]
    assert lowest_reaching(places, lambda i: i != 1) == [0, 2]


def test_a_part_decides_only_what_is_clear():
    rng = np.random.default_rng(1)
    recalls = np.clip(rng.normal(0.97, 0.1, 2000), 0, 1)
    assert judged(recalls[:50], 2000, 0.5).reaches is True
    assert judged(recalls[:50], 2000, 0.999).reaches is not True
    assert judged(recalls[:50], 2000, recalls.mean()).reaches is None
    assert judged(np.ones(50), 2000, 0.95).reaches is None  # 50 hits are no certainty
    whole = judged(recalls, 2000, 0.9)
    assert whole.reaches is True
    assert whole.needed == pytest.approx(0.9 + MARGIN * recalls.std() / 2000**0.5, abs=1e-3)


def test_parts_grow_to_all_queries():
    assert list(part_sizes(340)) == [50, 100, 200, 340]
    assert list(part_sizes(7)) == [7]


def test_a_recall_that_is_just_enough_is_met_on_held_out_queries():
    """The lower end of the interval on as many other queries, in 95 of 100."""
    rng = np.random.default_rng(7)
    met = []
    for _ in range(1000):
        tuning, held_out = rng.binomial(10, 0.96, (2, 500)) / 10
        target = 2 * tuning.mean() - judged(tuning, 500, tuning.mean()).needed  # just enough
        met.append(recall_bounds(held_out[None, :, None]).low[0] >= target)
    assert np.mean(met) >= 0.94


def test_only_what_is_clearly_slower_leaves_the_race():
    rng = np.random.default_rng(3)
    rounds = rng.normal(0, 0.05, 40)  # what all settings share
    logs = rounds + rng.normal(0, 0.01, (4, 40)) + np.array([[0.0], [0.001], [0.1], [0.0]])
    logs[3, 10:] = np.nan
    assert slower_ones(logs) == [2]
    assert slower_ones(logs[:, :4]) == []
    assert slower_ones(logs[:1]) == []


def test_in_a_race_for_bytes_too_a_slow_setting_leaves_only_if_none_faster_is_as_small():
    rng = np.random.default_rng(3)
    logs = rng.normal(0, 0.01, (4, 40)) + np.array([[0.0], [0.1], [0.2], [0.2]])
    assert slower_ones(logs) == [1, 2, 3]
    assert slower_ones(logs, np.array([400.0, 200.0, 100.0, 401.0])) == [3]
    assert slower_ones(logs, np.array([400.0, 200.0, 199.9, 100.0])) == [2]  # equal in size
    assert slower_ones(logs[:, :4], np.array([400.0, 200.0, 100.0, 401.0])) == []


def test_a_frontier_leaves_out_what_is_not_smaller_by_a_hundredth():
    times, sizes = np.log([1.0, 2.0, 3.0, 4.0, 1.5, np.nan]), np.array([400, 200, 199, 50, 400, 9])
    assert time_size_frontier(times, sizes) == [3, 1, 0]
    assert time_size_frontier(times[5:], sizes[5:]) == []


def test_a_frontier_is_spread_over_the_ratios_of_sizes():
    sizes = np.array([10.0, 11, 12, 100, 900, 1000])
    assert spread_over(sizes, 3) == [0, 3, 5]
    assert spread_over(sizes, 9) == list(range(6))
    assert spread_over(sizes[:1], 3) == [0]
    assert spread_over(sizes[:0], 3) == []
