"""Recall against the definition, query by query and k' by k', with ties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from harness.contracts.dataset import METRICS
from harness.measures.distances import distances_and_scales
from harness.measures.recall import first_recall_matrix, recall_matrix


def by_definition(metric, distances, scales, truth):
    """The slow loops of the definition: recall@k' and recall 1@k'."""
    if metric == "euclidean":
        distances, truth = distances**2, truth**2
    nq, k = distances.shape
    recall, first = np.zeros((nq, k)), np.zeros((nq, k))
    for query in range(nq):
        for last in range(1, k + 1):
            near = [
                (d - 1e-6 * s <= truth[query, last - 1], d - 1e-6 * s <= truth[query, 0])
                for d, s in zip(distances[query, :last], scales[query, :last], strict=True)
                if np.isfinite(d)
            ]
            recall[query, last - 1] = sum(hit for hit, _ in near) / last
            first[query, last - 1] = any(hit for _, hit in near)
    return recall, first


@st.composite
def searches(draw):
    """Rows on a small grid, so that many distances tie; answers are any distinct rows."""
    metric = draw(st.sampled_from(METRICS))
    n, nq, d = draw(st.integers(1, 9)), draw(st.integers(1, 4)), draw(st.integers(1, 3))
    grid = st.integers(-2, 2).map(float)
    base = draw(arrays(np.float32, (n, d), elements=grid))
    queries = draw(arrays(np.float32, (nq, d), elements=grid))
    k = draw(st.integers(1, n))
    orders = [draw(st.permutations(range(n))) for _ in range(nq)]
    found = [draw(st.integers(0, k)) for _ in range(nq)]
    ids = np.full((nq, k), -1)
    for row, (order, count) in enumerate(zip(orders, found, strict=True)):
        ids[row, :count] = order[:count]
    everything = np.tile(np.arange(n), (nq, 1))
    truth = np.sort(distances_and_scales(metric, base, queries, everything)[0], axis=1)
    return metric, *distances_and_scales(metric, base, queries, ids), truth


@given(searches())
def test_equals_the_definition_with_ties_and_padding(search):
    metric, distances, scales, truth = search
    recall, first = by_definition(metric, distances, scales, truth)
    np.testing.assert_array_equal(recall_matrix(metric, distances, scales, truth), recall)
    np.testing.assert_array_equal(first_recall_matrix(metric, distances, scales, truth), first)


@given(searches())
def test_recall_lies_between_0_and_1(search):
    recall = recall_matrix(*search)
    assert ((recall >= 0) & (recall <= 1)).all()


def test_a_tie_of_the_last_neighbour_counts_and_a_farther_row_does_not():
    truth = np.array([[0.1, 0.2]])
    scales = np.ones((1, 2))
    tie, farther = np.array([[0.1, 0.2 + 0.9e-6]]), np.array([[0.1, 0.2 + 1.1e-6]])
    assert recall_matrix("angular", tie, scales, truth)[0, 1] == 1.0
    assert recall_matrix("angular", farther, scales, truth)[0, 1] == 0.5


def test_euclidean_ties_are_judged_on_squares():
    truth, scales = np.array([[1e-4]]), np.array([[1.0]])
    # 1e-3 is ten times as far, yet its square is within 1e-6 of the truth's.
    assert recall_matrix("euclidean", np.array([[1e-3]]), scales, truth)[0, 0] == 1.0
    assert recall_matrix("angular", np.array([[1e-3]]), scales, truth)[0, 0] == 0.0


def test_answers_in_the_wrong_order_lose_at_small_k_only():
    truth = np.array([[1.0, 2.0, 3.0]])
    backwards = truth[:, ::-1]
    recall = recall_matrix("angular", backwards, np.zeros((1, 3)), truth)
    np.testing.assert_allclose(recall, [[0.0, 0.5, 1.0]])
    first = first_recall_matrix("angular", backwards, np.zeros((1, 3)), truth)
    np.testing.assert_array_equal(first, [[0, 0, 1]])


@pytest.mark.parametrize("truth", [np.zeros((2, 1)), np.zeros((1, 2)), np.zeros(2)])
def test_shapes_that_do_not_fit_are_refused(truth):
    with pytest.raises(ValueError, match="true distances"):
        recall_matrix("angular", np.zeros((2, 2)), np.zeros((2, 2)), truth)
