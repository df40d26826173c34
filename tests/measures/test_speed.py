"""Typical times, log seconds and the levels of rounds: by hand, and what must not move them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from harness.measures.speed import (
    log_seconds_of_queries,
    log_seconds_of_reference,
    log_seconds_of_walls,
    lower_quartile,
    query_windows,
    reference_levels,
    round_levels,
    typical_times,
    wall_levels,
)

seconds = st.floats(1e-6, 10.0)
passes_of_queries = arrays(
    np.float64, st.tuples(st.integers(1, 12), st.integers(1, 6)), elements=seconds
)


@given(passes_of_queries)
def test_the_quartile_is_numpys_median_unbiased_one(values):
    expected = np.quantile(values, 0.25, axis=0, method="median_unbiased")
    np.testing.assert_allclose(lower_quartile(values), expected, rtol=1e-12)


@given(passes_of_queries, st.integers(1, 5))
def test_missing_values_are_as_if_they_were_not_there(values, missing):
    padded = np.concatenate([values, np.full((missing, values.shape[1]), np.nan)])
    np.testing.assert_array_equal(lower_quartile(padded), lower_quartile(values))


def test_a_quartile_of_columns_of_unequal_length():
    columns = np.array([[3.0, np.nan, np.nan], [1.0, 4.0, np.nan], [2.0, np.nan, np.nan]])
    np.testing.assert_allclose(lower_quartile(columns), [7 / 6, 4.0, np.nan])


@given(st.integers(1, 300), st.integers(1, 80))
def test_windows_hold_every_query_once(nq, window):
    windows = query_windows(nq, window)
    assert sorted(np.concatenate(windows)) == list(range(nq))
    assert {len(one) for one in windows[:-1]} <= {window}


def test_log_seconds_by_hand():
    times = np.array([[1.0, 3.0]] * 5)
    assert log_seconds_of_queries(times) == pytest.approx(np.log(2))
    assert log_seconds_of_walls(np.full(5, 8.0), nq=4) == pytest.approx(np.log(2))
    assert np.isnan(log_seconds_of_queries(np.full((2, 3), np.nan)))
    assert np.isnan(log_seconds_of_walls(np.zeros(3), 4))


def test_an_interruption_moves_no_typical_time():
    honest = np.random.default_rng(0).uniform(1e-5, 3e-5, 100)
    times = np.tile(honest, (5, 1))
    times[2, 10:30] += 0.1
    times[4, 20:50] += 0.1
    np.testing.assert_array_equal(typical_times(times), honest)


@given(st.floats(0.1, 10.0), st.integers(1, 6))
def test_a_slower_machine_adds_its_factor_to_build_and_reference_alike(factor, passes):
    generator = np.random.default_rng(passes)
    times, turns = generator.uniform(1, 2, (passes, 20)), generator.uniform(1, 2, passes * 4)
    cycles = np.arange(passes)
    build = log_seconds_of_queries(factor * times) - log_seconds_of_queries(times)
    reference = (
        log_seconds_of_reference(factor * turns, cycles, 4)
        - log_seconds_of_reference(turns, cycles, 4)
    )  # fmt: skip
    assert build == pytest.approx(np.log(factor))
    assert reference == pytest.approx(np.log(factor))


def test_the_reference_is_that_of_the_cycles_in_which_the_build_took_part():
    turns = np.array([[1.0, 1.0], [8.0, 8.0], [2.0, 4.0]]).ravel()
    assert log_seconds_of_reference(turns, np.array([2]), 2) == pytest.approx(np.log(3))
    assert log_seconds_of_reference(turns, np.array([1]), 2) == pytest.approx(np.log(8))


@pytest.mark.parametrize(("turns", "cycles"), [(5, [0, 1]), (4, [0, 2])])
def test_turns_that_are_not_one_a_round_are_used_as_a_whole(turns, cycles):
    times = np.linspace(1, 2, turns)
    expected = np.log(np.quantile(times, 0.25, method="median_unbiased"))
    assert log_seconds_of_reference(times, np.array(cycles), 2) == pytest.approx(expected)
    assert reference_levels(times, np.array(cycles), 2).shape == (0, 2)


def test_without_turns_the_reference_is_unknown():
    assert np.isnan(log_seconds_of_reference(np.empty(0), np.array([0]), 2))


def test_levels_find_the_slow_rounds():
    windows = query_windows(25, 10)
    times = np.tile(np.random.default_rng(0).uniform(1, 2, 25), (3, 1))
    times[1, windows[2]] *= 2
    times[0, windows[0][:4]] += 5  # an interruption of less than half of the window
    levels = round_levels(times, np.array([0, 2, 3]), windows)
    assert levels.shape == (4, 3)
    assert np.isnan(levels[1]).all()
    slower = levels - np.nanmin(levels, axis=0)
    np.testing.assert_allclose(slower[[0, 2, 3], 2], [0, np.log(2), 0], atol=1e-12)
    np.testing.assert_allclose(slower[[0, 2, 3]][:, :2], 0, atol=1e-12)


def test_levels_of_whole_passes():
    levels = wall_levels(np.array([1.0, 2.0, 4.0]), np.array([0, 1, 3]))
    np.testing.assert_allclose(levels[:, 0], [-np.log(2), 0, np.nan, np.log(2)], atol=1e-12)
    assert wall_levels(np.array([3.0]), np.array([0])).tolist() == [[0.0]]
