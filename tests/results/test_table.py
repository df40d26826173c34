"""What the table says of recall, speed, difficulty, and of where points come from."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest

import harness
from harness.contracts.dataset import Truth
from harness.measures.choosing import split_queries
from harness.results.point import BlockShare, Build, BuildFacts, Failure
from harness.results.store import ResultStore
from harness.results.table.speeds import speeds_of, speeds_of_row
from tests.results.conftest import make_header

NQ, K = 40, 10
OLD, NEW = "a" * 40, "b" * 40
header = partial(make_header, queries=NQ)


def block(name, *, reference=1e-4, cycles=(0, 1)):
    """A block of windows of 10 queries, in which every turn of the reference took so long."""
    turns = np.full((max(cycles) + 1) * NQ // 10, reference)
    return BlockShare(name, np.array(cycles, dtype=np.int16), 10, turns)


def build(number, commit=OLD, *, dirty=False, seconds=1e-3, hits=None, share=None):
    """A build in which query i finds `hits[i]` of its neighbours, all by default."""
    hits = np.full(NQ, K) if hits is None else hits
    distances = np.where(np.arange(K) < hits[:, None], 1.0, 9.0)
    times = np.full((2, NQ), seconds) * np.linspace(1, 2, NQ)
    return Build(
        number=number, times=times, walls=times.sum(axis=1),
        neighbors=np.tile(np.arange(K), (1, NQ, 1)), distances=distances[None],
        scales=np.ones((1, NQ, K), dtype=np.float32),
        facts=BuildFacts(build_seconds=1.0, index_bytes=1000, measured_index_bytes=1000,
                         prepare_seconds=0.0, libraries={"python": "3.11.7"}),
        provenance={"source": {"commit": commit, "dirty": dirty}, "suite": "s", "machine": {"x": 1},
                    "finished_at": f"2026-01-0{1 + number}T00:00:00Z"},
        block=share,
    )  # fmt: skip


@pytest.fixture
def store(tmp_path):
    made = ResultStore(tmp_path / "results")
    distances = np.linspace(0.5, 1.0, 100)[None] * np.ones((NQ, 1))
    for k in (K, 100):
        truth = Truth(np.tile(np.arange(k), (NQ, 1)), np.sort(distances[:, -k:], axis=1))
        made.write_truth(header(k=k).identity, truth)
    return made


def rows_of(store, **arguments):
    rows = harness.load_results(store.root, **arguments).to_dict("records")
    return sorted(rows, key=lambda row: row["build"]["M"])


def test_recall_of_tuning_and_held_out_queries_is_of_their_own(store):
    _, held_out = split_queries(NQ)
    hits = np.full(NQ, K)
    hits[held_out] = 5
    store.add_build(header(), build(0, hits=hits))
    (row,) = rows_of(store)
    assert (row["tuning_recall"], row["held_out_recall"]) == (1.0, 0.5)
    assert row["recall@10"] == 0.75
    assert row["held_out_recall_low"] == row["held_out_recall_high"] == 0.5


def test_recall_varies_over_builds_as_well_as_queries(store):
    for number, found in enumerate([2, 5, 8]):
        store.add_build(header(), build(number, hits=np.full(NQ, found)))
    (row,) = rows_of(store, per_query=True)
    assert row["recall@10"] == pytest.approx(0.5)
    # All queries agree; three builds with a standard deviation of 0.3.
    half = 4.303 * 0.3 / 3**0.5
    np.testing.assert_allclose(row["recall@10_low"], max(0, 0.5 - half), atol=1e-3)
    assert row["recall_of_queries"].shape == row["first_recall_of_queries"].shape == (3, NQ, K)
    np.testing.assert_allclose(row["recall_of_queries"][:, 0, -1], [0.2, 0.5, 0.8])
    np.testing.assert_allclose(row["query_recall"], 0.5)


def test_speed_is_the_geometric_mean_of_the_builds_typical_times(store):
    for number, seconds in enumerate([1e-3, 2e-3, 4e-3]):
        store.add_build(header(), build(number, seconds=seconds))
    (row,) = rows_of(store)
    np.testing.assert_allclose(row["build_qps"], 1 / (1.5 * np.array([1e-3, 2e-3, 4e-3])))
    np.testing.assert_allclose(np.exp(-row["build_log_seconds"]), row["build_qps"])
    assert row["qps"] == row["measured_qps"] == pytest.approx(1 / 3e-3)
    assert row["qps_low"] < row["qps"] < row["qps_high"]
    assert (row["qps_scope"], row["block_ids"]) == ("between builds", ("", "", ""))
    np.testing.assert_allclose(row["query_seconds"], 2e-3 * np.linspace(1, 2, NQ))


def test_an_interrupted_pass_does_not_change_the_speed(store):
    calm = build(0)
    times = np.tile(calm.times[:1], (5, 1))
    times[2, ::2] += 1.0
    store.add_build(header(), replace(calm, times=times, walls=times.sum(axis=1)))
    (row,) = rows_of(store)
    assert row["qps"] == pytest.approx(1 / 1.5e-3)


def test_queries_of_a_batch_have_no_time_of_their_own(store):
    walls = np.array([0.04, 0.08, 0.08])
    times = np.tile(walls[:, None] / NQ, (1, NQ))
    one = replace(build(0), times=times, walls=walls, block=block("aa", cycles=(0, 1, 2)))
    store.add_build(header(mode="batch"), one)
    (row,) = rows_of(store)
    assert row["measured_qps"] == pytest.approx(NQ / 0.08)
    assert [levels.shape for levels in row["round_levels"]] == [(3, 1)]


def test_points_of_other_blocks_are_levelled_by_the_reference(store):
    """Both indexes are equal; the second was measured while all took twice as long."""
    for number in range(3):
        calm, busy = (block(f"{name}{number}", reference=r) for name, r in (("c", 1), ("b", 2)))
        store.add_build(header(), build(number, share=calm))
        store.add_build(header(build={"M": 8}), build(number, seconds=2e-3, share=busy))
    first, second = rows_of(store)
    assert first["measured_qps"] == pytest.approx(2 * second["measured_qps"])
    assert first["qps"] == pytest.approx(second["qps"])
    assert first["qps"] == pytest.approx(first["measured_qps"] / 2**0.5)
    for row in (first, second):
        np.testing.assert_allclose([row["qps_low"], row["qps_high"]], row["qps"])


def test_points_of_the_same_blocks_keep_the_qps_that_was_measured(store):
    for number, reference in enumerate([1.0, 3.0]):
        share = block(f"{number}", reference=reference)
        store.add_build(header(), build(number, share=share))
        store.add_build(header(build={"M": 8}), build(number, seconds=5e-3, share=share))
    for row in rows_of(store):
        assert row["qps"] == pytest.approx(row["measured_qps"])


def test_stale_points_do_not_set_the_conditions(store):
    store.add_build(header(), build(0, share=block("old", reference=4.0)))
    store.add_build(header(adapter_sha256="1"), build(1, share=block("new", reference=1.0)))
    old, new = sorted(rows_of(store), key=lambda row: row["block_ids"], reverse=True)
    assert old["stale"]
    assert new["qps"] == pytest.approx(new["measured_qps"])
    assert old["qps"] == pytest.approx(4 * old["measured_qps"])


def test_points_without_a_reference_stand_as_measured(store):
    store.add_build(header(), build(0))
    store.add_build(header(build={"M": 8}), build(0, share=block("a", reference=2.0)))
    store.add_build(header(build={"M": 8}), build(1, share=block("b", reference=4.0)))
    bare, linked = rows_of(store)
    assert bare["qps"] == bare["measured_qps"]
    assert np.isnan(bare["reference_log_seconds"]).all()
    assert linked["qps"] == pytest.approx(linked["measured_qps"])


def test_speeds_of_a_row_are_those_of_its_point(store):
    share = block("ab", cycles=(0, 2))
    store.add_build(header(), build(0, share=share))
    (table_row,) = rows_of(store)
    found, expected = speeds_of_row(table_row), speeds_of(store.find(header()).point)
    assert found.blocks == expected.blocks == ("ab",)
    np.testing.assert_array_equal(found.log_seconds, expected.log_seconds)
    # Windows of unequal length count alike, so it is not exactly the ratio of the means.
    np.testing.assert_allclose(found.relative, [np.log(1.5e-3 / 1e-4)], atol=0.01)
    assert [one.shape for one in found.levels] == [(3, 4)]
    assert [one.shape for one in found.reference_levels] == [(3, 4)]


def test_the_overhead_of_the_harness_is_no_result_unless_asked_for(store):
    store.add_build(header(), build(0))
    store.add_build(replace(header(algorithm="no-op"), in_answers=False), build(0, seconds=1e-6))
    assert harness.load_results(store.root)["algorithm"].tolist() == ["scan"]
    assert harness.load_results(store.root)["no_op_qps"].notna().all()
    both = harness.load_results(store.root, overhead=True)
    assert sorted(both["algorithm"]) == ["no-op", "scan"]


@pytest.mark.parametrize(
    ("growth", "scope", "per_vector"),
    [(10_200, "measured, below the rows", 10.2), (64_000, "measured", 64.0), (0, "unknown", None)],
)
def test_growth_of_memory_is_no_computed_size(store, growth, scope, per_vector):
    """Rows of 8 numbers take 32 bytes; 10.2 of them won every memory budget."""
    computed = build(0)
    store.add_build(header(), computed)
    facts = replace(computed.facts, index_bytes=growth, index_bytes_are_measured=True)
    store.add_build(header(algorithm="theirs"), replace(computed, facts=facts))
    table = harness.load_results(store.root).set_index("algorithm")
    assert table.loc["scan", ["size_scope", "bytes_per_vector"]].tolist() == ["computed", 1.0]
    assert table.loc["theirs", "size_scope"] == scope
    if per_vector is None:
        assert np.isnan(
            table.loc["theirs", ["index_bytes", "bytes_per_vector"]].astype(float)
        ).all()
    else:
        assert table.loc["theirs", "bytes_per_vector"] == per_vector


def test_a_failed_point_has_no_figures(store):
    store.add_build(header(), build(0))
    store.write_failure(Failure(header(build={"M": 8}), "crashed", "by a signal"))
    _, failed = rows_of(store)
    assert failed["status"] == "crashed"
    assert pd.isna(failed["qps"])
    assert failed["build_log_seconds"] is None
    assert failed["block_ids"] == failed["round_levels"] == ()


def test_difficulty_is_of_the_widest_truth_and_one_for_every_k(store):
    store.write_truth(header(k=5).identity, Truth(np.zeros((NQ, 5), int), np.ones((NQ, 5))))
    for k in (5, K):
        point = build(0)
        cut = {"neighbors": point.neighbors[..., :k], "distances": point.distances[..., :k],
               "scales": point.scales[..., :k]}  # fmt: skip
        store.add_build(header(k=k), Build(**{**vars(point), **cut}))
    rows = harness.load_results(store.root).to_dict("records")
    wide = np.linspace(0.5, 1.0, 100)
    for row in rows:
        np.testing.assert_allclose(row["query_difficulty"], -1 / np.mean(np.log(wide)))


def test_inner_products_have_no_difficulty(store):
    store.write_truth(
        header(metric="inner_product", fingerprint="e" * 64).identity,
        Truth(np.tile(np.arange(K), (NQ, 1)), -np.ones((NQ, K))),
    )
    store.add_build(header(metric="inner_product", fingerprint="e" * 64), build(0))
    assert harness.load_results(store.root)["query_difficulty"].tolist() == [None]


def test_builds_of_one_point_are_told_apart_by_their_commit(store):
    store.add_build(header(), build(0, OLD, seconds=1e-3))
    store.add_build(header(), build(1, NEW, seconds=4e-3, dirty=True))
    (both,) = harness.load_results(store.root).to_dict("records")
    assert both["commits"] == (OLD, NEW)
    assert both["dirty"]
    assert both["provenance"]["source"]["commit"] == NEW
    assert both["provenance"]["libraries"] == {"python": "3.11.7"}
    (old,) = harness.load_results(store.root, commit="aaaa").to_dict("records")
    (new,) = harness.load_results(store.root, commit=NEW).to_dict("records")
    assert (old["builds"], old["dirty"], new["builds"], new["dirty"]) == (1, False, 1, True)
    assert old["qps"] == pytest.approx(4 * new["qps"])
    assert harness.load_results(store.root, commit="c").empty


def test_libraries_are_those_of_the_key_that_were_loaded(store):
    """Every key has the versions of numba and FAISS, whether or not an algorithm uses them."""
    versions = {"numpy": "2.4.6", "faiss-cpu": "1.15.1", "numba": "none", "hnswlib": "0.8.0"}
    loaded = {"versions": {"numpy": "2.4.6", "numba": "0.68.1", "cffi": "2.1.1"}}
    measured = build(0)
    facts = replace(measured.facts, libraries=loaded)
    store.add_build(header(versions=versions), replace(measured, facts=facts))
    (row,) = rows_of(store)
    assert row["versions"] == loaded["versions"]
    assert row["libraries"] == {"numpy": "2.4.6", "hnswlib": "0.8.0"}


def test_a_stale_point_is_fresh_at_its_own_commit(store):
    store.add_build(header(), build(0, OLD))
    store.add_build(header(adapter_sha256="1"), build(1, NEW))
    assert harness.load_results(store.root)["stale"].sum() == 1
    (old,) = harness.load_results(store.root, stale=False, commit=OLD).to_dict("records")
    assert old["commits"] == (OLD,)


def test_a_failure_counts_at_its_own_commit(store):
    store.add_build(header(), build(0, OLD))
    source = {"source": {"commit": NEW, "dirty": False}}
    store.write_failure(Failure(header(), "crashed", "by a signal", provenance=source))
    (old,) = harness.load_results(store.root, commit=OLD).to_dict("records")
    (new,) = harness.load_results(store.root, commit=NEW).to_dict("records")
    assert (old["status"], new["status"]) == ("ok", "crashed")


def test_rows_compared_are_the_median_of_builds_and_unknown_of_older_results(store):
    for number, compared in enumerate((800.0, 900.5, 100.0)):
        one = build(number)
        store.add_build(
            header(), replace(one, facts=replace(one.facts, distance_computations=compared))
        )
    store.add_build(header(algorithm="older"), build(0))
    table = harness.load_results(store.root).set_index("algorithm")
    assert table.loc["scan", "distance_computations"] == 800.0
    assert np.isnan(table.loc["older", "distance_computations"])


def test_the_build_is_told_in_queries_at_the_adjusted_speed(store):
    store.add_build(header(), build(0))
    row = harness.load_results(store.root).iloc[0]
    assert row["build_queries"] == pytest.approx(row["build_seconds"] * row["qps"])
