"""Recall where few rows match, and the classes of filters."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.measures.filtering import filter_classes, nearness_of
from harness.measures.recall import first_recall_matrix, recall_matrix

K = 4


@given(st.integers(0, 6), st.sets(st.integers(0, 5)))
def test_recall_counts_the_rows_that_match(matches, found):
    """Rows are at distances 0, 1, 2, ...; the first so many match, of which some are found."""
    found = sorted(one for one in found if one < matches)[:K]
    answers = np.full((1, K), np.inf)
    answers[0, : len(found)] = found
    truth = np.full((1, K), np.inf)
    truth[0, : min(matches, K)] = np.arange(min(matches, K))
    recall = recall_matrix("euclidean", answers, np.ones((1, K)), truth)[0]
    for k in range(1, K + 1):
        right = len({*found[:k]} & {*range(min(k, matches))})
        assert recall[k - 1] == (right / min(k, matches) if matches else 1.0)
    first = first_recall_matrix("euclidean", answers, np.ones((1, K)), truth)[0, -1]
    assert first == (0 in found if matches else 1.0)


def test_an_answer_where_no_row_matches_is_wrong():
    none = np.full((1, 2), np.inf)
    answers = np.array([[0.5, np.inf]])
    for matrix in (recall_matrix, first_recall_matrix):
        assert matrix("angular", answers, np.ones((1, 2)), none).tolist() == [[0.0, 0.0]]


def test_random_subsets_are_as_near_as_expected():
    rng, n, m, k = np.random.default_rng(0), 2000, 100, 10
    ranks = np.array([np.sort(rng.choice(n, m, replace=False))[k - 1] for _ in range(2000)])
    nearness = nearness_of(ranks, np.full(2000, m), n, k)
    assert abs(np.mean(1 / nearness) - 1) < 0.03
    assert np.mean((nearness > 0.5) & (nearness < 2)) > 0.9


def test_classes_tell_selectivity_and_correlation():
    matches = np.array([0, 1, 10, 11, 100, 100])
    nearness = np.array([np.nan, 1.0, 5.0, 4.0, 1.0, 0.1])
    found = {
        tuple(one): queries.tolist() for one, queries in filter_classes(matches, nearness, 1000)
    }
    assert found == {
        (0.0, "none"): [0],
        (0.001, "none"): [1],
        (0.01, "positive"): [2, 3],
        (0.1, "none"): [4],
        (0.1, "negative"): [5],
    }
