"""What the process that measures on a node refuses or waits for, and how it says so."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys

import pytest

from harness.data.cache.folder import cache_lock
from harness.data.loading import open_file
from harness.files.locks import try_lock
from harness.files.remote import RemoteFolder
from harness.registry.registry import load_registry
from harness.running.block_specs import adapter_spec, origin_of
from harness.running.blocks import BlockSpec, MemberSpec, SettingSpec, Target
from harness.running.cluster.shipment import Bundle, Shipment, this_release
from harness.running.cluster.staging import share_dataset
from harness.running.cluster.task import node_held, node_lock
from harness.running.machine.facts import this_machine
from harness.running.processes.descendants import PARENT_VARIABLE
from tests.clusters import OWN_MOUNTS, wait_until

pytestmark = pytest.mark.slow


@pytest.fixture
def shipment(small_hdf5, tmp_path, monkeypatch):
    """A block of `exact`, whose dataset is in the shared folder, and in no cache."""
    monkeypatch.setenv("ANNHARNESS_DATA", str(tmp_path / "cache"))
    dataset = open_file(small_hdf5)
    share_dataset(dataset, RemoteFolder(str(tmp_path / "shared")))
    monkeypatch.setenv("ANNHARNESS_DATA", str(tmp_path / "node"))
    exact = load_registry().algorithm("exact")
    member = MemberSpec(
        "exact", adapter_spec(exact, "angular"), {}, (SettingSpec("key", {}, 5, 1),),
        origin=origin_of(exact, None),
    )  # fmt: skip
    block = BlockSpec(
        id="ab", number=0, dataset=str(dataset.path), fingerprint=dataset.fingerprint,
        metric="angular", mode="single", threads=1, build_threads=1, search_seconds=60.0,
        least_seconds=0.0, timeout=60.0, memory_bytes=None, members=(member,),
    )  # fmt: skip
    return Shipment(
        block, dataset.name, (), this_release(), this_machine(), shared=str(tmp_path / "shared")
    )


@pytest.fixture
def told(tmp_path):
    """Give the process of a node a shipment; return what it says but for what happens."""

    def run(shipment, *before):
        folder = tmp_path / "outcome"
        folder.mkdir()
        done = subprocess.run(
            [*before, sys.executable, "-m", "harness.running.cluster.node", str(folder)],
            input=json.dumps(shipment.to_json()),
            env={**os.environ, PARENT_VARIABLE: str(os.getpid())},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        messages = [json.loads(line) for line in done.stdout.splitlines()]
        return [message for message in messages if "phase" not in message]

    return run


def started(shipment, folder):
    """Start the process of a node on a shipment."""
    process = subprocess.Popen(
        [sys.executable, "-m", "harness.running.cluster.node", str(folder)],
        env={**os.environ, PARENT_VARIABLE: str(os.getpid())},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    process.stdin.write(json.dumps(shipment.to_json()))
    process.stdin.close()
    return process


def test_a_node_copies_no_dataset_while_another_run_measures(shipment, tmp_path):
    with node_held():
        process = started(shipment, tmp_path)
        first = process.stdout.readline()
        copies = list((tmp_path / "node").rglob("*.hdf5"))
    last = process.stdout.read().splitlines()[-1]
    assert process.wait() == 0
    assert json.loads(first)["phase"][1] == "waiting for another run on this node"
    assert copies == []
    assert json.loads(last) == {"part": "part-0.npz"}
    process.stdout.close()


def test_a_node_that_waits_for_ground_truth_leaves_the_node_to_who_computes_it(shipment, tmp_path):
    """As `data fetch --cluster`, which holds the lock of the truth until its nodes are done."""
    block = dataclasses.replace(shipment.block, target=Target(0.9))
    shipment = dataclasses.replace(shipment, block=block)
    with cache_lock(f"truth-{block.fingerprint[:16]}"):
        process = started(shipment, tmp_path)
        wait_until(lambda: any((tmp_path / "node" / "staged").glob("*.hdf5")))
        try:
            wait_until(is_free, seconds=20)
        except AssertionError:
            process.kill()
            raise
    last = process.stdout.read().splitlines()[-1]
    assert process.wait() == 0
    assert json.loads(last) == {"part": "part-0.npz"}
    process.stdout.close()


def is_free():
    with try_lock(node_lock()) as held:
        return held


def of_origin(shipment, **changes):
    (member,) = shipment.block.members
    other = dataclasses.replace(member, origin=dataclasses.replace(member.origin, **changes))
    block = dataclasses.replace(shipment.block, members=(other,))
    return dataclasses.replace(shipment, block=block)


def of_release(shipment):
    release = dataclasses.replace(shipment.release, code_sha256="0" * 64)
    return dataclasses.replace(shipment, release=release)


def of_machine(shipment):
    machine = dataclasses.replace(shipment.machine, cores=4096)
    return dataclasses.replace(shipment, machine=machine)


def with_damaged_plug_in(shipment):
    damaged = Bundle("mine", "0" * 64, {"config.yml": b"mine: {}\n"})
    return dataclasses.replace(shipment, bundles=(damaged,))


def test_what_is_the_same_is_measured(shipment, told):
    assert told(shipment) == [{"part": "part-0.npz"}]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (of_release, "another annharness is installed on this node"),
        (of_machine, "this node is another machine than the run is for"),
        (
            lambda one: of_origin(one, algorithm="elsewhere"),
            "the algorithm elsewhere is not in the registry of this node",
        ),
        (
            lambda one: of_origin(one, source_sha256="0" * 64),
            "the adapter of exact differs on this node",
        ),
        (lambda one: of_origin(one, versions={"numpy": "1.0"}), "has other libraries on this node"),
        (with_damaged_plug_in, "a plug-in cannot be used on this node"),
        (
            lambda one: dataclasses.replace(one, scratch_bytes=100),
            "the dataset does not fit into the node's scratch folder",
        ),
    ],
)
def test_what_would_be_something_else_is_refused(shipment, told, changed, reason):
    (message,) = told(changed(shipment))
    assert reason in message["refused"]


LOCKED_OUT = """\
lock=/tmp/annharness-node-$(id -u).lock
touch $lock && mount --bind $lock $lock && mount -o remount,bind,ro $lock || exit
exec "$@"
"""


def test_a_node_that_cannot_be_locked_is_refused_with_the_file(shipment, told):
    """Its lock is on a file system that cannot be written to."""
    read_only = (*OWN_MOUNTS, "sh", "-c", LOCKED_OUT, "sh")
    if subprocess.run([*read_only, "true"], capture_output=True).returncode:
        pytest.skip("this user may not mount a file")
    (message,) = told(shipment, *read_only)
    assert "cannot lock this node: Read-only file system" in message["refused"]
    assert "/tmp/annharness-node-" in message["refused"]


def test_a_copy_that_the_disk_cannot_take_is_not_blamed_on_the_shared_folder(
    shipment, told, tmp_path
):
    """A limit on the size of files fails writes as a disk does that is full meanwhile."""
    (message,) = told(shipment, "prlimit", "--fsize=10000")
    assert "cannot write the file" in message["refused"]
    assert f"{tmp_path}/node/staged" in message["refused"]
    assert "free some space" in message["refused"]
    assert [path for path in (tmp_path / "node" / "staged").iterdir() if path.is_file()] == []


def test_an_outcome_that_the_disk_cannot_take_is_refused_as_such(shipment, told, tmp_path):
    staged = dataclasses.replace(shipment, shared=None)
    copy = tmp_path / "node" / "staged" / f"{shipment.block.fingerprint}.hdf5"
    copy.parent.mkdir(parents=True)
    (shared,) = (tmp_path / "shared").rglob("*.hdf5")
    copy.write_bytes(shared.read_bytes())
    (message,) = told(staged, "prlimit", "--fsize=100")
    assert "the disk of this node is full" in message["refused"]
