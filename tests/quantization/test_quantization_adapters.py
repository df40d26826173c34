"""The adapters through the contract: recall, FAISS's scores, odd data, bad input."""

import numpy as np
import pytest
from harness.algorithms.quantization.adapter import AnisotropicPQ, ProductQuantizer
from harness.algorithms.quantization.encoding import decode
from harness.algorithms.quantization.faiss_adapter import FaissPQ
from harness.algorithms.quantization.scanner import add_codes, empty_index, pack

from harness.contracts import UserError

ADAPTERS = [ProductQuantizer, AnisotropicPQ, FaissPQ]


def clustered(n, d, seed=0, queries=50):
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((30, d))
    rows = centres[rng.integers(0, 30, n + queries)] + 0.5 * rng.standard_normal((n + queries, d))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    base, asked = rows[:n].copy(), rows[n:].copy()
    for part in (base, asked):
        part.flags.writeable = False
    return base, asked


@pytest.fixture(scope="module")
def data():
    return clustered(3000, 24)


def built(adapter, base, metric="angular", rerank=0, **build):
    index = adapter(metric, **build)
    index.fit(base)
    index.set_search(rerank=rerank)
    return index


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("metric", ["angular", "inner_product", "euclidean"])
@pytest.mark.parametrize("nbits", [3, 4, 8])
def test_reranking_most_candidates_is_exact(adapter, metric, nbits, data):
    if adapter is AnisotropicPQ and metric == "euclidean":
        pytest.skip("the score-aware loss is about inner products")
    base, queries = data
    index = built(adapter, base, metric, rerank=1500, M=12, nbits=nbits)
    index.warm_up(queries, 10)
    truth = np.argsort(-(queries.astype(np.float64) @ base.T), axis=1)[:, :10]
    ids = index.query_batch(queries, 10)
    assert (ids == truth).mean() > 0.99
    assert (np.stack([index.query(query, 10) for query in queries]) == ids).all()
    index.set_search(rerank=0)
    plain = index.query_batch(queries, 10)
    hits = [len(set(a) & set(b)) for a, b in zip(plain, truth, strict=True)]
    assert np.mean(hits) > 2


@pytest.mark.parametrize("metric", ["inner_product", "euclidean"])
@pytest.mark.parametrize("nbits", [1, 3, 4, 5, 8])
def test_faiss_scores_are_those_of_the_codes(metric, nbits, data):
    _, queries = data
    rng = np.random.default_rng(1)
    codebooks = rng.standard_normal((8, 1 << nbits, 3))
    codes = rng.integers(0, 1 << nbits, (500, 8)).astype(np.uint8)
    index = empty_index(codebooks, metric)
    add_codes(index, codes)
    scores, ids = index.search(queries, 500)
    decoded = decode(codes, codebooks)
    if metric == "euclidean":
        expected = ((queries[:, None].astype(np.float64) - decoded) ** 2).sum(axis=2)
    else:
        expected = queries.astype(np.float64) @ decoded.T
    np.testing.assert_allclose(scores, np.take_along_axis(expected, ids, axis=1), atol=1e-4)


def test_packing_puts_the_low_nibble_first():
    assert pack(np.array([[1, 2, 15]], np.uint8), 4).tolist() == [[0x21, 0x0F]]
    assert pack(np.array([[1, 0, 1, 1, 0, 0, 0, 0, 1]], np.uint8), 1).tolist() == [[0b1101, 1]]


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("M", [1, 3, 24])
def test_diagnostics_tell_the_errors_of_the_codes(adapter, M, data):
    base, _ = data
    index = built(adapter, base, M=M, nbits=4)
    table = {name: column[0] for name, column in index.diagnostics()["distortion"].items()}
    assert table["bits_per_vector"] == 4 * M
    assert table["mean_squared_error"] == pytest.approx(table["parallel"] + table["orthogonal"])
    expected = table["eta"] * table["parallel"] + table["orthogonal"]
    assert table["anisotropic_loss"] == pytest.approx(expected)
    assert 0 < table["mean_squared_error"] < table["mean_square"] * 1.5
    assert table["mean_square"] == pytest.approx(1, abs=1e-5)


def test_the_score_aware_loss_trades_orthogonal_for_parallel_error(data):
    base, _ = data
    tables = [
        built(adapter, base, M=12, nbits=4).diagnostics()["distortion"]
        for adapter in (ProductQuantizer, AnisotropicPQ)
    ]
    plain, aware = tables
    assert aware["parallel"] < 0.7 * plain["parallel"]
    assert aware["mean_squared_error"] > plain["mean_squared_error"]


def test_eta_one_and_threshold_zero_are_plain_product_quantization(data):
    base, queries = data
    plain = built(ProductQuantizer, base, M=8, iterations=5, seed=3)
    for build in ({"eta": 1.0}, {"threshold": 0.0}):
        same = built(AnisotropicPQ, base, M=8, kmeans_iterations=5, iterations=0, seed=3, **build)
        assert (same.query_batch(queries, 10) == plain.query_batch(queries, 10)).all()


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_the_seed_alone_decides(adapter, data):
    base, queries = data
    first, again, other = (
        built(adapter, base, M=6, seed=seed).query_batch(queries, 20) for seed in (1, 1, 2)
    )
    assert (first == again).all()
    assert (first != other).any()


@pytest.mark.parametrize("adapter", [ProductQuantizer, AnisotropicPQ])
@pytest.mark.parametrize("metric", ["angular", "inner_product"])
@pytest.mark.parametrize("M", [2, 8])
def test_odd_data_build_and_answer(adapter, metric, M):
    rng = np.random.default_rng(0)
    odd = {
        "zero rows": np.zeros((40, 8)),
        "one vector many times": np.tile(rng.standard_normal(8), (40, 1)),
        "fewer rows than codewords": rng.standard_normal((5, 8)),
        "constant dimensions": np.hstack([rng.standard_normal((40, 3)), np.ones((40, 5))]),
        "some zero rows": np.vstack([np.zeros((5, 8)), rng.standard_normal((35, 8))]),
        "one row": rng.standard_normal((1, 8)),
    }
    for name, rows in odd.items():
        if metric == "angular":
            norms = np.linalg.norm(rows, axis=1, keepdims=True)
            rows = rows / np.where(norms > 0, norms, 1)
        base = rows.astype(np.float32)
        base.flags.writeable = False
        index = built(adapter, base, metric, M=M, nbits=4)
        ids = index.query(base[-1], 10)
        found = ids[ids >= 0]
        assert len(found) == min(10, len(base)) == len(set(found)), name
        for table in index.diagnostics().values():
            assert all(np.isfinite(column).all() for column in table.values()), name


def test_a_zero_query_gets_rows(data):
    base, queries = data
    zero = np.zeros(24, np.float32)
    for nbits in (3, 4):
        index = built(ProductQuantizer, base, M=8, nbits=nbits)
        assert len(set(index.query(zero, 10)) - {-1}) == 10
        both = index.query_batch(np.stack([queries[0], zero]), 10)
        assert (both[0] == index.query(queries[0], 10)).all()
        assert (both >= 0).all()


def test_codes_of_few_distinct_rows_are_exact():
    rows = np.random.default_rng(0).standard_normal((6, 8)).astype(np.float32)
    base = np.repeat(rows / np.linalg.norm(rows, axis=1, keepdims=True), 50, axis=0)
    base.flags.writeable = False
    for adapter in (ProductQuantizer, AnisotropicPQ):
        table = built(adapter, base, M=2, nbits=4).diagnostics()["distortion"]
        assert table["mean_squared_error"][0] < 1e-9


def test_training_loss_is_a_table_that_falls(data):
    base, _ = data
    for adapter in (ProductQuantizer, AnisotropicPQ):
        training = built(adapter, base, M=12).diagnostics()["training"]
        assert training["iteration"].tolist() == list(range(len(training["loss"])))
        assert (np.diff(training["loss"]) <= 1e-6).all()
        assert training["loss"][-1] < training["loss"][0] < 1


def test_index_bytes_count_codes_codebooks_and_the_copy(data):
    base, _ = data
    index = built(ProductQuantizer, base, M=12, nbits=8)
    codebooks = 12 * 256 * 2 * 4
    assert index.index_bytes() == 3000 * 12 + codebooks
    index.set_search(rerank=100)
    assert index.index_bytes() == 3000 * 12 + codebooks + base.nbytes
    fast = built(ProductQuantizer, base, M=12, nbits=4)
    assert fast.index_bytes() == pytest.approx(3000 * 6 + 12 * 16 * 2 * 4, rel=0.02)


def test_prepare_leaves_the_instance_and_compiles_what_fit_needs(data):
    from harness.algorithms.quantization import kernels

    base, _ = data
    index = AnisotropicPQ("angular", M=12)
    index.prepare(base.shape)
    compiled = [len(kernel.signatures) for kernel in (kernels.encode, kernels.update_block)]
    index.fit(base)
    assert compiled == [len(k.signatures) for k in (kernels.encode, kernels.update_block)]


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_bad_input_is_told(adapter, data):
    base, _ = data
    with pytest.raises(UserError, match="a divisor of 24: 1, 2, 3, 4"):
        built(adapter, base, M=7)
    with pytest.raises(UserError, match="nbits is out of range"):
        built(adapter, base, M=8, nbits=13)
    with pytest.raises(TypeError):
        built(adapter, base, M=8).set_search(reranks=3)


def test_the_score_aware_loss_refuses_euclidean_and_bad_weights(data):
    base, _ = data
    with pytest.raises(UserError, match="angular or inner_product"):
        built(AnisotropicPQ, base, "euclidean", M=8)
    with pytest.raises(UserError, match="threshold"):
        built(AnisotropicPQ, base, M=8, threshold=1.0)


def test_faiss_says_how_many_rows_it_needs(data):
    base, _ = data
    with pytest.raises(UserError, match="as many rows"):
        built(FaissPQ, base, M=8, nbits=12)
    index = built(FaissPQ, base, M=8, nbits=10)
    assert index.index_bytes() == 3000 * 10 + 8 * 1024 * 3 * 4
