"""What a run would take is counted as the run counts, and estimated without reading answers."""

from __future__ import annotations

from dataclasses import replace

import h5py
import numpy as np
import pytest

from harness.measures.load import LEAST_QUERIES, SEARCH_STEPS, WARM_UP_QUERIES
from harness.registry import load_registry
from harness.registry.suites import read_suite, suite_of
from harness.results.identity import Machine
from harness.results.point import Build, BuildFacts, Failure
from harness.results.store import ResultStore
from harness.running.blocks import COST_OF_TURN_SECONDS
from harness.running.estimate import History, estimate
from harness.running.plan import DatasetFacts, plan_points

MACHINE = Machine("cpu", 2, 2**30)
DATASET = DatasetFacts("small", "angular", "f" * 64, 300, 8, 20)


@pytest.fixture
def store(tmp_path):
    return ResultStore(tmp_path)


@pytest.fixture
def suite():
    return suite_of(["small"], ["exact"], load_registry().algorithms)


@pytest.fixture
def point(suite):
    points = plan_points(suite, load_registry(), [DATASET], MACHINE)
    return next(one for one in points if one.header.label == "exact")


def add(store, point, number, repeats, wall=2.0):
    nq, k = DATASET.nq, point.header.identity.k
    build = Build(
        number=number, times=np.full((repeats, nq), 0.1), walls=np.full(repeats, wall),
        neighbors=np.zeros((1, nq, k), dtype=np.int64), distances=np.ones((1, nq, k)),
        scales=np.ones((1, nq, k), dtype=np.float32),
        facts=BuildFacts(build_seconds=3.0, prepare_seconds=1.0, index_bytes=1,
                         measured_index_bytes=1, peak_bytes=100.0),
    )  # fmt: skip
    return store.add_build(point.header, build)


@pytest.mark.parametrize(
    ("status", "again", "builds"),
    [
        ("timeout", frozenset(), 0),
        ("timeout", frozenset({"crashed"}), 0),
        ("timeout", frozenset({"timeout"}), 2),
        ("unsupported", frozenset(), 2),
        ("timeout", None, 3),
    ],
)
def test_finished_builds_of_a_failure_that_is_tried_again_are_kept(
    store, suite, point, status, again, builds
):
    add(store, point, 0, suite.repeats)
    store.write_failure(Failure(point.header, status, "so"))
    history = History(store, "small", MACHINE.short())
    found = estimate(DATASET, [point], suite, store, history, again)
    assert (found.builds, found.blocks) == (builds, builds)


def test_costs_are_known_without_times_and_answers(store, suite, point):
    path = add(store, point, 0, suite.repeats)
    with h5py.File(path, "r+") as file:
        for name in ("times", "neighbors", "distances", "scales"):
            del file[f"annharness/builds/0/{name}"]
    cost = History(store, "small", MACHINE.short()).of(point)
    assert (cost.build_seconds, cost.pass_seconds, cost.peak_bytes) == (4.0, 2.0, 100.0)
    assert History(store, "another", MACHINE.short()).of(point) is None
    assert History(store, "small", "another").of(point) is None


def estimate_under_load(store, **keys):
    """The estimate of one build of `exact` and `no-op`, of which a closed loop is stored."""
    registry = load_registry()
    asked = {"k": 10, "datasets": ["small"], "algorithms": ["exact"], "mode": "load",
             "builds": 1, "search_seconds": 1000, **keys}  # fmt: skip
    suite = read_suite(asked, registry.algorithms)
    points = plan_points(suite, registry, [DATASET], MACHINE)
    exact = [one for one in points if one.header.label == "exact"]
    return estimate(DATASET, exact, suite, store, History(store, "small", MACHINE.short()))


@pytest.mark.parametrize(
    ("asked", "tries", "rate"),
    [
        ({"rates": [1000]}, 1, 1000),
        ({"rates": [1000, 500]}, 1, 1000 / 3),  # 1/1000 + 1/500
        ({"p99_ms": 5}, SEARCH_STEPS, 10_000),  # begins at the speed of the closed loop
    ],
)
def test_under_load_every_try_asks_its_queries_at_its_rate(store, point, asked, tries, rate):
    add(store, point, 0, 5, wall=DATASET.nq / 10_000)
    passes = tries * LEAST_QUERIES / DATASET.nq
    seconds = passes * (DATASET.nq + WARM_UP_QUERIES) / rate
    found = estimate_under_load(store, **asked).seconds
    turns = passes * len(asked.get("rates", [0])) * COST_OF_TURN_SECONDS
    assert found == pytest.approx(seconds + turns, abs=6)  # to start, and to build 4 s


def test_a_search_under_load_takes_no_longer_than_its_limit(store, point):
    add(store, point, 0, 5, wall=DATASET.nq / 10_000)
    found = estimate_under_load(store, p99_ms=5, search_seconds=20)
    assert 20 < found.seconds < 30


def test_points_at_a_rate_say_little_of_the_speed_of_others(store, suite, point):
    registry = load_registry()
    asked = {"k": 10, "datasets": ["small"], "algorithms": ["exact"], "mode": "load", "rates": [2]}
    loaded = plan_points(read_suite(asked, registry.algorithms), registry, [DATASET], MACHINE)
    at_a_rate = next(one for one in loaded if one.header.label == "exact")
    add(store, at_a_rate, 0, 5, wall=10.0)
    assert History(store, "small", MACHINE.short()).of(point).pass_seconds == 10.0
    other = next(
        one
        for one in plan_points(replace(suite, ks=(5,)), registry, [DATASET], MACHINE)
        if one.header.label == "exact"
    )
    add(store, other, 0, 5, wall=0.5)
    assert History(store, "small", MACHINE.short()).of(point).pass_seconds == 0.5
