"""What parameters change, from pairs of points that differ in one alone."""

from __future__ import annotations

import numpy as np
import pytest

from harness.report.analysis.parameters import effects
from harness.report.analysis.points import comparison_groups, prepare
from harness.results.table.columns import frame_of


@pytest.fixture
def made(row_maker, speeds_maker):
    """Points of these parameters, with the QPS and recall that a rule gives."""

    def make(settings, rule):
        rows = []
        for number, (build, search) in enumerate(settings):
            qps, recall = rule({**build, **search})
            speeds = speeds_maker(qps, noise=0.0)
            rows.append(
                row_maker(
                    build=build, search=search, key=str(number), qps=qps, bytes_per_vector=10.0,
                    build_seconds=2.0, recall_curve=np.full(10, recall),
                    block_ids=speeds.blocks, build_log_seconds=speeds.log_seconds,
                )
            )  # fmt: skip
        return list(comparison_groups(prepare(frame_of(rows))))

    return make


def test_the_effect_is_that_of_the_parameter_alone(made):
    grid = [({"M": m, "seed": 0}, {"ef": ef}) for m in (4, 8, 16) for ef in (10, 20, 40)]
    found = effects(made(grid, lambda p: (8000 / p["ef"] / p["M"] ** 0.5, p["ef"] / 50)), "pq")
    assert [(one.parameter, one.low, one.high, one.pairs) for one in found] == [
        ("ef", 10, 40, 3), ("M", 4, 16, 3),
    ]  # fmt: skip
    ef, m = found
    assert (ef.qps, m.qps) == (pytest.approx(1 / 4), pytest.approx(1 / 2))
    assert (ef.recall, m.recall) == (pytest.approx(0.6), pytest.approx(0))
    assert ef.bytes == ef.build_seconds == 1.0


def test_words_are_compared_one_by_one_and_lone_values_not_at_all(made):
    grid = [({"codec": codec, "n": 1}, {}) for codec in ("SQ8", "SQ4", None)]
    rule = {"SQ8": 1000, "SQ4": 3000, None: 500}
    found = effects(made(grid, lambda p: (rule[p["codec"]], 0.5)), "pq")
    assert {(one.low, one.high): round(one.qps, 4) for one in found} == {
        ("SQ4", "SQ8"): 0.3333, ("SQ8", None): 0.5,
    }  # fmt: skip
    assert effects(made(grid[:1], lambda p: (1000, 0.5)), "pq") == []
    assert effects([], "pq") == []


def test_points_that_differ_in_more_are_no_pair(made):
    grid = [({"M": 4}, {"ef": 10}), ({"M": 8}, {"ef": 20})]
    assert effects(made(grid, lambda p: (1000, 0.5)), "pq") == []
