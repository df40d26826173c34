"""What the table says of halves of the queries, of difficulty, and of where points come from."""

from __future__ import annotations

import numpy as np
import pytest

import harness
from harness.contracts.dataset import Truth
from harness.measures.splitting import split_queries
from harness.results.identity import Machine, PointIdentity
from harness.results.point import Build, Failure, PointHeader
from harness.results.store import ResultStore

NQ, K = 40, 10
OLD, NEW = "a" * 40, "b" * 40


def header(**changes):
    facts = {
        "dataset": "small", "fingerprint": "f" * 64, "metric": "euclidean", "algorithm": "scan",
        "adapter_sha256": "0", "build": {"M": 4}, "search": {}, "k": K, "mode": "single",
        "threads": 1, "build_threads": 1, "machine": Machine("cpu", 2, 2**30), "versions": {},
    }  # fmt: skip
    return PointHeader(PointIdentity(**{**facts, **changes}), "scan", "M=4", 1000, 8, NQ)


def build(number, commit=OLD, *, dirty=False, seconds=1e-3, hits=None):
    """A build in which query i finds `hits[i]` of its neighbours, all by default."""
    hits = np.full(NQ, K) if hits is None else hits
    distances = np.where(np.arange(K) < hits[:, None], 1.0, 9.0)
    times = np.full((2, NQ), seconds) * np.linspace(1, 2, NQ)
    return Build(
        number=number, times=times, walls=times.sum(axis=1),
        neighbors=np.tile(np.arange(K), (1, NQ, 1)), distances=distances[None],
        scales=np.ones((1, NQ, K), dtype=np.float32),
        facts={"build_seconds": 1.0, "index_bytes": 1000, "measured_index_bytes": 1000,
               "prepare_seconds": 0.0, "warnings": [], "libraries": {"python": "3.11.7"}},
        provenance={"source": {"commit": commit, "dirty": dirty}, "suite": "s", "machine": {"x": 1},
                    "finished_at": f"2026-01-0{1 + number}T00:00:00Z"},
    )  # fmt: skip


@pytest.fixture
def store(tmp_path):
    made = ResultStore(tmp_path / "results")
    distances = np.linspace(0.5, 1.0, 100)[None] * np.ones((NQ, 1))
    for k in (K, 100):
        truth = Truth(np.tile(np.arange(k), (NQ, 1)), np.sort(distances[:, -k:], axis=1))
        made.write_truth(header(k=k).identity, truth)
    return made


def test_halves_speak_of_their_own_queries(store):
    _, reporting = split_queries(NQ)
    hits = np.full(NQ, K)
    hits[reporting] = 5
    store.add_build(header(), build(0, hits=hits))
    store.add_build(header(), build(1, hits=hits, seconds=2e-3))
    (row,) = harness.load_results(store.root).to_dict("records")
    assert (row["tuning_recall"], row["reporting_recall"]) == (1.0, 0.5)
    assert row["reporting_recall_low"] <= 0.5 <= row["reporting_recall_high"]
    expected = 1 / np.mean(1e-3 * np.linspace(1, 2, NQ)[reporting])
    np.testing.assert_allclose(row["reporting_build_qps"], [expected, expected / 2])
    assert row["reporting_qps_low"] < row["reporting_qps"] < row["reporting_qps_high"]
    assert row["tuning_qps"] != row["reporting_qps"]


def test_queries_of_a_batch_have_no_time_of_their_own(store):
    store.add_build(header(mode="batch"), build(0))
    (row,) = harness.load_results(store.root).to_dict("records")
    assert row["tuning_qps"] == row["reporting_qps"] == row["qps"]


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
