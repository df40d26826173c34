"""The scan of 4-bit codes: the answers of float tables, whatever the shape of the data."""

import numpy as np
import pytest
from harness.algorithms.quantization import byte_lanes
from harness.algorithms.quantization.adapter import ProductQuantizer
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.contracts import UserError
from harness.data.loading import open_definition
from harness.registry.registry import load_registry

pytestmark = pytest.mark.skipif(not byte_lanes.available(), reason="the processor has no AVX2")


@pytest.fixture(scope="module")
def small_base(session_cache):
    """The bundled words and 200 queries."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANNHARNESS_DATA", str(session_cache))
        dataset = open_definition(load_registry().dataset("glove-50-10k"))
        return np.array(dataset.search_base), np.array(dataset.search_queries[:200])


def built(base, metric, M, scan="bounded"):
    base.flags.writeable = False
    index = ProductQuantizer(metric, M=M, nbits=4, iterations=3, scan=scan)
    index.fit(base)
    index.set_search(rerank=0)
    return index


def scores_of(index, base, queries):
    """What the codes say, in float64; higher is better."""
    decoded = index._scanner.reconstruct(slice(0, len(base))).astype(np.float64)
    products = queries.astype(np.float64) @ decoded.T
    return 2 * products - (decoded**2).sum(axis=1) if index.metric == "euclidean" else products


def expect_best(ids, scores):
    """The ids have the best scores, best first, up to float32's rounding."""
    k = ids.shape[1]
    close = 1e-4 * np.abs(scores).max(axis=1, keepdims=True) + 1e-6
    found = min(k, scores.shape[1])
    assert (ids[:, found:] == -1).all()
    best = -np.sort(-scores, axis=1)[:, :found]
    got = np.take_along_axis(scores, ids[:, :found], axis=1)
    np.testing.assert_array_less(np.abs(got - best), close + np.zeros_like(best))
    assert all(len(set(row)) == found for row in ids[:, :found].tolist())


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 700),
    st.sampled_from([(2, 1), (6, 3), (26, 2), (60, 60), (130, 130)]),
    st.sampled_from(["angular", "inner_product", "euclidean"]),
    st.integers(1, 150),
    st.integers(0, 99),
)
def test_answers_are_those_of_float_tables(n, shape, metric, k, seed):
    d, M = shape
    rng = np.random.default_rng(seed)
    base = rng.standard_normal((n, d)).astype(np.float32) * rng.uniform(0.1, 3, d)
    index = built(base.astype(np.float32), metric, M)
    queries = rng.standard_normal((5, d)).astype(np.float32)
    ids = index.query_batch(queries, k)
    expect_best(ids, scores_of(index, base, queries))
    assert (np.stack([index.query(query, k) for query in queries]) == ids).all()


@pytest.mark.parametrize("order", ["rising", "falling"])
def test_sorted_data_are_scanned_whole(order):
    """The best rows stand at one end: neither the sample nor the bound may lose them.

    In falling order the sample holds all of the best, and the bound that it tells is too low.
    """
    rng = np.random.default_rng(0)
    base = rng.standard_normal((60_000, 20)).astype(np.float32)
    query = base[:1] / 2
    base = base[np.argsort(base @ query[0] * (1 if order == "rising" else -1))]
    index = built(base.copy(), "inner_product", 10)
    expect_best(index.query_batch(query, 100), scores_of(index, base, query))


def test_equal_scores_go_to_the_lower_row():
    base = np.tile(np.random.default_rng(0).standard_normal((1, 8)), (1000, 1)).astype(np.float32)
    index = built(base, "inner_product", 4)
    assert index.query(base[0], 70).tolist() == list(range(70))
    assert index.query(np.zeros(8, np.float32), 70).tolist() == list(range(70))


def test_the_scan_finds_what_faiss_rounds_away(small_base):
    """Both scan the same codes; ours scores them by float tables."""
    base, queries = small_base
    own = built(base, "angular", 25)
    theirs = built(base, "angular", 25, scan="faiss")
    scores = scores_of(own, base, queries)
    expect_best(own.query_batch(queries, 10), scores)
    means = [
        np.take_along_axis(scores, index.query_batch(queries, 10), axis=1).mean()
        for index in (own, theirs)
    ]
    assert means[0] > means[1]


def test_other_scans_are_refused():
    with pytest.raises(UserError, match="unknown scan"):
        built(np.ones((20, 4), np.float32), "angular", 2, scan="quick")
