"""Answers that are near without being true neighbours."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.measures.recall import near_recall, recall_matrix, relative_error

TRUTH = np.array([[1.0, 2.0], [2.0, 4.0]])
NONE = np.zeros((2, 2))


@pytest.mark.parametrize(
    ("found", "within_10_percent"),
    [
        ([[1.0, 2.0], [2.0, 4.0]], 1.0),
        ([[1.0, 2.1], [2.0, 4.5]], 0.75),
        ([[2.5, 2.6], [2.0, 4.4]], 0.5),
        ([[np.inf, np.inf], [2.0, 4.0]], 0.5),
    ],
)
@pytest.mark.parametrize("metric", ["euclidean", "angular"])
def test_answers_count_up_to_the_limit(metric, found, within_10_percent):
    assert near_recall(metric, np.array(found), NONE, TRUTH, 0.1) == within_10_percent


def test_the_error_is_that_of_all_distances_together():
    assert relative_error("euclidean", TRUTH, TRUTH) == 0
    assert relative_error("angular", np.array([[1.0, 2.9], [2.0, 4.0]]), TRUTH) == pytest.approx(
        0.1
    )


def test_what_has_no_distance_has_neither():
    assert math.isnan(near_recall("inner_product", -TRUTH, NONE, -TRUTH, 0.1))
    assert math.isnan(relative_error("inner_product", -TRUTH, -TRUTH))
    missing = np.array([[1.0, np.inf], [2.0, 4.0]])
    assert math.isnan(relative_error("euclidean", missing, TRUTH))
    assert math.isnan(relative_error("euclidean", np.zeros((2, 2)), np.zeros((2, 2))))


def test_fewer_true_neighbours_than_k_are_the_most_that_count():
    truth = np.array([[1.0, np.inf], [np.inf, np.inf]])
    found = np.array([[1.0, np.inf], [np.inf, np.inf]])
    assert near_recall("euclidean", found, NONE, truth, 0.01) == 1
    assert relative_error("euclidean", found, truth) == 0


@given(
    st.lists(st.floats(0.1, 10), min_size=3, max_size=3),
    st.lists(st.floats(0.1, 10), min_size=3, max_size=3),
    st.sampled_from(["euclidean", "angular"]),
)
def test_it_is_at_least_the_recall_and_grows_with_the_share(true, found, metric):
    truth = np.sort(np.array([true]))
    distances = np.maximum(np.sort(np.array([found])), truth)
    scales = np.ones((1, 3))
    recall = recall_matrix(metric, distances, scales, truth)[0, -1]
    values = [near_recall(metric, distances, scales, truth, share) for share in (0, 0.01, 0.1, 1)]
    assert values == sorted(values)
    assert values[0] == pytest.approx(recall)
    assert relative_error(metric, distances, truth) >= 0
