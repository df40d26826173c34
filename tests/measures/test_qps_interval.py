"""The interval of a point's QPS, and the noise within builds that it falls back to."""

from __future__ import annotations

import numpy as np
import pytest

from harness.measures.qps import qps_interval, repeats_would_help
from harness.measures.speed import typical_difference, typical_level
from harness.measures.verdicts import Speeds
from harness.measures.within_builds import error_within, joint_error

UNKNOWN = np.empty((0, 1))


def made(log_seconds, *, reference=None, levels=None, reference_levels=()):
    builds = len(log_seconds)
    return Speeds(
        tuple(f"{i:02x}" for i in range(builds)),
        np.array(log_seconds, dtype=float),
        np.full(builds, np.nan) if reference is None else np.array(reference, dtype=float),
        tuple(levels or [UNKNOWN] * builds),
        tuple(reference_levels),
    )


def test_a_slow_afternoon_is_not_in_the_interval():
    afternoon = np.array([0.0, 1.0, 0.5])
    index = np.array([0.01, 0.0, -0.01])
    interval = qps_interval(made(afternoon + index, reference=afternoon))
    assert interval.value == pytest.approx(np.exp(-0.5))
    # Student's quantile for three builds is 4.303.
    assert np.log(interval.high / interval.value) == pytest.approx(4.303 * 0.01 / 3**0.5, rel=1e-3)
    assert np.log(interval.value / interval.low) == pytest.approx(4.303 * 0.01 / 3**0.5, rel=1e-3)
    assert interval.scope == "between builds"


def test_builds_without_a_reference_vary_as_they_were_measured():
    interval = qps_interval(made([0.1, 0.0, -0.1]))
    assert interval.scope == "between builds"
    assert np.log(interval.high) == pytest.approx(4.303 * 0.1 / 3**0.5, rel=1e-3)


@pytest.mark.parametrize("builds", [1, 2])
def test_few_builds_have_an_interval_within_them_if_their_rounds_are_known(builds):
    levels = list(0.1 * np.random.default_rng(0).standard_normal((builds, 5, 8)))
    interval = qps_interval(made([-5.0] * builds, levels=levels))
    assert interval.scope == "within one build"
    assert interval.low < interval.value < interval.high
    unknown = qps_interval(made([-5.0] * builds))
    assert unknown.scope == "unknown"
    assert unknown.value == interval.value
    assert np.isnan([unknown.low, unknown.high]).all()


def test_no_known_build_no_figures():
    for none in (made([]), made([np.nan, np.nan, np.nan])):
        assert qps_interval(none).scope == "unknown"
        assert np.isnan(qps_interval(none)[:3]).all()


def test_drift_that_both_share_is_no_noise_of_their_ratio():
    generator = np.random.default_rng(0)
    found = []
    for _ in range(20):
        drift = generator.normal(0, 0.3, (6, 10))
        ours, theirs = drift + 0.01 * generator.standard_normal((2, 6, 10))
        sides = (np.zeros_like(drift), drift, theirs)
        errors = [error_within(ours, side) for side in sides]
        assert {degrees for _, degrees in errors} == {5}
        found.append([error for error, _ in errors])
    alone, to_reference, ratio = np.mean(found, axis=0)
    assert to_reference < ratio < alone / 10


def test_the_error_within_is_no_smaller_than_the_spread_of_the_estimator():
    """Of equal builds in quiet cycles; the truth is the spread over many simulated blocks."""
    generator = np.random.default_rng(1)
    found, estimated = [], []
    for _ in range(300):
        levels = generator.normal(0, 0.1, (2, 5, 6))
        found.append(typical_difference(levels[0], levels[1]))
        estimated.append(error_within(levels[0], levels[1])[0])
    # Resampled medians of five values vary more than such medians do.
    assert 1 < np.sqrt(np.mean(np.square(estimated))) / np.std(found) < 1.4


def test_only_the_cycles_of_both_count():
    generator = np.random.default_rng(2)
    drift = np.repeat(generator.normal(0, 0.3, (12, 1)), 10, axis=1)
    few = np.where(np.arange(12)[:, None] % 3 == 2, drift, np.nan)
    error, degrees = error_within(drift, few)
    assert degrees == 3
    assert error == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (np.zeros((1, 4)), np.zeros((5, 4))),
        (np.zeros((5, 4)), np.zeros((5, 3))),
        (UNKNOWN, UNKNOWN),
    ],
)
def test_the_error_is_unknown_with_one_pass_or_other_windows(ours, theirs):
    assert np.isnan(error_within(ours, theirs)).all()


def test_errors_of_several_builds_average():
    assert joint_error([(0.3, 4.0), (0.4, 4.0)])[0] == pytest.approx(0.25)
    assert joint_error([(0.3, 4.0), (0.3, 4.0)])[1] == pytest.approx(8)
    assert joint_error([(0.0, 4.0), (0.0, 4.0)]) == (0.0, 8.0)
    assert np.isnan(joint_error([])).all()


@pytest.mark.parametrize(("between", "within", "helps"), [(0.3, 0.05, False), (0.01, 0.3, True)])
def test_repeats_help_where_builds_vary_as_their_rounds_do(between, within, helps):
    generator = np.random.default_rng(0)
    right = []
    for _ in range(40):
        levels = generator.normal(0, within, (8, 5, 2))
        typical = np.array([typical_level(one) for one in levels])
        log_seconds = generator.normal(0, between, 8) + typical
        right.append(repeats_would_help(made(log_seconds, levels=list(levels))) == helps)
    assert np.mean(right) > 0.8


def test_without_rounds_or_builds_nothing_says_that_repeats_would_help():
    assert not repeats_would_help(made([1.0, 2.0, 3.0]))
    assert not repeats_would_help(made([1.0], levels=[np.random.default_rng(0).random((5, 2))]))
