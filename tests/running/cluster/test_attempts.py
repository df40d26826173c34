"""What the attempts to measure a block cost, on nodes that are played."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import asdict

import pytest

from harness.data.loading import open_file
from harness.running.blocks import AdapterSpec, BlockOutcome, BlockSpec, MemberSpec, SettingSpec
from harness.running.cluster.cluster_file import ClusterSettings
from harness.running.cluster.executor import MOST_ATTEMPTS, ClusterExecutor
from harness.running.cluster.outcomes import encoded
from harness.running.cluster.shipment import this_release
from harness.running.cluster.task import Reply
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
