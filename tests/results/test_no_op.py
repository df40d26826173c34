"""Points that are nearly as fast as the harness itself are marked in the table."""

from __future__ import annotations

import numpy as np

from harness.results.table.conditions import mark_near_no_op


def row(qps, *, in_answers=True, status="ok", sequence=2, **other):
    conditions = {"dataset": "small", "k": 5, "mode": "single", "threads": 1, "machine": "m"}
    facts = {"status": status, "in_answers": in_answers, "sequence": sequence}
    return {**conditions, **facts, "qps": qps if status == "ok" else np.nan, **other}


def near(rows):
    mark_near_no_op(rows)
    return [one["near_no_op"] for one in rows]


def test_points_within_a_factor_of_two_are_marked_and_no_op_is_not():
    rows = [row(1000.0, in_answers=False), row(500.0), row(499.0), row(2000.0)]
    assert near(rows) == [False, True, False, True]
    assert [one["no_op_qps"] for one in rows] == [1000.0] * 4


def test_no_op_holds_for_its_own_conditions_alone():
    rows = [row(1000.0, in_answers=False)]
    for change in ({"k": 1}, {"mode": "batch"}, {"threads": 2}, {"machine": "n"}, {"dataset": "b"}):
        rows.append(row(900.0, **change))
    assert near(rows) == [False] * 6
    assert np.isnan(rows[1]["no_op_qps"])


def test_the_newest_no_op_counts_and_failures_are_near_nothing():
    old = row(100.0, in_answers=False, sequence=1)
    new = row(1000.0, in_answers=False)
    failed = row(0.0, status="crashed")
    broken = row(0.0, in_answers=False, status="crashed", sequence=3)
    assert near([new, old, row(400.0), failed, broken]) == [False] * 5
