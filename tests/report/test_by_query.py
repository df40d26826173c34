"""How recall is spread over single queries."""

from __future__ import annotations

import numpy as np

from harness.report.analysis.by_query import recall_of_queries


def test_each_recall_of_one_build_has_its_own_count():
    found = recall_of_queries(np.array([0.3, 0.1 * 3, 0.7, 1.0, 0.0, 0.0]), k=10)
    assert found.counts == (2, 0, 0, 2, 0, 0, 0, 1, 0, 0, 1)
    assert (found.lowest, found.worst) == (0.0, (4, 5))


def test_only_recall_1_counts_as_1_and_steps_are_ten_at_most():
    found = recall_of_queries(np.array([0.999, 1.0, 0.55]), k=100)
    assert found.counts == (0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1)
    assert recall_of_queries(np.array([0.0, 1.0]), k=1).counts == (1, 1)
