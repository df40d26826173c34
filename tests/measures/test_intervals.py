"""Student's interval on logarithms, and QPS read at a recall."""

from __future__ import annotations

import numpy as np
import pytest

from harness.measures.frontier import Curve, qps_at_recall
from harness.measures.interval import exp_of, log_t_interval, student_quantile


@pytest.mark.parametrize("builds", [2, 3, 5, 10])
def test_intervals_on_logarithms_cover_the_true_rate(builds):
    generator = np.random.default_rng(builds)
    trials = 1000 * np.exp(0.12 * generator.standard_normal((1000, builds)))
    intervals = np.array([log_t_interval(trial) for trial in trials])
    covered = (intervals[:, 1] <= 1000) & (intervals[:, 2] >= 1000)
    assert 0.93 <= covered.mean() <= 0.97


def test_one_value_has_no_interval_and_none_has_no_mean():
    assert log_t_interval(np.array([5.0, np.nan])).value == pytest.approx(5.0)
    assert np.isnan(log_t_interval(np.array([5.0]))[1:]).all()
    assert np.isnan(log_t_interval(np.array([]))).all()


def test_quantiles_are_those_of_the_tables():
    assert student_quantile(4) == pytest.approx(2.776, abs=1e-3)
    assert student_quantile(4, 0.99) == pytest.approx(4.604, abs=1e-3)
    assert np.isnan(student_quantile(0))
    assert np.isnan(student_quantile(float("nan")))


def test_bounds_too_large_to_write_are_cut_off():
    assert 0 < exp_of(-1e6) < exp_of(0) == 1 < exp_of(1e6) < np.inf


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


def test_an_unknown_interval_of_qps_is_not_made_up_of_that_of_recall():
    points = curve([0.8, 0.9], [1000, 100])
    unknown = points._replace(qps_low=np.full(2, np.nan), qps_high=np.full(2, np.nan))
    for recall, value in ((0.85, 100_000**0.5), (0.9, 100)):
        interval = qps_at_recall(unknown, recall)
        assert interval.value == pytest.approx(value)
        assert np.isnan(interval[1:]).all()
