"""What a run would take is counted as the run counts, and estimated without reading answers."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from harness.registry import load_registry
from harness.registry.suites import suite_of
from harness.results.identity import Machine
from harness.results.point import Build, BuildFacts, Failure
from harness.results.store import ResultStore
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


def add(store, point, number, repeats):
    nq, k = DATASET.nq, point.header.identity.k
    build = Build(
        number=number, times=np.full((repeats, nq), 0.1), walls=np.full(repeats, 2.0),
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
