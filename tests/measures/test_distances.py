"""Distances of answers do not depend on how many answers there are."""

from __future__ import annotations

import numpy as np
import pytest

from harness.measures.distances import distances_and_scales


@pytest.mark.parametrize("metric", ["angular", "euclidean", "inner_product"])
def test_many_answers_have_the_distances_that_few_have(metric):
    rng = np.random.default_rng(0)
    base = rng.standard_normal((500, 33)).astype(np.float32)
    base[7] = 0
    queries = rng.standard_normal((90, 33)).astype(np.float32)
    ids = rng.integers(-1, len(base), (90, 20))
    many = distances_and_scales(metric, base, queries, ids)
    for start in range(0, 90, 10):
        part = slice(start, start + 10)
        few = distances_and_scales(metric, base, queries[part], ids[part])
        np.testing.assert_array_equal(few[0], many[0][part])
        np.testing.assert_array_equal(few[1], many[1][part])
    assert np.isinf(many[0][ids < 0]).all()


@pytest.mark.parametrize("metric", ["angular", "euclidean", "inner_product"])
def test_distances_are_those_of_the_definition(metric):
    rng = np.random.default_rng(1)
    base, queries = rng.standard_normal((2, 40, 9)).astype(np.float32)
    ids = rng.integers(0, 40, (40, 5))
    distances, _ = distances_and_scales(metric, base, queries, ids)
    rows, asked = base[ids].astype(np.float64), queries[:, None, :].astype(np.float64)
    products = (rows * asked).sum(-1)
    expected = {
        "euclidean": np.linalg.norm(rows - asked, axis=-1),
        "inner_product": -products,
        "angular": 1 - products / np.linalg.norm(rows, axis=-1) / np.linalg.norm(asked, axis=-1),
    }[metric]
    np.testing.assert_allclose(distances, expected, rtol=1e-12, atol=1e-12)
