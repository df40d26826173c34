"""Whether a setting reaches a recall, and the race of settings."""

import numpy as np
import pytest

from harness.measures.recall_intervals import recall_bounds
from harness.measures.tuning import (
    MARGIN,
    judged,
    part_sizes,
    slower_ones,
    spread_over,
    time_size_frontier,
)


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
