"""The scan of 4-bit codes: the answers of float tables, whatever the shape of the data."""

import numpy as np
import pytest
from harness.algorithms.quantization.adapter import AnisotropicPQ, FaissPQ, ProductQuantizer
from harness.algorithms.quantization.encoding import decode
from harness.algorithms.quantization.faiss_codes import add_codes, empty_index
from harness.algorithms.quantization.list_adapter import AnisotropicIVF
from harness.algorithms.quantization.scanner import BoundedScan, FaissScan, scan_of
from harness.algorithms.quantization.simd import byte_lanes
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.contracts import UserError
from harness.data.loading import open_definition
from harness.registry.registry import load_registry

pytestmark = pytest.mark.skipif(byte_lanes.KIND is None, reason="the processor has no AVX2")
BITS = byte_lanes.CODE_BITS


@pytest.fixture(scope="module")
def small_base(session_cache):
    """The bundled words and 200 queries."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANNHARNESS_DATA", str(session_cache))
        dataset = open_definition(load_registry().dataset("glove-50-10k"))
        return np.array(dataset.search_base), np.array(dataset.search_queries[:200])


def built(base, metric, M, scan="bounded", nbits=4):
    base.flags.writeable = False
    index = ProductQuantizer(metric, M=M, nbits=nbits, iterations=3, scan=scan)
    index.fit(base)
    index.set_search(rerank=0)
    return index


def scores_of(index, base, queries):
    """What the codes say, in float64; higher is better."""
    return scores_of_rows(index.metric, index.reconstruct(slice(0, len(base))), queries)


def scores_of_rows(metric, rows, queries):
    rows = rows.astype(np.float64)
    products = queries.astype(np.float64) @ rows.T
    return 2 * products - (rows**2).sum(axis=1) if metric == "euclidean" else products


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
    st.sampled_from(BITS),
)
def test_answers_are_those_of_float_tables(n, shape, metric, k, seed, nbits):
    d, M = shape
    rng = np.random.default_rng(seed)
    base = rng.standard_normal((n, d)).astype(np.float32) * rng.uniform(0.1, 3, d)
    index = built(base.astype(np.float32), metric, M, nbits=nbits)
    assert index.diagnostics()["scan"]["kernel"] == [f"bounded {byte_lanes.KIND}"]
    queries = rng.standard_normal((5, d)).astype(np.float32)
    ids = index.query_batch(queries, k)
    expect_best(ids, scores_of(index, base, queries))
    assert (np.stack([index.query(query, k) for query in queries]) == ids).all()


@settings(max_examples=20, deadline=None)
@given(
    st.integers(1, 3000),
    st.sampled_from([(2, 1), (7, 3), (26, 2), (60, 60)]),
    st.sampled_from(["angular", "inner_product"]),
    st.integers(1, 150),
    st.integers(0, 99),
)
def test_coarse_codes_answer_as_float_tables(n, shape, metric, k, seed):
    """Also of fewer rows than centres."""
    d, M = shape
    rng = np.random.default_rng(seed)
    base = (rng.standard_normal((n, d)) + 3 * rng.standard_normal(d)).astype(np.float32)
    queries = rng.standard_normal((5, d)).astype(np.float32)
    base.flags.writeable = False
    index = AnisotropicPQ(metric, M=M, nbits=8, coarse=True, iterations=2, threshold=0)
    index.fit(base)
    ids = index.query_batch(queries, k)
    expect_best(ids, scores_of(index, base, queries))
    assert (np.stack([index.query(query, k) for query in queries]) == ids).all()


def test_coarse_codes_bring_rows_nearer_at_the_same_size(small_base):
    base, _ = small_base
    base.flags.writeable = False
    errors, sizes = [], []
    for coarse in (False, True):
        index = AnisotropicPQ("angular", bytes=10, nbits=8, coarse=coarse)
        index.fit(base)
        told = index.diagnostics()["distortion"]
        errors.append(told["mean_squared_error"][0])
        sizes.append(told["bits_per_vector"][0])
    assert sizes == [80, 80]
    assert errors[1] < 0.9 * errors[0]


@pytest.mark.parametrize(
    ("told", "match"),
    [
        ({"nbits": 4}, "go with codes of 8 bits"),
        ({"scan": "faiss"}, "FAISS's scan knows no coarse codes"),
        ({"M": None, "bytes": 1}, "bytes is out of range"),
    ],
)
def test_coarse_codes_that_cannot_be_are_refused(told, match):
    base = np.random.default_rng(0).standard_normal((300, 8)).astype(np.float32)
    index = AnisotropicPQ("angular", **{"M": 4, "nbits": 8, "coarse": True, **told})
    with pytest.raises(UserError, match=match):
        index.fit(base)


@pytest.mark.parametrize(
    ("adapter", "metric"),
    [(FaissPQ, "angular"), (AnisotropicIVF, "angular"), (ProductQuantizer, "euclidean")],
)
def test_other_indexes_have_no_coarse_codes(adapter, metric):
    base = np.random.default_rng(0).standard_normal((300, 8)).astype(np.float32)
    with pytest.raises(UserError, match="coarse"):
        adapter(metric, M=4, nbits=8, coarse=True).fit(base)


@pytest.mark.parametrize("nbits", BITS)
def test_rows_far_from_zero_are_told_apart(nbits):
    """Half of |c|^2 and <q, c> were both so large there that their difference was rounded away."""
    rng = np.random.default_rng(0)
    base = (rng.standard_normal((6000, 16)) + 10_000).astype(np.float32)
    queries = (rng.standard_normal((50, 16)) + 10_000).astype(np.float32)
    index = built(base, "euclidean", 4, nbits=nbits)
    exact = scores_of(index, base, queries)
    found = index.query_batch(queries, 10)
    best = np.argsort(-exact, axis=1, kind="stable")[:, :10]
    assert np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found, best, strict=True)]) > 0.95


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


KINDS = {
    "any": lambda rng, shape: rng.standard_normal(shape),
    "binary": lambda rng, shape: rng.integers(0, 2, shape),
    "few values": lambda rng, shape: rng.choice(rng.standard_normal(6), shape),
    "constant": lambda rng, shape: np.full(shape, 0.7),
    "far apart": lambda rng, shape: rng.standard_normal(shape) * 10.0 ** rng.integers(-9, 5, shape),
    "tiny": lambda rng, shape: rng.standard_normal(shape) * 1e-22,
    "huge": lambda rng, shape: rng.standard_normal(shape) * 1e30,
    "tiny to huge": lambda rng, shape: (
        rng.standard_normal(shape) * 10.0 ** rng.integers(-30, 31, shape)
    ),
}


def coded(codebooks, codes, metric):
    index = empty_index(codebooks, metric)
    add_codes(index, codes)
    return BoundedScan(index)


def require_best(codebooks, codes, queries, k, metric):
    """The scan's answers cost what the best by float tables cost; ties count as equal."""
    tables = np.einsum("mcw,qmw->qmc", codebooks, queries.reshape(len(queries), len(codebooks), -1))
    if metric == "euclidean":
        tables = 2 * tables - (codebooks**2).sum(axis=2)
    scores = sum(tables[:, m, codes[:, m]] for m in range(len(codebooks)))
    ids = coded(codebooks, codes, metric).search(queries.astype(np.float32), k)
    found = min(k, len(codes))
    assert (ids[:, found:] == -1).all()
    assert all(len(set(row)) == found for row in ids[:, :found].tolist())
    best = -np.sort(-scores, axis=1)[:, :found]
    close = 1e-6 * np.abs(tables).max(axis=2).sum(axis=1)[:, None] + 1e-44 * codebooks[0].size
    assert (np.abs(np.take_along_axis(scores, ids[:, :found], axis=1) - best) <= close).all()


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(sorted(KINDS)),
    st.sampled_from(sorted(KINDS)),
    st.sampled_from(["as drawn", "rising", "falling"]),
    st.sampled_from(["inner_product", "euclidean"]),
    st.sampled_from([1, 2, 33, 34, 64, 128, 301]),
    st.integers(1, 9000),
    st.integers(1, 60),
    st.integers(0, 99),
)
def test_no_row_is_lost_whatever_the_data(kind, asked, order, metric, M, n, k, seed):
    """Rounding errors may repeat over the subspaces: nothing is assumed of their sum."""
    rng = np.random.default_rng(seed)
    codebooks = KINDS[kind](rng, (M, 16, 2)).astype(np.float32).astype(np.float64)
    queries = KINDS[asked](rng, (2, 2 * M)).astype(np.float32).astype(np.float64)
    codes = rng.choice(16, (n, M), p=rng.dirichlet(np.full(16, 0.3))).astype(np.uint8)
    if order != "as drawn":
        scores = decode(codes, codebooks) @ queries[0]
        codes = codes[np.argsort(scores if order == "rising" else -scores)]
    require_best(codebooks, codes, queries, k, metric)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 128), st.sampled_from([17, 34, 64, 128]), st.integers(1, 60))
def test_equal_errors_in_all_subspaces_lose_no_row(ones, M, k):
    """Rows differ from the query in `ones` subspaces, those of the first blocks in one more."""
    ones = min(ones, M - 1)
    codebooks = np.arange(16.0)[None, :, None].repeat(M, axis=0)
    rng = np.random.default_rng(k)
    differ = np.where(np.arange(400) < 128, ones + 1, ones)[:, None]
    codes = (rng.random((400, M)).argsort(axis=1) < differ).astype(np.uint8)
    require_best(codebooks, codes, -np.ones((1, M)), k, "inner_product")


def test_binary_rows_find_their_neighbours():
    """k = 2,048 of d = M = 128."""
    rng = np.random.default_rng(0)
    codebooks = np.zeros((128, 16, 1))
    codebooks[:, 1] = 1
    codes = rng.integers(0, 2, (200_000, 128)).astype(np.uint8)
    queries = rng.integers(0, 2, (4, 128)).astype(np.float64)
    require_best(codebooks, codes, queries, 2048, "euclidean")


@pytest.mark.parametrize("metric", ["inner_product", "euclidean"])
@pytest.mark.parametrize(
    ("rows", "asked"), [(1e15, 1e15), (1e30, 1e30), (1e30, 1e-30), (1e-30, 1e30), (1e-30, 1e-30)]
)
def test_products_beyond_float32_are_compared(rows, asked, metric):
    """Costs of 1e60 are infinite in float32, and their differences NaN; those of 1e-60 are 0."""
    rng = np.random.default_rng(0)
    codebooks = (rng.standard_normal((12, 16, 2)) * rows).astype(np.float32).astype(np.float64)
    queries = (rng.standard_normal((3, 24)) * asked).astype(np.float32).astype(np.float64)
    codes = rng.integers(0, 16, (3000, 12)).astype(np.uint8)
    require_best(codebooks, codes, queries, 10, metric)


CASES = [(ProductQuantizer, "inner_product"), (ProductQuantizer, "euclidean")]


@pytest.mark.parametrize(
    ("adapter", "metric"), [*CASES, (AnisotropicPQ, "inner_product")], ids=lambda one: str(one)
)
@pytest.mark.parametrize("nbits", [3, 4])
class TestLargeRows:
    """Squares of rows must fit float32; products with queries need not."""

    @staticmethod
    def rows(size, n):
        rows = np.random.default_rng(n).uniform(-1, 1, (n, 8)) * size
        rows = rows.astype(np.float32)
        rows.flags.writeable = False
        return rows

    @pytest.mark.parametrize("size", [1e10, 1e16])
    def test_they_are_searched_rightly(self, adapter, metric, nbits, size):
        base, queries = self.rows(size, 500), self.rows(size, 40)
        index = adapter(metric, M=4, nbits=nbits, scan="bounded")
        index.fit(base)
        table = index.diagnostics()["distortion"]
        assert table["mean_squared_error"][0] < 0.3 * table["mean_square"][0]
        expect_best(index.query_batch(queries, 10), scores_of(index, base, queries))
        index.set_search(rerank=500)
        expect_best(index.query_batch(queries, 10), scores_of_rows(metric, base, queries))

    @pytest.mark.parametrize("size", [1e18, 1e25, 3e38])
    def test_or_refused(self, adapter, metric, nbits, size):
        index = adapter(metric, M=4, nbits=nbits, scan="bounded")
        with pytest.raises(UserError, match="squares do not fit float32"):
            index.fit(self.rows(size, 500))

    def test_one_among_many_is_refused(self, adapter, metric, nbits):
        base = self.rows(1, 3000).copy()
        base[1234] *= 1e25
        index = adapter(metric, M=4, nbits=nbits, training_points=50, scan="bounded")
        with pytest.raises(UserError, match="squares do not fit float32"):
            index.fit(base)

    def test_queries_may_be_larger(self, adapter, metric, nbits):
        if nbits == 3:
            pytest.skip("other than 4-bit codes are scanned by FAISS, in float32")
        # from 1e30 away, float64 does not tell the distances to rows of 1e10 apart
        size = 1e20 if metric == "euclidean" else 1e30
        base, queries = self.rows(1e10, 500), self.rows(size, 40)
        index = adapter(metric, M=4, nbits=nbits, scan="bounded")
        index.fit(base)
        expect_best(index.query_batch(queries, 10), scores_of(index, base, queries))
        index.set_search(rerank=500)
        expect_best(index.query_batch(queries, 10), scores_of_rows(metric, base, queries))
        single = np.stack([index.query(query, 10) for query in queries])
        assert (single == index.query_batch(queries, 10)).all()


@pytest.mark.parametrize("seed", [3, 14, 15, 17, 27])
def test_rows_of_six_values_find_their_neighbours(seed):
    """k = 10 of d = M = 64: up to 5 of the answers were not among the best for these seeds."""
    rng = np.random.default_rng(seed)
    values = np.sort(rng.standard_normal(6))
    codebooks = np.zeros((64, 16, 1))
    codebooks[:, :6, 0] = values
    codes = rng.choice(6, (5000, 64), p=rng.dirichlet(np.ones(6))).astype(np.uint8)
    queries = np.full((2, 64), 1.0) * [[values[0] - 0.5], [values[-1] + 0.5]]
    require_best(codebooks, codes, queries, 10, "euclidean")


def test_many_subspaces_are_left_to_faiss():
    """The bound is loose there: it would be right, and slow."""
    codes = np.zeros((100_000, 66), np.uint8)
    for M, expected in ((64, BoundedScan), (66, FaissScan)):
        index = empty_index(np.zeros((M, 16, 1)), "angular")
        add_codes(index, codes[:, :M])
        assert isinstance(scan_of(index, "auto"), expected)
        assert isinstance(scan_of(index, "bounded"), BoundedScan)
