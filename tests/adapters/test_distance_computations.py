"""What adapters of other libraries count, held against numbers that are known."""

import importlib

import pytest

from harness.registry.registry import load_registry
from tests.adapters.test_peers import QUERIES, D, K, N, built, rows, skip_if_missing, split

pytestmark = [pytest.mark.adapters, pytest.mark.filterwarnings("default")]


def searchable(name, metric="euclidean", n=N, **changes):
    """The smoke group of an entry over some rows, and queries."""
    definition = load_registry().algorithm(name)
    skip_if_missing(definition)
    base, queries = split(rows(metric))
    return built(definition, metric, base[:n], queries, **changes), queries


def test_nanopq_and_the_notebook_compare_every_row():
    for name in ("nanopq", "notebook-pq"):
        algorithm, queries = searchable(name)
        assert algorithm.distance_computations(queries, K) == QUERIES * N, name
        assert algorithm.distance_computations(queries[:1], K) == N, name


@pytest.mark.parametrize(("name", "centres"), [("sklearn-kd-tree", 0), ("sklearn-ball-tree", 1)])
def test_a_tree_of_one_leaf_compares_every_row_and_one_of_many_leaves_fewer(name, centres):
    whole, queries = searchable(name, leaf_size=N)
    for _ in range(2):
        assert whole.distance_computations(queries, K) == QUERIES * (N + centres)
    cut, _ = searchable("sklearn-kd-tree", leaf_size=10)
    assert QUERIES * K < cut.distance_computations(queries, K) < QUERIES * N


def test_usearch_compares_all_rows_of_a_small_graph_and_more_in_a_longer_queue():
    small, queries = searchable("usearch", n=5, k=1)
    assert small.distance_computations(queries, 1) == QUERIES * (5 + 1)  # where it begins, twice
    large, _ = searchable("usearch")
    counts = []
    for length in (K, 10 * K, 100 * K):
        large.set_search(efSearch=length)
        counts.append(large.distance_computations(queries, K))
    assert QUERIES * K < counts[0] < counts[1] < counts[2] < QUERIES * 2 * N
    one_by_one = sum(large.distance_computations(query[None], K) for query in queries)
    assert one_by_one == counts[2]


def test_scann_compares_every_code_and_the_candidates_that_it_reorders():
    definition = load_registry().algorithm("scann")
    skip_if_missing(definition)
    base, queries = split(rows("angular"))
    adapter = getattr(importlib.import_module(definition.module), definition.class_name)
    algorithm = adapter("angular", **{**definition.build, "M": D // 2, "reorder": True})
    algorithm.fit(base)
    for rerank, candidates in ((0, 0), (2, K), (50, 50), (10 * N, N)):
        algorithm.set_search(rerank=rerank)
        assert algorithm.distance_computations(queries, K) == QUERIES * (N + candidates)
