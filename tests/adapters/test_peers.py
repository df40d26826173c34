"""Every shipped adapter of another library, with its smoke group, under each metric it declares.

What is asked here is what no adapter may miss; `annharness check` asks more, in child processes.
"""

import importlib

import numba
import numpy as np
import pytest

from harness.registry.registry import load_registry
from harness.registry.settings import Facts, settings
from harness.running.block_specs import origin_of
from harness.running.executors.compiled_code import compiled_folder
from harness.running.worker.libraries import pools_limited

pytestmark = [
    pytest.mark.adapters,
    pytest.mark.filterwarnings("default"),  # what libraries warn of is not ours to mend
    pytest.mark.filterwarnings("ignore:One of the clusters is empty"),  # nanopq's zero rows
]

FOLDERS = {
    "annoy_forest",
    "faiss_indexes",
    "hnswlib_graph",
    "nanopq_codes",
    "pynndescent_graph",
    "sklearn_trees",
    "usearch_graph",
}
K, N, D, QUERIES = 10, 1500, 20, 40
DEFINITIONS = [
    definition
    for definition in load_registry().algorithms.values()
    if definition.folder.path.name in FOLDERS
]
CASES = [
    pytest.param(definition, metric, id=f"{definition.name}-{metric}")
    for definition in DEFINITIONS
    for metric in definition.metrics
]


@pytest.fixture(autouse=True)
def _few_optimisations(request, monkeypatch, session_cache):
    """Compile pynndescent, whose speed is not asked for here, in two thirds of the time.

    What its import compiles is kept for the workers of other tests.
    """
    if "pynndescent" in request.node.name:
        numba.njit(lambda: 0)()  # the level of the first compilation stays that of the process
        monkeypatch.setattr(numba.config, "OPT", type(numba.config.OPT)(1))
        origin = origin_of(load_registry().algorithm("pynndescent"), None)
        monkeypatch.setattr(numba.config, "CACHE_DIR", str(compiled_folder(session_cache, origin)))


def rows(metric, n=N + QUERIES, zeros=0):
    """Clustered rows of unequal length, read-only as the harness hands them over."""
    rng = np.random.default_rng(5)
    centres = rng.standard_normal((40, D))
    drawn = centres[rng.integers(0, 40, n)] + 0.6 * rng.standard_normal((n, D))
    if metric == "angular":
        drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    drawn[:zeros] = 0
    drawn = drawn.astype(np.float32)
    drawn.flags.writeable = False
    return drawn


def truth(metric, base, queries, k=K):
    products = queries.astype(np.float64) @ base.T.astype(np.float64)
    scores = 2 * products - (base.astype(np.float64) ** 2).sum(axis=1)
    return np.argsort(-(scores if metric == "euclidean" else products), axis=1)[:, :k]


def built(definition, metric, base, queries, k=K, threads=1, **changes):
    """The first setting of the smoke group, as the worker makes it."""
    facts = Facts(k=k, n=len(base), d=base.shape[1], metric=metric)
    setting = next(settings(definition, facts, group="smoke"))
    assert setting.refusal is None
    adapter = getattr(importlib.import_module(definition.module), definition.class_name)
    algorithm = adapter(metric, **{**setting.build, **changes})
    with pools_limited(threads):
        algorithm.prepare(base.shape)
        algorithm.fit(base)
        algorithm.set_search(**setting.search)
        algorithm.warm_up(queries, k)
    return algorithm


def recall(ids, true):
    return np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(ids, true, strict=True)])


def one_by_one(algorithm, queries, k):
    with pools_limited(1):
        return np.stack([algorithm.query(query, k) for query in queries])


def split(drawn):
    return drawn[:-QUERIES], drawn[-QUERIES:]


def skip_if_missing(definition):
    if definition.missing():
        pytest.skip(f"not installed: {definition.install_line()}")


@pytest.mark.parametrize(("definition", "metric"), CASES)
def test_a_smoke_group_finds_the_neighbours(definition, metric):
    skip_if_missing(definition)
    base, queries = split(rows(metric))
    algorithm = built(definition, metric, base, queries)
    single = one_by_one(algorithm, queries, K)
    assert single.shape == (QUERIES, K)
    assert single.dtype.kind in "iu"
    assert recall(single, truth(metric, base, queries)) >= definition.floor
    with pools_limited(2):
        batch = algorithm.query_batch(queries, K)
    assert recall(batch, single) > 0.99
    assert base.size / 40 < algorithm.index_bytes() < 40 * base.nbytes


@pytest.mark.parametrize(("definition", "metric"), CASES)
def test_more_neighbours_than_rows(definition, metric):
    skip_if_missing(definition)
    base, queries = split(rows(metric, n=340))
    algorithm = built(definition, metric, base, queries, k=400)
    asked = queries[:3]
    for answer in (one_by_one(algorithm, asked, 400), algorithm.query_batch(asked, 400)):
        assert answer.shape == (3, 400)
        for ids in answer:
            found = ids[ids >= 0]
            assert (ids[len(found) :] == -1).all()
            assert len(np.unique(found)) == len(found) >= 10
            assert found.max() < len(base)


@pytest.mark.parametrize(("definition", "metric"), [c for c in CASES if "angular" in c.id])
def test_zero_rows_are_neither_lost_nor_first(definition, metric):
    skip_if_missing(definition)
    base, queries = split(rows(metric, zeros=30))
    algorithm = built(definition, metric, base, queries)
    ids = one_by_one(algorithm, queries, K)
    assert recall(ids, truth(metric, base, queries)) >= definition.floor


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda one: one.name)
def test_a_seed_repeats_the_answers(definition):
    skip_if_missing(definition)
    if "repeatable" in " ".join(definition.expected_failures):
        pytest.skip("declared in the config")
    metric = definition.metrics[0]
    base, queries = split(rows(metric))
    first, second = (built(definition, metric, base, queries, seed=3) for _ in range(2))
    assert (one_by_one(first, queries, K) == one_by_one(second, queries, K)).all()


@pytest.mark.parametrize("metric", ["angular", "euclidean"])
def test_nanopq_behind_a_rotation_still_scores_by_the_metric(metric):
    definition = load_registry().algorithm("nanopq")
    skip_if_missing(definition)
    base, queries = split(rows(metric))
    algorithm = built(definition, metric, base, queries, rotation="opq")
    assert (
        recall(one_by_one(algorithm, queries, K), truth(metric, base, queries)) >= definition.floor
    )


def test_every_entry_takes_a_seed_and_pins_its_library():
    for definition in DEFINITIONS:
        assert "seed" in definition.build or definition.exact_order
        assert definition.floor, definition.name
        assert all("==" in text for text in definition.requires)
