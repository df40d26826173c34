"""What becomes of blocks and of pieces of ground truth, on nodes that are played."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import asdict

import numpy as np
import pytest

from harness.contracts import UserError
from harness.data.loading import open_file
from harness.data.truth.store import truth_of
from harness.running.blocks import AdapterSpec, BlockOutcome, BlockSpec, MemberSpec, SettingSpec
from harness.running.cluster.cluster_file import ClusterSettings
from harness.running.cluster.executor import MOST_ATTEMPTS, ClusterExecutor
from harness.running.cluster.outcomes import encoded
from harness.running.cluster.shipment import this_release
from harness.running.cluster.task import Reply
from harness.running.cluster.truth_search import ClusterTruth
from harness.running.machine.facts import this_machine


class OneNode:
    """The client of a cluster whose one node gives these answers, one after another."""

    status = "running"

    def __init__(self, *answers):
        self.answers = list(answers)

    def subscribe_topic(self, topic, handler):
        """Nothing is told."""

    def scheduler_info(self):
        return {"workers": {"tcp://one:1": {"name": "one"}}}

    def run(self, function, *arguments, workers, **more):
        offer = {
            "release": asdict(this_release()), "machine": asdict(this_machine()), "node": "one",
            "unfit": None, "seconds": 0.0, "disturbing": [],
        }  # fmt: skip
        return dict.fromkeys(workers, offer)

    def submit(self, *arguments, **more):
        future: Future[Reply] = Future()
        future.set_result(self.answers.pop(0))
        return future


@pytest.fixture
def measured(small_hdf5, tmp_path, monkeypatch):
    """Measure a block on a cluster and return what comes back."""
    monkeypatch.setenv("ANNHARNESS_DATA", str(tmp_path / "cache"))
    dataset = open_file(small_hdf5)
    member = MemberSpec("mine", AdapterSpec("m", "C"), {}, (SettingSpec("key", {}, 5, 1),))
    spec = BlockSpec(
        id="ab", number=0, dataset=str(dataset.path), fingerprint=dataset.fingerprint,
        metric="angular", mode="single", threads=1, build_threads=1, search_seconds=60.0,
        least_seconds=0.3, timeout=60.0, memory_bytes=None, members=(member,),
    )  # fmt: skip

    def run(*answers):
        client, settings = OneNode(*answers), ClusterSettings(scheduler="tcp://one:2")
        executor = ClusterExecutor(client, settings, lambda line: None, signed=False, strict=False)
        executor.nodes.wait()
        told = executor.run_blocks(iter([spec]), lambda *what: None)
        return [outcome for _, outcome in told if outcome is not None]

    return run


def test_attempts_that_broke_count_in_the_time_of_a_block(measured):
    broken = Reply((), broken="it ended")
    [lost] = measured(*[broken] * MOST_ATTEMPTS)
    assert [failure.status for failure in lost.failed.values()] == ["lost"]
    assert lost.seconds > 0
    fine = Reply((encoded(BlockOutcome("ab", 0, seconds=100.0)),))
    [outcome] = measured(broken, fine)
    assert outcome.seconds > 100.0


class ComingAndGoing(OneNode):
    """The client of a cluster whose first node ends without an answer; then there are others."""

    def __init__(self, *others):
        super().__init__()
        self.names, self.others = ["first"], others

    def scheduler_info(self):
        return {"workers": {f"tcp://{name}:1": {"name": name} for name in self.names}}

    def submit(self, function, *arguments, workers, **more):
        future: Future[object] = Future()
        if workers == ["tcp://first:1"]:
            self.names = list(self.others)
        else:
            future.set_result(function(*arguments))
        return future

    def cancel(self, futures):
        """Nothing is computed any more."""


@pytest.fixture
def searched(small_hdf5, tmp_path, monkeypatch):
    """Search three shards for the ground truth on a cluster, and return it."""
    monkeypatch.setenv("ANNHARNESS_DATA", str(tmp_path / "cache"))
    monkeypatch.setattr("harness.running.cluster.pool._LOOK_SECONDS", 0)
    dataset = open_file(small_hdf5)

    def search(client):
        settings = ClusterSettings(scheduler="tcp://one:2", wait=0.5)
        executor = ClusterExecutor(client, settings, lambda line: None, signed=False, strict=False)
        executor.nodes.wait()
        return dataset, truth_of(dataset, 5, shards=3, compute=ClusterTruth(executor))

    return search


def test_nodes_that_come_later_search_for_those_that_go(searched, tmp_path, monkeypatch):
    dataset, found = searched(ComingAndGoing("second", "third"))
    monkeypatch.setenv("ANNHARNESS_DATA", str(tmp_path / "fresh-cache"))
    np.testing.assert_array_equal(found.ids, truth_of(dataset, 5).ids)


class Unreachable(Future[object]):
    """What is done, but cannot be had, as from a node that went away just then."""

    def done(self):
        return True


class Losing(ComingAndGoing):
    """The client of a cluster whose first node ends each piece, but is not reached any more."""

    def __init__(self):
        super().__init__()
        self.names = ["first", "second"]

    def submit(self, function, *arguments, workers, **more):
        if workers == ["tcp://first:1"]:
            return Unreachable()
        return super().submit(function, *arguments, workers=workers)


def test_a_piece_that_cannot_be_had_is_tried_on_another_node(searched, tmp_path, monkeypatch):
    monkeypatch.setattr("harness.running.cluster.truth_search.SILENT_SECONDS", 0.1)
    dataset, found = searched(Losing())
    monkeypatch.setenv("ANNHARNESS_DATA", str(tmp_path / "fresh-cache"))
    np.testing.assert_array_equal(found.ids, truth_of(dataset, 5).ids)


def test_a_search_that_no_node_is_left_for_ends(searched):
    with pytest.raises(UserError, match="no node of the cluster can measure"):
        searched(ComingAndGoing())
