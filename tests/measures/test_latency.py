"""Latency figures on times made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from harness.measures.latency import headline, latency


def test_headline_is_the_median_over_passes_then_builds():
    figures = np.array([[1.0, 2.0, 90.0], [4.0, 4.0, 4.0], [5.0, 9.0, 9.0]])
    assert headline(figures) == 4.0


def test_passes_that_did_not_run_are_left_out():
    seconds = np.full((2, 2, 4), np.nan)
    seconds[0, 0] = 0.25
    assert latency(seconds).p50_ms == 250.0
    assert np.isnan(latency(seconds[1:])).all()


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
