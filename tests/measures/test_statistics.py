"""Intervals, tests and choices: known answers, properties, and coverage by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from harness.measures.statistics import (
    Curve,
    bootstrap_bounds,
    bootstrap_interval,
    holm,
    log_t_interval,
    neighbouring_builds,
    paired_difference,
    paired_ratio,
    qps_at_recall,
    qps_interval,
    repeats_would_help,
    split_queries,
    unpaired_ratio,
    verdict,
)

shares = st.floats(0, 1, width=32)


@given(arrays(np.float64, st.tuples(st.integers(1, 40), st.integers(1, 4)), elements=shares))
def test_bootstrap_bounds_enclose_the_mean_and_stay_in_range(values):
    bounds = bootstrap_bounds(values)
    assert (bounds.low <= bounds.value).all()
    assert (bounds.value <= bounds.high).all()
    assert (bounds.low >= values.min() - 1e-12).all()
    assert (bounds.high <= values.max() + 1e-12).all()


def test_bootstrap_is_the_same_at_every_call_and_for_every_column():
    recall = np.random.default_rng(0).random((50, 1))
    first = bootstrap_bounds(np.hstack([recall, recall]))
    assert first.low[0] == first.low[1]
    np.testing.assert_array_equal(first, bootstrap_bounds(np.hstack([recall, recall])))


def test_bootstrap_of_equal_queries_and_of_none():
    assert bootstrap_interval(np.ones(10)) == (1.0, 1.0, 1.0)
    assert np.isnan(bootstrap_interval(np.array([]))).all()


def test_bootstrap_covers_the_mean():
    generator = np.random.default_rng(1)
    samples = generator.binomial(10, 0.8, size=(200, 400)) / 10
    bounds = bootstrap_bounds(samples)
    assert 0.92 <= np.mean((bounds.low <= 0.8) & (bounds.high >= 0.8)) <= 0.98


@pytest.mark.parametrize("builds", [2, 3, 5, 10])
def test_qps_intervals_cover_the_true_rate(builds):
    generator = np.random.default_rng(builds)
    trials = 1000 * np.exp(0.12 * generator.standard_normal((1000, builds)))
    intervals = np.array([log_t_interval(trial) for trial in trials])
    covered = (intervals[:, 1] <= 1000) & (intervals[:, 2] >= 1000)
    assert 0.93 <= covered.mean() <= 0.97


def test_scope_tells_builds_from_repeats():
    generator = np.random.default_rng(2)
    seconds = 1e-3 * np.exp(0.05 * generator.standard_normal((3, 4, 20)))
    several, one, lone = qps_interval(seconds), qps_interval(seconds[:1]), seconds[:1, :1]
    assert several.scope == "between builds"
    assert one.scope == qps_interval(lone).scope == "within one process"
    for interval in (several, one, qps_interval(lone)):
        assert interval.low < interval.value < interval.high


def test_the_headline_is_never_outside_its_interval():
    seconds = np.array([1.0, 1.0, 1.0, 1.0, 2.0])[:, None, None] * np.ones((5, 1, 3))
    interval = qps_interval(seconds)
    assert interval.low <= interval.value <= interval.high


def test_no_passes_no_figures():
    assert np.isnan(qps_interval(np.full((1, 1, 5), np.nan))[:3]).all()
    assert np.isnan(log_t_interval(np.array([5.0]))[1:]).all()


def test_paired_difference_finds_what_the_noise_between_queries_hides():
    generator = np.random.default_rng(3)
    hard = generator.random(500)
    better = hard + 0.01 + 0.01 * generator.standard_normal(500)
    difference = paired_difference(better, hard)
    assert difference.low > 0
    assert difference.p_value < 1e-6
    assert paired_difference(hard, hard) == (0.0, 0.0, 0.0, 1.0)


def test_paired_ratio_of_known_builds():
    ratio = paired_ratio(np.array([11.0, 22.0, 44.0]), np.array([10.0, 20.0, 40.0]))
    assert ratio[:3] == pytest.approx((1.1, 1.1, 1.1))
    assert np.isnan(paired_ratio(np.array([2.0]), np.array([1.0]))[1:]).all()
    with pytest.raises(ValueError, match="not in pairs"):
        paired_ratio(np.ones(2), np.ones(3))


def test_unpaired_ratio_agrees_with_itself_turned_round():
    ours, theirs = np.array([10.0, 11.0, 12.0]), np.array([20.0, 21.0])
    ratio, turned = unpaired_ratio(ours, theirs), unpaired_ratio(theirs, ours)
    assert ratio.value == pytest.approx(1 / turned.value)
    assert ratio.low == pytest.approx(1 / turned.high)
    assert unpaired_ratio(ours, ours[:1]).value > 0
    assert np.isnan(unpaired_ratio(ours, ours[:1]).p_value)


def test_equal_algorithms_are_tied_and_slower_ones_are_found():
    generator = np.random.default_rng(4)
    drift = np.exp(0.3 * generator.standard_normal((400, 8)))
    ours, theirs = (drift * np.exp(0.06 * generator.standard_normal((400, 8))) for _ in range(2))
    same = [paired_ratio(*pair) for pair in zip(ours, theirs, strict=True)]
    slow = [paired_ratio(*pair) for pair in zip(0.8 * ours, theirs, strict=True)]
    assert np.mean([verdict(r.value, r.p_value) == "tied" for r in same]) >= 0.97
    assert np.mean([verdict(r.value, r.p_value) == "slower" for r in slow]) >= 0.95


def test_builds_pair_with_their_neighbours_in_time():
    assert neighbouring_builds([0, 10, 20], [21, 1, 11]) == [(0, 1), (1, 2), (2, 0)]
    assert neighbouring_builds([0, 10, 20], [19]) == [(2, 0)]


def test_holm_by_hand():
    nan = float("nan")
    np.testing.assert_allclose(holm([0.01, 0.04, nan, 0.03]), [0.03, 0.06, nan, 0.06])
    np.testing.assert_allclose(holm([0.9, 0.8]), [1.0, 1.0])
    assert len(holm([])) == 0


def test_verdicts():
    assert verdict(1.2, 0.009) == "faster"
    assert verdict(0.8, 0.009) == "slower"
    assert verdict(0.8, 0.02) == "tied"
    assert verdict(1.2, 0.2) == verdict(1.2, float("nan")) == verdict(1.0, 0.0) == "tied"


def curve(recall, qps, spread=0.1):
    recall, qps = np.array(recall, dtype=float), np.array(qps, dtype=float)
    return Curve(recall, recall - 0.01, recall + 0.01, qps, qps * (1 - spread), qps * (1 + spread))


def test_qps_at_recall_is_read_between_neighbours_on_the_frontier():
    points = curve([0.8, 0.9, 0.85], [1000, 100, 10])
    middle = qps_at_recall(points, 0.85)
    assert middle.value == pytest.approx(1000**0.5 * 100**0.5)
    # The slope is a factor of 10 per 0.1 of recall: 0.01 of recall is a factor of 1.26.
    assert middle.low < middle.value / 1.26
    assert middle.high > middle.value * 1.26


def test_qps_at_recall_outside_the_points():
    points = curve([0.8, 0.9], [1000, 100])
    assert qps_at_recall(points, 0.5).value == 1000
    assert qps_at_recall(points, 0.9) == pytest.approx((100, 90, 110))
    assert np.isnan(qps_at_recall(points, 0.91)).all()
    assert np.isnan(qps_at_recall(curve([], []), 0.5)).all()


def test_qps_at_recall_survives_unknown_bounds():
    points = curve([0.8, 0.9], [1000, 100])
    unknown = points._replace(qps_low=np.full(2, np.nan), qps_high=np.full(2, np.nan))
    interval = qps_at_recall(unknown, 0.85)
    assert interval.low < interval.value < interval.high
    assert qps_at_recall(unknown, 0.9) == (100, 100, 100)


@given(st.integers(0, 300).filter(lambda nq: nq != 1))
def test_halves_are_disjoint_and_whole(nq):
    tuning, reporting = split_queries(nq)
    assert sorted([*tuning, *reporting]) == list(range(nq))
    assert 0 <= len(reporting) - len(tuning) <= 1


def test_one_query_is_both_halves():
    assert [list(half) for half in split_queries(1)] == [[0], [0]]


@pytest.mark.parametrize(("between", "within", "help"), [(0.3, 0.05, False), (0.01, 0.3, True)])
def test_repeats_help_where_builds_vary_as_their_passes_do(between, within, help):
    rng = np.random.default_rng(0)
    qps = np.exp(rng.normal(8, between, (200, 8, 1)) + rng.normal(0, within, (200, 8, 5)))
    qps[:, 3, 2:] = np.nan
    right = [repeats_would_help(one) == help for one in qps]
    assert np.mean(right) > 0.8


def test_without_repeats_or_builds_nothing_says_that_repeats_would_help():
    assert not repeats_would_help(np.array([[100.0], [50.0], [70.0]]))
    assert not repeats_would_help(np.array([[100.0, 50.0]]))
