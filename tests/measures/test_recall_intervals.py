"""Intervals of recall over queries and builds: properties, known answers and coverage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from harness.measures.interval import student_quantile
from harness.measures.recall_intervals import (
    judge_differences,
    recall_bounds,
    recall_difference,
)

shares = st.floats(0, 1, width=32)
recalls = arrays(
    np.float64, st.tuples(st.integers(1, 4), st.integers(1, 12), st.just(2)), elements=shares
)


def queries(rng, nq):
    """Expected recall of each query; the mean over all queries that users may ask is 0.5."""
    return rng.normal(0.5, 0.1, nq)


def measured(rng, expected, builds, seeds):
    """Recalls of builds whose seeds have an effect, with noise."""
    noise = rng.normal(0, 0.1, (builds, len(expected)))
    return expected + rng.normal(0, seeds, (builds, 1)) + noise


@given(recalls)
def test_bounds_enclose_the_mean_and_stay_in_range(recall):
    value, low, high = recall_bounds(recall)
    np.testing.assert_allclose(value, recall.mean(axis=(0, 1)))
    assert ((low <= value) & (value <= high)).all()
    assert ((low >= 0) & (high <= 1)).all()


@given(recalls, recalls)
def test_a_difference_turned_round_is_its_opposite(ours, theirs):
    nq = min(ours.shape[1], theirs.shape[1])
    a, b = ours[:, :nq, 0], theirs[:, :nq, 0]
    one, other = judge_differences([recall_difference(a, b), recall_difference(b, a)])
    np.testing.assert_array_equal(
        [one.value, one.low, one.high], [-other.value, -other.high, -other.low]
    )
    assert one.real == other.real == (one.low > 0 or one.high < 0)
    assert one.level == 0.95  # it is one comparison


def test_one_build_varies_over_queries_alone():
    recall = np.random.default_rng(0).random((1, 50, 1))
    bounds = recall_bounds(recall)
    half = student_quantile(49) * recall.std(ddof=1) / 50**0.5
    np.testing.assert_allclose(
        [bounds.low[0], bounds.high[0]], np.add(recall.mean(), [-half, half])
    )


def test_builds_that_agree_add_nothing():
    recall = np.random.default_rng(0).random((1, 50, 1))
    one, same = recall_bounds(recall), recall_bounds(np.tile(recall, (4, 1, 1)))
    np.testing.assert_allclose(one, same)


def test_builds_that_differ_widen_the_interval():
    recall = np.random.default_rng(0).uniform(0.4, 0.5, (1, 200, 1))
    shifted = recall + np.array([0.0, 0.1, 0.2])[:, None, None]
    widths = [float(b.high[0] - b.low[0]) for b in map(recall_bounds, (recall, shifted))]
    # Between builds alone: 4.303 times a standard error of 0.1 / sqrt(3).
    assert widths[1] == pytest.approx(2 * 4.303 * 0.1 / 3**0.5, rel=0.01)
    assert widths[0] < 0.05


def test_exact_search_is_certain_and_a_single_query_says_nothing():
    assert recall_bounds(np.ones((3, 20, 1))).low[0] == 1.0
    assert [float(bound[0]) for bound in recall_bounds(np.full((2, 1, 1), 0.7))] == [0.7, 0, 1]


@pytest.mark.parametrize(("builds", "seeds"), [(1, 0.0), (3, 0.0), (3, 0.03), (5, 0.03)])
def test_intervals_cover_the_truth(builds, seeds):
    rng = np.random.default_rng(builds)
    hits = np.zeros(2)
    for _ in range(600):
        expected = queries(rng, 200)
        ours, theirs = (measured(rng, expected, builds, seeds) for _ in range(2))
        bounds = recall_bounds(ours[..., None])
        hits[0] += bounds.low[0] <= 0.5 <= bounds.high[0]
        (one,) = judge_differences([recall_difference(ours, theirs)])
        hits[1] += one.low <= 0.0 <= one.high
    assert (hits / 600 > 0.925).all()
    assert (hits / 600 < 0.995).all()


def test_a_paired_difference_finds_what_the_noise_between_queries_hides():
    rng = np.random.default_rng(3)
    hard = rng.random((3, 500))
    better = hard + 0.01 + 0.01 * rng.standard_normal((3, 500))
    (one,) = judge_differences([recall_difference(better, hard)])
    assert one.real
    assert one.p_value < 1e-6
    (none,) = judge_differences([recall_difference(hard, hard)])
    assert (none.value, none.low, none.high, none.p_value, none.real) == (0, 0, 0, 1, False)


def test_the_p_value_is_that_of_the_paired_t_test_with_one_build():
    from scipy.stats import ttest_rel

    ours, theirs = np.random.default_rng(0).random((2, 1, 30))
    (one,) = judge_differences([recall_difference(ours, theirs)])
    assert one.p_value == pytest.approx(ttest_rel(ours[0], theirs[0]).pvalue, rel=1e-6)


def test_real_is_the_p_value_below_the_corrected_level():
    rng = np.random.default_rng(0)
    ours, theirs = (measured(rng, queries(rng, 100), 3, 0.01) for _ in range(2))
    found = [recall_difference(ours + 0.005 * i, theirs) for i in range(20)]
    judged = judge_differences(found)
    assert 0 < sum(one.real for one in judged) < 20
    for one in judged:
        assert one.level == pytest.approx(1 - 0.05 / 20)
        assert one.real == (one.p_value < 0.05 / 20)


def test_other_queries_are_refused():
    with pytest.raises(ValueError, match="queries differ"):
        recall_difference(np.ones((2, 3)), np.ones((2, 4)))


def test_a_single_query_makes_no_difference_real():
    (one,) = judge_differences([recall_difference(np.ones((2, 1)), np.zeros((2, 1)))])
    assert one.value == 1.0
    assert not one.real
