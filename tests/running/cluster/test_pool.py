"""Which workers of a cluster are used, and what is said of the others; the workers are played."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict, replace

import pytest

from harness.contracts import UserError
from harness.running.cluster.cluster_file import ClusterSettings, MachineClass
from harness.running.cluster.pool import NodePool
from harness.running.cluster.shipment import this_release
from harness.running.cluster.task import node_lock
from harness.running.machine.facts import this_machine

OWN = this_machine()
LARGER = replace(OWN, memory_bytes=OWN.memory_bytes + (64 << 30))


class Workers:
    """The client of a cluster whose workers, by their names, say this of themselves."""

    status = "running"

    def __init__(self, **offers):
        self.offers = offers

    def scheduler_info(self):
        return {"workers": {f"tcp://{name}:1": {"name": name} for name in self.offers}}

    def run(self, function, *arguments, workers, **more):
        addresses = {f"tcp://{name}:1": offer for name, offer in self.offers.items()}
        return {address: addresses[address] for address in workers}


def offer(**changes):
    facts = {
        "release": asdict(this_release()), "machine": asdict(OWN), "node": "one",
        "unfit": None, "seconds": 0.0, "disturbing": [],
    }  # fmt: skip
    return {**facts, **changes}


@pytest.fixture
def pool():
    """Give a pool of played workers, and the lines that it says."""
    told: list[str] = []

    def made(client, **settings):
        chosen = ClusterSettings(scheduler="tcp://here:1", wait=0.5, **settings)
        return NodePool(client, chosen, told.append, strict=False), told

    return made


def test_machines_of_several_kinds_are_not_mixed(pool):
    workers = Workers(one=offer(), other=offer(machine=asdict(LARGER)))
    with pytest.raises(UserError, match="machines of several kinds") as caught:
        pool(workers)[0].wait()
    assert OWN.short() in caught.value.describe()
    assert LARGER.short() in caught.value.describe()


def test_one_kind_is_chosen_by_its_facts(pool):
    workers = Workers(one=offer(), other=offer(machine=asdict(LARGER)))
    nodes, told = pool(workers, machine=MachineClass(memory_gib=LARGER.memory_bytes >> 30))
    nodes.wait()
    assert nodes.machine == LARGER
    assert [node.name for node in nodes] == ["other"]
    assert f"node one is not used: another machine: {OWN.short()}" in told


def test_a_worker_of_another_machine_that_comes_later_is_refused(pool, monkeypatch):
    monkeypatch.setattr("harness.running.cluster.pool._LOOK_SECONDS", 0)
    workers = Workers(one=offer())
    nodes, told = pool(workers)
    nodes.wait()
    workers.offers = {"late": offer(machine=asdict(LARGER)), **workers.offers}
    assert list(nodes.look()) == []
    assert [node.name for node in nodes] == ["one"]
    assert told[-1].startswith("node late is not used: another machine")
    assert f"the run is for {OWN.short()}" in told[-1]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (ImportError("harness"), "annharness is not installed there"),
        (OSError("no route"), "no answer: no route"),
        (offer(release={**asdict(this_release()), "code_sha256": "0"}), "another annharness: "),
        (offer(unfit="a load of 9"), "unfit to measure on, grade D: a load of 9"),
        (offer(disturbing=["profile.enabled"]), "Dask disturbs measurements there"),
    ],
)
def test_a_worker_that_cannot_measure_is_refused(pool, answer, reason):
    nodes, told = pool(Workers(bad=answer, good=offer()))
    nodes.wait()
    assert [node.name for node in nodes] == ["good"]
    assert any(line.startswith(f"node bad is not used: {reason}") for line in told)


def test_a_reason_of_several_lines_is_told_in_one(pool):
    nodes, told = pool(Workers(one=offer(), other=offer()))
    nodes.wait()
    error = UserError("not enough disk space", where="/scratch", got="1 MB", hint="free some")
    nodes.refuse("tcp://one:1", "one", error.describe())
    assert told[-1] == (
        "node one is not used: not enough disk space; where: /scratch; got: 1 MB; try: free some"
    )
    assert [node.name for node in nodes] == ["other"]


LATE = """
import time
time.sleep(2)
woke = time.monotonic()
from harness.running.cluster.task import described
print(described(False)["seconds"] - (time.monotonic() - woke))
"""


def test_the_time_that_a_worker_took_to_start_counts_in_its_walltime():
    done = subprocess.run([sys.executable, "-c", LATE], capture_output=True, text=True, check=True)
    assert float(done.stdout) > 0.5


def test_runs_with_different_scratch_folders_share_the_lock_of_a_node(tmp_path, monkeypatch):
    locks = set()
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv("TMPDIR", str(tmp_path / name))
        monkeypatch.setattr("tempfile.tempdir", None)
        locks.add(node_lock())
    assert len(locks) == 1
