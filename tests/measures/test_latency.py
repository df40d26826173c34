"""Latency figures on times made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from harness.measures.qps import latency


def test_a_figure_is_the_median_over_passes_then_builds():
    passes = [[1.0, 2.0, 90.0], [4.0, 4.0, 4.0], [5.0, 9.0, 9.0, 9.0]]
    assert latency([np.full((1, 4), 1e-3) * np.c_[one] for one in passes]).mean_ms == 4.0


def test_builds_without_a_pass_are_left_out():
    assert latency([np.full((1, 4), 0.25), np.empty((0, 4))]).p50_ms == 250.0
    assert np.isnan(latency([np.empty((0, 4))])).all()


def test_percentiles_of_known_times():
    seconds = np.arange(1, 1002)[None, None] / 1e3
    figures = latency(seconds)
    assert figures.mean_ms == pytest.approx(501)
    assert figures[1:] == pytest.approx((501, 951, 991, 1000))


def test_one_disturbed_pass_does_not_move_the_figures():
    quiet = np.full((3, 5, 100), 1e-3)
    disturbed = quiet.copy()
    disturbed[1, 2] = 1.0
    assert latency(disturbed) == latency(quiet)
