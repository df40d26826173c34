"""Ratios over builds: who is paired with whom, and by which measure."""

from __future__ import annotations

import numpy as np
import pytest

from harness.report.build_speeds import BuildSpeeds, ratio_of

NAN = float("nan")


def speeds(qps, pace=None, began_at=None):
    unknown = np.full(len(qps), NAN)
    return BuildSpeeds(
        np.array(qps, dtype=float),
        unknown if pace is None else np.array(pace, dtype=float),
        unknown if began_at is None else np.array(began_at, dtype=float),
    )


def test_pace_is_taken_where_it_varies_less_and_qps_where_not():
    new = speeds([100, 200, 50], [0.81, 0.80, 0.79])
    old = speeds([200, 100, 50], [1.0, 1.0, 1.0])
    assert ratio_of(new, old, paired=True)[0].value == pytest.approx(0.8, rel=0.01)
    new, old = speeds([80, 81, 79], [1, 2, 3]), speeds([100, 100, 100], [3, 1, 2])
    assert ratio_of(new, old, paired=True)[0].value == pytest.approx(0.8, rel=0.01)


def test_qps_is_taken_where_the_pace_of_a_build_is_unknown():
    new, old = speeds([80, 81], [1, NAN]), speeds([100, 100], [1, 1])
    assert ratio_of(new, old, paired=True)[0].value == pytest.approx(0.805, rel=0.01)


def test_builds_are_paired_with_those_that_began_next_to_them():
    """The second build of the new side was lost: by their order 1 would meet 1, not 2."""
    drift = np.array([1.0, 3.0, 9.0])
    old = speeds(100 * drift, began_at=[0, 10, 20])
    new = speeds(90 * drift[[0, 2]], began_at=[1, 21])
    ratio, pairing = ratio_of(new, old, paired=True)
    assert pairing == "neighbouring builds"
    assert (ratio.low, ratio.high) == pytest.approx((0.9, 0.9))


def test_builds_of_other_runs_and_of_unknown_times_are_compared_as_they_can():
    new, old = speeds([80, 81, 79]), speeds([100, 101])
    assert ratio_of(new, old, paired=True)[1] == "separate builds"
    assert ratio_of(new, speeds([100, 101, 99]), paired=True)[1] == "neighbouring builds"
    assert ratio_of(new, speeds([100, 101, 99]), paired=False)[1] == "separate builds"
