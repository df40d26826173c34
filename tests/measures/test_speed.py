"""Levels of rounds, typical times and differences: by hand, and what must not move them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from harness.measures.speed import (
    median_of_known,
    query_order,
    query_windows,
    reference_levels,
    round_levels,
    share_of_windows,
    typical_difference,
    typical_level,
    typical_times,
    wall_levels,
)

seconds = st.floats(1e-6, 10.0)
passes_of_queries = arrays(
    np.float64, st.tuples(st.integers(1, 12), st.integers(1, 6)), elements=seconds
)


@given(passes_of_queries, st.integers(0, 5))
def test_missing_values_are_as_if_they_were_not_there(values, missing):
    padded = np.concatenate([values, np.full((missing, values.shape[1]), np.nan)])
    np.testing.assert_array_equal(median_of_known(padded), np.median(values, axis=0))


def test_a_median_of_columns_of_unequal_length():
    columns = np.array([[3.0, np.nan, np.nan], [1.0, 4.0, np.nan], [2.5, np.nan, np.nan]])
    np.testing.assert_array_equal(median_of_known(columns), [2.5, 4.0, np.nan])


@given(st.integers(1, 300), st.integers(1, 80), st.integers(0, 5))
def test_windows_hold_every_query_once(nq, window, seed):
    windows = query_windows(nq, window, seed)
    assert sorted(np.concatenate(windows)) == list(range(nq))
    assert {len(one) for one in windows[:-1]} <= {window}


def test_the_order_of_the_queries_is_another_in_every_block():
    orders = {tuple(query_order(50, seed)) for seed in range(5)}
    assert len(orders) == 5
    assert tuple(query_order(50, 3)) in orders


def test_an_interruption_moves_no_typical_time():
    honest = np.random.default_rng(0).uniform(1e-5, 3e-5, 100)
    times = np.tile(honest, (5, 1))
    times[2, 10:30] += 0.1
    times[4, 20:50] += 0.1
    np.testing.assert_array_equal(typical_times(times), honest)


def levels_of(times, window=5):
    windows = query_windows(times.shape[1], window, 1)
    return round_levels(times, np.arange(len(times)), windows)


@given(st.floats(0.1, 10.0), st.integers(1, 6))
def test_a_slower_machine_adds_its_factor_to_every_level(factor, passes):
    times = np.random.default_rng(passes).uniform(1, 2, (passes, 20))
    np.testing.assert_allclose(levels_of(factor * times), levels_of(times) + np.log(factor))
    walls, cycles = times.sum(axis=1), np.arange(passes)
    np.testing.assert_allclose(
        wall_levels(factor * walls, cycles, 20), wall_levels(walls, cycles, 20) + np.log(factor)
    )


@given(st.integers(1, 6), st.floats(1.0, 50.0))
def test_the_typical_level_of_an_even_machine_is_the_mean_time(passes, slowest):
    times = np.tile(np.random.default_rng(passes).uniform(1, slowest, 40), (passes, 1))
    # The weights of the windows make it that of the mean to the second order.
    assert typical_level(levels_of(times, 40)) == pytest.approx(np.log(times.mean()))
    assert typical_level(levels_of(times)) == pytest.approx(np.log(times.mean()), abs=0.1)


def test_the_reference_is_that_of_the_cycles_in_which_the_build_took_part():
    turns = np.array([[1.0, 1.0], [8.0, 8.0], [2.0, 4.0]]).ravel()
    levels = reference_levels(turns, np.array([1, 2]), 2)
    np.testing.assert_allclose(np.exp(levels), [[1, 1], [8, 8], [2, 4]])
    build = np.log([[np.nan, np.nan], [16.0, 16.0], [4.0, 8.0]])
    assert typical_difference(build, levels) == pytest.approx(np.log(2))


@pytest.mark.parametrize(("turns", "cycles"), [(5, [0, 1]), (4, [0, 2])])
def test_turns_that_are_not_one_a_round_are_used_as_a_whole(turns, cycles):
    times = np.linspace(1, 2, turns)
    levels = reference_levels(times, np.array(cycles), 2)
    np.testing.assert_allclose(levels, np.median(np.log(times)))
    assert levels.shape == (cycles[-1] + 1, 2)


def test_without_turns_the_reference_is_unknown():
    nothing = reference_levels(np.empty(0), np.array([0]), 2)
    assert nothing.shape == (0, 2)
    assert np.isnan(typical_difference(np.zeros((1, 2)), nothing))


def test_levels_find_the_slow_rounds():
    windows = query_windows(25, 10, 0)
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
    levels = wall_levels(np.array([1.0, 2.0, 4.0]), np.array([0, 1, 3]), nq=2)
    np.testing.assert_allclose(np.exp(levels[:, 0]), [0.5, 1.0, np.nan, 2.0])


def two_states(rng, passes, windows, share):
    """The logarithms of a machine that is slower by .6 in a share of the rounds."""
    return 0.6 * (rng.random((passes, windows)) < share)


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.75])
@pytest.mark.parametrize("passes", [3, 12])
def test_a_state_that_both_meet_in_most_rounds_does_not_move_the_difference(share, passes):
    """Each index meets another state than the machine in one round of ten."""
    rng = np.random.default_rng(passes)
    errors = []
    for _ in range(50):
        machine = two_states(rng, passes, 20, share)
        sides = []
        for own in (0.0, np.log(1.1)):
            flipped = rng.random(machine.shape) < 0.1
            noise = 0.01 * rng.standard_normal(machine.shape)
            sides.append(own + np.where(flipped, 0.6 - machine, machine) + noise)
        errors.append(typical_difference(sides[1], sides[0]) - np.log(1.1))
    assert abs(np.mean(errors)) < 0.01
    assert np.std(errors) < 0.03


def test_the_difference_is_that_of_the_means_where_windows_differ():
    rng = np.random.default_rng(0)
    ours, theirs = (np.exp(0.2 * rng.standard_normal(400)) for _ in range(2))
    levels = [np.log(np.tile(side, (3, 1))) for side in (ours, theirs)]
    expected = np.log(ours.mean() / theirs.mean())
    assert typical_difference(*levels) == pytest.approx(expected, abs=0.01)


def test_noise_moves_the_difference_no_more_than_the_median_over_all_rounds():
    rng = np.random.default_rng(0)
    errors: dict[str, list[float]] = {"all rounds": [], "windows": [], "typical": []}
    for _ in range(200):
        rounds = rng.standard_t(1.5, (3, 20)) / 20
        errors["all rounds"].append(np.median(rounds))
        errors["windows"].append(np.median(rounds, axis=0).mean())
        errors["typical"].append(typical_difference(rounds, np.zeros((3, 20))))
    spread = {name: np.std(values) for name, values in errors.items()}
    assert spread["typical"] < 1.1 * spread["all rounds"] < spread["windows"]


@given(st.integers(1, 8), st.integers(1, 8), st.floats(0.0, 1.0))
def test_the_share_of_windows_is_a_share(cycles, windows, noise):
    rng = np.random.default_rng([cycles, windows])
    effects = rng.standard_normal(windows)
    share = share_of_windows(effects + noise * rng.standard_normal((cycles, windows)))
    assert 0 <= share <= 1
    if noise == 0 and windows > 1:
        assert share == 1


def test_cycles_without_a_pass_do_not_alter_the_share_of_windows():
    rounds = np.random.default_rng(0).standard_normal((8, 20))
    spread_out = np.full((16, 20), np.nan)
    spread_out[1::2] = rounds
    assert share_of_windows(spread_out) == share_of_windows(rounds) < 1


def test_builds_without_a_common_round_have_no_difference():
    ours, theirs = np.zeros((2, 3)), np.full((2, 3), np.nan)
    assert np.isnan(typical_difference(ours, theirs))
    assert np.isnan(typical_difference(ours, np.zeros((2, 4))))
    assert np.isnan(typical_difference(ours, np.zeros((0, 3))))
