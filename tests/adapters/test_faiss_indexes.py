"""What the entries of FAISS make of their parameters, at dimensions that fit nothing."""

import numpy as np
import pytest
from harness.algorithms.faiss_indexes import adapter as indexes
from harness.algorithms.faiss_indexes import factory

from harness.contracts import Bitmap
from harness.running.worker.libraries import pools_limited

N, D, K = 700, 13, 10


def rows(n=N, seed=0):
    drawn = np.random.default_rng(seed).standard_normal((n, D)).astype(np.float32)
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    drawn.flags.writeable = False
    return drawn


@pytest.fixture(autouse=True)
def _one_thread():
    with pools_limited(1):
        yield


@pytest.fixture(scope="module")
def base():
    return rows()


@pytest.fixture(scope="module")
def queries():
    return rows(30, seed=1)


def recall(algorithm, base, queries):
    truth = np.argsort(-(queries @ base.T), axis=1)[:, :K]
    ids = algorithm.query_batch(queries, K)
    return np.mean([len(set(a) & set(b)) / K for a, b in zip(ids, truth, strict=True)])


PQ = {"width": 2, "rotation": "none", "refine": "flat"}
CASES = [
    ("IVF", {"nlist": None, "storage": "SQ8"}, {"nprobe": 64}),
    ("IVFPQ", {**PQ, "nlist": 8, "nbits": 5, "rotation": "opq"}, {"nprobe": 8, "k_factor": 20}),
    ("IVFPQ", {**PQ, "nlist": 8, "nbits": 5, "rotation": "random"}, {"nprobe": 8, "k_factor": 20}),
    ("IVFPQFastScan", {**PQ, "nlist": 8, "refine": "fp16"}, {"nprobe": 8, "k_factor": 20}),
    ("PQFastScan", {**PQ, "rotation": "opq", "width": 3}, {"k_factor": 30}),
    ("PQFastScan", {**PQ, "rotation": "random", "refine": "sq8"}, {"k_factor": 30}),
    ("Additive", {"method": "RQ", "M": 4, "nbits": 5, "refine": "flat"}, {"k_factor": 30}),
    ("Scalar", {"codec": "SQ4", "refine": "flat"}, {"k_factor": 10}),
    ("RaBitQ", {"nbits": 4, "nlist": 0, "refine": "none"}, {"nprobe": None, "k_factor": 0}),
    ("RaBitQ", {"nbits": 2, "nlist": 8, "refine": "flat"}, {"nprobe": 8, "k_factor": 20}),
    ("HNSW", {"M": 8, "efConstruction": 40, "storage": "SQ8"}, {"efSearch": 100}),
]


@pytest.mark.parametrize(("name", "build", "search"), CASES, ids=lambda one: str(one)[:40])
def test_any_dimension_is_served(name, build, search, base, queries):
    algorithm = getattr(indexes, name)("euclidean", seed=1, **build)
    algorithm.fit(base)
    algorithm.set_search(**search)
    assert recall(algorithm, base, queries) > 0.8


def test_the_copy_counts_only_where_it_is_used(base, queries):
    algorithm = indexes.PQFastScan("angular", seed=0, **PQ)
    algorithm.fit(base)
    algorithm.set_search(k_factor=0)
    without, plain = algorithm.index_bytes(), recall(algorithm, base, queries)
    algorithm.set_search(k_factor=10)
    assert algorithm.index_bytes() - without == pytest.approx(base.nbytes, rel=0.01)
    assert recall(algorithm, base, queries) > plain + 0.1


NULLED = [
    ("IVF8,Flat", {"nprobe": 8}, {"nprobe": 1}),
    ("HNSW4,Flat", {"efSearch": 200}, {"efSearch": 16}),
    ("NSG8,Flat", {"search_L": 200}, {"search_L": 16}),
    ("PQ13x4fs,RFlat", {"k_factor": 30}, {"k_factor": 1}),
]


@pytest.mark.parametrize(("string", "set_before", "default"), NULLED)
def test_null_is_the_default_of_faiss_whatever_was_set_before(
    string, set_before, default, base, queries
):
    algorithm = indexes.FaissIndex("euclidean", factory=string, seed=0)
    algorithm.fit(base)

    def answers(search):
        algorithm.set_search(**search)
        return algorithm.query_batch(queries, K)

    expected = answers(default)
    assert (answers(set_before) != expected).any()
    assert np.array_equal(answers({}), expected)


PADDED = [
    ("IVF", {"nlist": 8, "storage": "SQ8"}, "nprobe", 8),
    ("HNSW", {"M": 8, "efConstruction": 40, "storage": "SQfp16"}, "efSearch", 200),
]


@pytest.mark.parametrize(("name", "build", "parameter", "most"), PADDED)
def test_rows_that_are_padded_can_be_filtered(name, build, parameter, most, base, queries):
    algorithm = getattr(indexes, name)("euclidean", seed=0, **build)
    algorithm.fit(base)
    matching = np.arange(N) % 3 == 0
    bitmap = Bitmap.of(matching)

    def hits(value):
        algorithm.set_search(**{parameter: value})
        return sum(
            int(algorithm.query_filtered(query, 1, bitmap)[0]) == best
            for query, best in zip(queries, nearest, strict=True)
        )

    nearest = np.where(matching, queries @ base.T, -np.inf).argmax(axis=1)
    assert hits(1) < hits(most) >= len(queries) - 2


def test_reranking_without_a_copy_is_refused(base):
    algorithm = indexes.FaissIndex("angular", factory="SQ8", seed=0)
    algorithm.fit(base)
    with pytest.raises(ValueError, match="refining copy"):
        algorithm.set_search(k_factor=2)


@pytest.mark.parametrize(
    "string", ["IVF8,Flat", "PQ13x4fs", "RQ4x4fs", "LSQ2x4fs", "RR13,RaBitQfs"]
)
def test_a_seed_changes_what_is_drawn(string, base, queries):
    def answers(seed):
        algorithm = indexes.FaissIndex("angular", factory=string, training_points=300, seed=seed)
        algorithm.fit(base)
        return algorithm.query_batch(queries, K)

    assert (answers(1) == answers(1)).all()
    assert (answers(1) != answers(2)).any()


@pytest.mark.parametrize("n", [1, 2, 3, 10, 700, 10_000, 340_000, 1_183_514])
def test_lists_follow_the_rows(n):
    lists = factory.lists(n, None)
    if lists < n:
        assert lists & (lists - 1) == 0
        assert 2 * n**0.5 < lists <= 4 * n**0.5
    assert 1 <= lists <= n
    assert factory.lists(n, 100) == 100


@pytest.mark.parametrize("kind", ["IVF", "IVFPQ", "IVFPQFastScan", "RaBitQ"])
def test_more_lists_than_there_are_means_all_of_them(base, queries, kind):
    build = {"IVF": {"storage": "Flat"}, "IVFPQ": {**PQ, "nbits": 5}, "IVFPQFastScan": PQ}
    own = build.get(kind, {"nbits": 4, "refine": "flat"})
    algorithm = getattr(indexes, kind)("angular", nlist=8, training_points=None, seed=0, **own)
    algorithm.prepare(base.shape)
    algorithm.fit(base)
    search = {} if kind == "IVF" else {"k_factor": 32}
    algorithm.set_search(nprobe=2000, **search)
    one_by_one = [algorithm.query(query, K) for query in queries]
    algorithm.set_search(nprobe=8, **search)
    assert np.array_equal(one_by_one, [algorithm.query(query, K) for query in queries])


@pytest.mark.parametrize("threads", [1, 2])
def test_rows_of_the_lists_that_are_visited_are_counted(threads, base, queries):
    algorithm = indexes.IVF("euclidean", seed=0, nlist=20, storage="Flat")
    algorithm.fit(base)
    algorithm.set_search(nprobe=3)
    index = algorithm._index
    visited = index.quantizer.search(queries, 3)[1]
    sizes = np.array([index.invlists.list_size(number) for number in range(20)])
    with pools_limited(threads):
        assert algorithm.distance_computations(queries, K) == sizes[visited].sum()


WHOLE = [
    ("PQFastScan", {**PQ, "rotation": "opq"}, {"k_factor": 5}, N + 5 * K),
    ("PQFastScan", {**PQ, "rotation": "random"}, {"k_factor": 0}, N),
    ("Scalar", {"codec": "SQ4", "refine": "flat"}, {"k_factor": 2}, N + 2 * K),
    ("Additive", {"method": "RQ", "M": 4, "nbits": 5, "refine": "none"}, {}, N),
    ("RaBitQ", {"nbits": 4, "nlist": 0, "refine": "none"}, {}, N),
    ("IVFPQFastScan", {**PQ, "nlist": 8}, {"nprobe": 8, "k_factor": 5}, N + 5 * K),
]


@pytest.mark.parametrize(("name", "build", "search", "each"), WHOLE)
def test_a_scan_of_all_counts_every_code_and_each_candidate(
    name, build, search, each, base, queries
):
    algorithm = getattr(indexes, name)("euclidean", seed=1, **build)
    algorithm.fit(base)
    algorithm.set_search(**search)
    assert algorithm.distance_computations(queries, K) == len(queries) * each


def test_a_graph_counts_more_the_longer_its_queue_and_no_more_when_asked_again(base, queries):
    algorithm = indexes.HNSW("euclidean", seed=0, M=8, efConstruction=40, storage="Flat")
    algorithm.fit(base)
    algorithm.set_search(efSearch=10)
    short = algorithm.distance_computations(queries, K)
    algorithm.set_search(efSearch=100)
    long = algorithm.distance_computations(queries, K)
    assert K * len(queries) <= short < long <= N * len(queries)
    assert algorithm.distance_computations(queries, K) == long
    nsg = indexes.NSG("euclidean", seed=0, R=8, neighbours=16)
    nsg.fit(base)
    nsg.set_search(search_L=20)
    assert nsg.distance_computations(queries, K) is None
