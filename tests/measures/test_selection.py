"""Choosing the fastest and reporting its speed; the split of the queries."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from harness.measures.choosing import block_log_speeds, choose, eligible, split_queries
from harness.measures.verdicts import Speeds


def made(blocks, log_seconds, reference):
    builds = len(blocks)
    return Speeds(
        tuple(blocks), np.array(log_seconds), np.array(reference), (np.empty((0, 1)),) * builds
    )


def test_both_parts_of_the_queries_must_reach_the_recall():
    tuning, low = np.array([0.95, 0.95, 0.85, np.nan]), np.array([0.91, 0.89, 0.91, 0.91])
    assert eligible(tuning, low, 0.9).tolist() == [True, False, False, False]


def test_the_winner_has_the_highest_mean_and_the_speed_of_those_that_others_chose():
    # By blocks 1 and 2 candidate 1 is chosen, by 0 and 2 and by 0 and 1 candidate 0.
    speeds = np.log([[30.0, 10.0, 10.0], [10.0, 12.0, 12.0], [1.0, 1.0, 1.0]])
    speeds[:2] = speeds[:2] * 0.05 + np.log(10)
    choice = choose(speeds)
    assert choice.winner == 0
    assert choice.report == "cross-fitted"
    np.testing.assert_array_equal(choice.by_block, [speeds[1, 0], speeds[0, 1], speeds[0, 2]])
    assert choice.log_speed == pytest.approx(choice.by_block.mean())


@given(
    arrays(
        np.float64,
        st.tuples(st.integers(1, 6), st.integers(1, 5)),
        elements=st.floats(-10, 10) | st.just(np.nan),
    )
)
def test_no_choice_is_reported_faster_than_it_measured(speeds):
    if not np.isfinite(speeds).any():
        with pytest.raises(ValueError, match="no candidate"):
            choose(speeds)
        return
    choice = choose(speeds)
    means = [np.mean(row[np.isfinite(row)]) if np.isfinite(row).any() else -99 for row in speeds]
    assert means[choice.winner] == pytest.approx(max(means))
    assert choice.log_speed == pytest.approx(choice.by_block.mean())
    if np.isfinite(speeds).all():
        assert choice.log_speed <= max(means) + 1e-9


def test_without_two_common_blocks_the_winners_own_speed_is_reported_and_said_so():
    lone = choose(np.log([[10.0], [11.0]]))
    assert (lone.winner, lone.report) == (1, "chosen and reported on the same build")
    assert lone.log_speed == pytest.approx(np.log(11))
    apart = choose(np.log([[10.0, 10.0, np.nan], [np.nan, 11.0, 11.0]]))
    assert apart.report == "chosen and reported on the same build"
    # A candidate that is slower by more than 20 % need not be in the same blocks.
    slow = choose(np.log([[10.0, 10.0, np.nan], [np.nan, 1.0, 1.0]]))
    assert slow.report == "cross-fitted"


def test_cross_fitting_takes_out_the_luck_of_the_winner():
    generator = np.random.default_rng(0)
    choices = [choose(0.03 * generator.standard_normal((12, 5))) for _ in range(1000)]
    assert abs(np.mean([choice.log_speed for choice in choices])) < 0.002


def test_blocks_are_levelled_by_the_reference():
    slow_afternoon = 1.0
    speeds = block_log_speeds(
        [
            made("ab", [-5.0, -5.0 + slow_afternoon], [0.0, slow_afternoon]),
            made("b", [-6.0 + slow_afternoon], [slow_afternoon]),
        ]
    )
    np.testing.assert_allclose(speeds, [[4.5, 4.5], [np.nan, 5.5]])


def test_without_a_reference_builds_are_matched_by_block_or_by_their_order():
    nan = float("nan")
    speeds = block_log_speeds(
        [made(["", ""], [-1.0, -2.0], [nan, nan]), made(["", "x"], [-3.0, -4.0], [nan, nan])]
    )
    np.testing.assert_allclose(speeds, [[1, 2, nan], [3, nan, 4]])


@given(st.integers(2, 300))
def test_the_parts_of_the_queries_are_disjoint_and_whole(nq):
    tuning, held_out = split_queries(nq)
    assert sorted([*tuning, *held_out]) == list(range(nq))
    assert 0 <= len(held_out) - len(tuning) <= 1


def test_one_query_is_in_both_parts():
    assert [list(part) for part in split_queries(1)] == [[0], [0]]
