"""The adapters through the contract: recall, FAISS's scores, odd data, bad input."""

import numpy as np
import pytest
from harness.algorithms.quantization.adapter import (
    AnisotropicPQ,
    FaissPQ,
    NotebookAnisotropicPQ,
    ProductQuantizer,
    ScannStylePQ,
)
from harness.algorithms.quantization.encoding import decode
from harness.algorithms.quantization.faiss_codes import add_codes, empty_index, pack
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from harness.contracts import UserError
from harness.registry import load_registry
from harness.registry.settings import Facts, settings

ADAPTERS = [ProductQuantizer, AnisotropicPQ, FaissPQ]
OWN = [ProductQuantizer, AnisotropicPQ, ScannStylePQ, NotebookAnisotropicPQ]
ENTRIES = [
    *("pq", "anisotropic-pq", "scann-style-pq", "notebook-anisotropic-pq"),
    *("faiss-pq", "faiss-opq"),
]


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


@pytest.mark.parametrize(
    ("adapter", "metric"),
    [
        (ProductQuantizer, "euclidean"),
        (AnisotropicPQ, "angular"),
        (AnisotropicPQ, "inner_product"),
        (FaissPQ, "inner_product"),
        (FaissPQ, "euclidean"),
    ],
)
@pytest.mark.parametrize("nbits", [3, 4, 8])
def test_reranking_most_candidates_is_exact(adapter, metric, nbits, data):
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


@pytest.mark.filterwarnings("ignore:the rows lie in a cone")
@pytest.mark.parametrize("adapter", OWN)
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
        tables = index.diagnostics()
        assert tables.pop("scan")["kernel"].tolist() == ["faiss"], name
        for table in tables.values():
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
    from harness.algorithms.quantization.simd import kernels

    base, _ = data
    index = AnisotropicPQ("angular", M=12)
    index.prepare(base.shape)
    compiled = [len(kernel.signatures) for kernel in (kernels.encode, kernels.update)]
    index.fit(base)
    assert compiled == [len(k.signatures) for k in (kernels.encode, kernels.update)]


@pytest.mark.parametrize("adapter", [*OWN, FaissPQ])
@pytest.mark.parametrize(
    ("size", "nbits", "M"),
    [
        ({"bytes": 3}, 4, 6),
        ({"bytes": 3}, 5, 4),
        ({"bits": 50}, 4, 12),
        ({"bits": 8}, 8, 1),
        ({"bits": 4000}, 4, 24),
    ],
)
def test_the_size_of_codes_may_be_given_in_bits_or_bytes(adapter, size, nbits, M, data):
    base, queries = data
    base = base[:600]
    index, same = (built(adapter, base, nbits=nbits, **part) for part in (size, {"M": M}))
    assert (index.query_batch(queries, 10) == same.query_batch(queries, 10)).all()
    assert index.index_bytes() == same.index_bytes()
    assert index.diagnostics()["distortion"]["bits_per_vector"] == M * nbits


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize(
    ("build", "told"),
    [
        ({}, "exactly one of M, bits and bytes"),
        ({"M": 6, "bytes": 3}, "M=6, bytes=3"),
        ({"bits": 3}, "a whole number of at least 4"),
        ({"bytes": 0}, "a whole number of at least 1"),
        ({"bytes": 2.5}, "build parameter bytes"),
    ],
)
def test_a_size_that_is_not_clear_is_told(adapter, build, told, data):
    base, _ = data
    with pytest.raises(UserError, match=told):
        built(adapter, base, **build)


@pytest.mark.parametrize("name", ENTRIES)
def test_a_suite_may_give_bits_or_bytes(name):
    facts = Facts(k=10, n=10_000, d=50, metric="angular")
    definition = load_registry().algorithm(name)

    def found(**build):
        return list(settings(definition, facts, build=build, search={"rerank": 0}))

    [setting] = found(bytes=13, nbits=4)
    assert setting.refusal is None
    assert "M" not in setting.build
    assert (setting.build["bytes"], setting.build_name) == (13, "bytes=13 nbits=4")
    assert found(bits=3, nbits=4)[0].refusal.startswith("bits must be a whole number")
    assert found(bytes=0, nbits=4)[0].refusal.startswith("bytes must be a whole number")
    assert found(bytes=2.5, nbits=4)[0].refusal.startswith("bytes must be a whole number")
    assert found(M=25, bytes=13)[0].refusal == "exactly one of M, bits, bytes (M=25 bytes=13)"


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_bad_input_is_told(adapter, data):
    base, _ = data
    for M in (0, -3, 2.5):
        with pytest.raises(UserError, match="a whole number of at least 1"):
            built(adapter, base, M=M)
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


@pytest.mark.parametrize(
    ("adapter", "rotation"),
    [(AnisotropicPQ, "random"), (FaissPQ, "random"), (AnisotropicPQ, "opq"), (FaissPQ, "opq")],
)
def test_a_rotation_turns_queries_and_reconstructions_too(adapter, rotation, data):
    base, queries = data
    base = base[:800]
    index = built(adapter, base, M=24, nbits=5, rotation=rotation)
    truth = np.argsort(-(queries.astype(np.float64) @ base.T), axis=1)[:, :10]
    ids = index.query_batch(queries, 10)
    assert np.mean([len(set(a) & set(b)) for a, b in zip(ids, truth, strict=True)]) > 8
    table = index.diagnostics()["distortion"]
    assert table["mean_squared_error"][0] < 0.05
    plain = built(adapter, base, M=24, nbits=5)
    assert index.index_bytes() == plain.index_bytes() + 4 * 24 * 24


def test_opq_lowers_the_error_of_data_whose_dimensions_hang_together():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((800, 24)) * (0.7 ** np.arange(24)) @ rng.standard_normal((24, 24))
    base = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    base.flags.writeable = False
    errors = [
        built(ProductQuantizer, base, M=6, rotation=kind).diagnostics()["distortion"]
        for kind in ("none", "opq")
    ]
    assert errors[1]["mean_squared_error"][0] < 0.9 * errors[0]["mean_squared_error"][0]


@pytest.mark.parametrize("metric", ["angular", "euclidean"])
@pytest.mark.parametrize(("kind", "share", "scales"), [("uint8", 4, 8 * 24), ("float16", 2, 0)])
def test_reranking_on_smaller_copies_is_nearly_exact(kind, share, scales, metric, data):
    base, queries = data
    index = built(ProductQuantizer, base, metric, rerank=1000, M=12, rerank_copy=kind)
    without = built(ProductQuantizer, base, metric, M=12).index_bytes()
    assert index.index_bytes() == without + base.nbytes // share + scales
    truth = np.argsort(-(queries.astype(np.float64) @ base.T), axis=1)[:, :10]
    ids = index.query_batch(queries, 10)
    assert np.mean([len(set(a) & set(b)) for a, b in zip(ids, truth, strict=True)]) > 9.5
    assert (np.stack([index.query(query, 10) for query in queries]) == ids).all()


def test_scann_style_trains_as_kmeans_does_and_encodes_score_aware(data):
    base, _ = data
    style = built(ScannStylePQ, base, M=12, eta=6.0)
    plain = built(ProductQuantizer, base, M=12, iterations=10)
    tables = [index.diagnostics() for index in (style, plain)]
    assert (tables[0]["training"]["loss"] == tables[1]["training"]["loss"]).all()
    assert tables[0]["distortion"]["parallel"] < tables[1]["distortion"]["parallel"]


def test_the_notebooks_variant_gains_nothing_from_its_loss(data):
    """Its codes are the nearest codewords, of codebooks that are not the best for that."""
    base, _ = data
    variant = built(NotebookAnisotropicPQ, base, M=12, nbits=3, eta=4.0)
    tables = variant.diagnostics()
    plain = built(ProductQuantizer, base, M=12, nbits=3).diagnostics()["distortion"]
    assert tables["distortion"]["mean_squared_error"] > plain["mean_squared_error"]
    traces = tables["training_by_subspace"]
    for m in range(12):
        own = traces["subspace"] == m
        assert (np.diff(traces["loss"][own]) <= 1e-6).all()
        assert traces["iteration"][own].tolist() == list(range(own.sum()))


def test_diagnostics_measure_the_products_with_true_neighbours(data):
    base, queries = data
    tables = []
    for adapter in (ProductQuantizer, AnisotropicPQ):
        index = built(adapter, base, M=12)
        assert "neighbour_bias" not in index.diagnostics()["distortion"]
        index.warm_up(queries, 10)
        tables.append(index.diagnostics()["distortion"])
        truth = np.argsort(-(queries.astype(np.float64) @ base.T), axis=1)[:, :10]
        exact = np.take_along_axis(queries.astype(np.float64) @ base.T, truth, axis=1)
        decoded = index.reconstruct(slice(0, len(base))).astype(np.float64)
        errors = np.take_along_axis(queries @ decoded.T, truth, axis=1) / exact - 1
        assert tables[-1]["neighbour_bias"][0] == pytest.approx(errors.mean(), abs=1e-4)
        expected = np.abs(errors).mean()
        assert tables[-1]["neighbour_relative_error"][0] == pytest.approx(expected, abs=1e-4)
    plain, aware = tables
    assert aware["neighbour_relative_error"] < plain["neighbour_relative_error"]
    assert abs(aware["neighbour_bias"]) < abs(plain["neighbour_bias"])


@pytest.mark.parametrize(
    ("build", "told"),
    [({"rotation": "spin"}, "none, random or opq"), ({"rerank_copy": "int4"}, "float16 or uint8")],
)
def test_unknown_kinds_are_told(build, told, data):
    base, _ = data
    with pytest.raises(UserError, match=told):
        built(ProductQuantizer, base, M=8, **build)


@examples(max_examples=25, deadline=None)
@given(
    st.integers(2, 40),
    st.integers(1, 45),
    st.sampled_from([3, 4]),
    st.sampled_from(["none", "random", "opq"]),
    st.sampled_from([*OWN, FaissPQ]),
    st.sampled_from(["auto", "bounded"]),
)
def test_any_number_of_subspaces_holds_any_dimension(d, M, nbits, rotation, adapter, scan):
    base, queries = clustered(300, d, queries=5)
    build = {} if adapter is FaissPQ else {"scan": scan}
    index = built(adapter, base, M=M, nbits=nbits, rotation=rotation, **build)
    subspaces, width = min(M, d), -(-d // min(M, d))
    table = index.diagnostics()["distortion"]
    assert table["bits_per_vector"][0] == subspaces * nbits
    assert table["mean_squared_error"][0] < 1.5 * table["mean_square"][0]
    decoded = index.reconstruct(slice(0, 300))
    assert decoded.shape == base.shape
    scores = queries @ decoded.T
    ids = index.query_batch(queries, 10)
    close = 1e-5 if nbits == 3 or build.get("scan") == "bounded" else 0.2  # FAISS rounds its tables
    best = -np.sort(-scores, axis=1)[:, :10]
    np.testing.assert_allclose(np.take_along_axis(scores, ids, axis=1), best, atol=close)
    assert (np.stack([index.query(query, 10) for query in queries]) == ids).all()
    codebooks = 4 * subspaces * width * 2**nbits
    turned = 0 if rotation == "none" else 4 * subspaces * width * d
    if nbits == 3:  # 4-bit codes are laid out in groups of rows
        codes = 300 * -(-subspaces * nbits // 8)
        assert index.index_bytes() == codes + codebooks + turned
    index.set_search(rerank=300)
    truth = -np.sort(-(queries @ base.T), axis=1)[:, :10]
    exact = np.take_along_axis(queries @ base.T, index.query_batch(queries, 10), axis=1)
    np.testing.assert_allclose(exact, truth, atol=1e-5)


@pytest.mark.parametrize("adapter", [ProductQuantizer, AnisotropicPQ, FaissPQ])
def test_dimensions_are_spread_evenly(adapter):
    """With all zeros at the end, the last subspaces would hold nothing."""
    base, _ = clustered(400, 33)
    errors = [
        built(adapter, base, M=M).diagnostics()["distortion"]["mean_squared_error"][0]
        for M in (11, 16, 33)
    ]
    assert errors[0] > 1.2 * errors[1] > 1.44 * errors[2]


def test_a_scan_of_all_codes_compares_every_row_and_each_candidate_again():
    rng = np.random.default_rng(0)
    base = rng.standard_normal((400, 8)).astype(np.float32)
    base /= np.linalg.norm(base, axis=1, keepdims=True)
    base.flags.writeable = False
    index = FaissPQ("angular", M=4, nbits=4)
    index.fit(base)
    index.set_search(rerank=0)
    assert index.distance_computations(base[:5], 10) == 5 * 400
    index.set_search(rerank=30)
    assert index.distance_computations(base[:5], 10) == 5 * 430
