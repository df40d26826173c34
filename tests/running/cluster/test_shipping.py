"""What travels between a run and its nodes, and the folder that they share."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.contracts import UserError
from harness.data.cache.cached import open_cached
from harness.data.cache.folder import cached_items
from harness.data.filtered import open_filtered
from harness.data.loading import open_file
from harness.files.remote import RemoteFolder
from harness.files.source_code import source_sha256
from harness.registry.registry import load_registry
from harness.results.identity import Machine
from harness.results.point import BuildFacts
from harness.running.blocks import (
    AdapterSpec,
    BlockOutcome,
    BlockSpec,
    Measured,
    MemberSpec,
    Origin,
    Probe,
    SettingSpec,
    TaskFailure,
)
from harness.running.cluster.cluster_file import read_cluster
from harness.running.cluster.outcomes import DamagedOutcome, decoded, encoded
from harness.running.cluster.shipment import Bundle, Shipment, this_release
from harness.running.cluster.staging import share_dataset, staged_dataset


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ANNHARNESS_DATA", str(tmp_path / "cache"))


OWN_ENTRY = "mine: {adapter: adapter:Mine, about: Mine., metrics: [angular]}\n"


@pytest.fixture
def plugin(tmp_path):
    folder = tmp_path / "plugins" / "algorithms" / "mine"
    (folder / "parts" / "__pycache__").mkdir(parents=True)
    (folder / "config.yml").write_text(OWN_ENTRY)
    (folder / "adapter.py").write_text("class Mine: ...\n")
    (folder / "parts" / "kernel.py").write_text("x = 1\n")
    (folder / "parts" / "__pycache__" / "kernel.pyc").write_bytes(b"\0")
    return folder


def block():
    origin = Origin("mine", "/plugins/mine", "a" * 64, {"numpy": "2.0"})
    setting = SettingSpec("key", {"ef": 10}, 5, 2)
    member = MemberSpec("mine", AdapterSpec("m", "C"), {"M": 4}, (setting,), origin=origin)
    return BlockSpec(
        id="ab", number=1, dataset="/d.hdf5", fingerprint="f" * 64, metric="angular",
        mode="single", threads=1, build_threads=2, search_seconds=60.0, least_seconds=0.3,
        timeout=60.0, memory_bytes=None, members=(member,),
    )  # fmt: skip


def outcome():
    rng = np.random.default_rng(0)
    facts = BuildFacts(seed=3, prepare_seconds=0.1, build_seconds=0.2, measured_index_bytes=9)
    measured = Measured(
        times=rng.random((2, 4)),
        walls=rng.random(2),
        cycles=np.arange(2, dtype=np.int16),
        neighbors=rng.integers(0, 9, (1, 4, 5)),
        facts=facts,
        diagnostics={"loss": {"value": rng.random(3), "name": np.array(["a", "b", "c"])}},
    )
    failed = {"other": TaskFailure("crashed", "signal 6", "build", "log", 5, 1.0)}
    return BlockOutcome(
        "ab-1", 1, 2, 25, rng.random(7), {"key": measured}, failed,
        probes={"key": Probe(0.9, 50, 1e-4, 12, 0.2, too_slow=True, reference_seconds=1e-5)},
        seconds=3.5, provenance={"machine": {"cpu": "x"}},
    )  # fmt: skip


def test_a_shipment_arrives_as_it_was_sent(plugin):
    sent = Shipment(
        block(), "small", (Bundle.of(plugin),), this_release(), Machine("cpu", 2, 4 << 30),
        shared="/shared", scratch_bytes=5, signed=True,
    )  # fmt: skip
    assert Shipment.from_json(json.loads(json.dumps(sent.to_json()))) == sent


def test_a_plug_in_is_unpacked_without_what_python_left_there(plugin, tmp_path):
    Bundle.of(plugin).unpack(tmp_path / "node")
    files = [p for p in (tmp_path / "node").rglob("*") if p.is_file()]
    names = {p.relative_to(tmp_path / "node").as_posix() for p in files}
    assert names == {
        f"algorithms/mine/{name}" for name in ("adapter.py", "config.yml", "parts/kernel.py")
    }


FOREIGN_CONFIG = """
float:
  any:
  - {name: brute, module: ann_benchmarks.algorithms.brute, constructor: Brute, run_groups: {one: {args: [[1]]}}}
"""  # noqa: E501 - a list on one line, as they have it


def test_adapters_of_another_harness_travel_with_the_entries_that_name_them(plugin, tmp_path):
    checkout = tmp_path / "checkout" / "algorithms"
    for name, source in (("brute", "from ..shared.module import Shared\n"), ("shared", "x = 1\n")):
        (checkout / name).mkdir(parents=True)
        (checkout / name / "module.py").write_text(source)
    (checkout / "brute" / "config.yml").write_text(FOREIGN_CONFIG)
    (plugin / "config.yml").write_text(
        f"{OWN_ENTRY}"
        f"_theirs: {{from: ann-benchmarks, path: {checkout}/brute}}\n"
        "near: {like: _theirs, path: ../../../checkout/algorithms/brute}\n"
        "far: {like: _theirs, floor: 1.0e-3}\n"
        "other: {adapter: adapter:Mine, about: 🚀, metrics: [angular],"
        " build: {most: .inf, kind: '1e-3', least: 1e-30}}\n"
    )
    names = ("mine", "near", "far", "other")
    here = load_registry([plugin.parent.parent])
    code = [source_sha256(*here.algorithm(name).source_folders) for name in names]
    Bundle.of(plugin).unpack(tmp_path / "node")
    shutil.rmtree(checkout)
    there = load_registry([tmp_path / "node"])
    assert [source_sha256(*there.algorithm(name).source_folders) for name in names] == code
    assert there.algorithm("far").floor == 1e-3
    assert there.algorithm("other").about == "🚀"
    assert there.algorithm("other").build == {"most": np.inf, "kind": "1e-3", "least": 1e-30}


@pytest.mark.parametrize(
    "changes",
    [
        {"files": {"config.yml": b"other"}},
        {"name": "../mine"},
        {"sha256": "0" * 64},
    ],
)
def test_a_changed_plug_in_is_refused(plugin, tmp_path, changes):
    changed = dataclasses.replace(Bundle.of(plugin), **changes)
    with pytest.raises(ValueError, match="did not arrive"):
        changed.unpack(tmp_path / "node")
    assert not (tmp_path / "node").exists()


@pytest.mark.parametrize("name", ["../x.py", "/etc/x.py", "a/../../x.py"])
def test_no_file_of_a_plug_in_leads_out_of_its_folder(tmp_path, name):
    from harness.running.cluster.shipment import _digest

    files = {name: b"x"}
    with pytest.raises(ValueError, match="cannot hold a file"):
        Bundle("mine", _digest(files), files).unpack(tmp_path / "node")
    assert list(tmp_path.rglob("x.py")) == []


def test_a_large_plug_in_does_not_travel(plugin):
    with (plugin / "weights.bin").open("wb") as file:
        file.truncate(17 << 20)
    with pytest.raises(UserError, match="too large to be sent"):
        Bundle.of(plugin)


def test_an_outcome_comes_back_as_it_was_measured():
    sent, got = outcome(), decoded(encoded(outcome()))
    assert (got.id, got.number, got.order_seed, got.window) == ("ab-1", 1, 2, 25)
    assert (got.failed, got.probes, got.seconds) == (sent.failed, sent.probes, sent.seconds)
    assert got.provenance == sent.provenance
    np.testing.assert_array_equal(got.reference_times, sent.reference_times)
    one, other = got.finished["key"], sent.finished["key"]
    for name in ("times", "walls", "cycles", "neighbors"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert one.facts == other.facts or str(one.facts) == str(other.facts)  # NaN differs from itself
    np.testing.assert_array_equal(one.diagnostics["loss"]["name"], ["a", "b", "c"])


@given(st.integers(0, 10_000), st.sampled_from(["cut", "flip", "zero"]))
def test_a_damaged_outcome_is_refused_or_the_same(at, how):
    whole = encoded(outcome())
    at %= len(whole)
    damaged = {
        "cut": whole[:at],
        "flip": whole[:at] + bytes([whole[at] ^ 0x40]) + whole[at + 1 :],
        "zero": whole[:at] + b"\0" * (len(whole) - at),
    }[how]
    try:
        got = decoded(damaged)
    except DamagedOutcome:
        return
    assert set(got.finished) == {"key"}  # a bit that only the archive's table of contents holds


def test_objects_are_not_unpickled():
    import io

    out = io.BytesIO()
    np.savez(out, head=np.array([{"a": 1}], dtype=object))
    with pytest.raises(DamagedOutcome):
        decoded(out.getvalue())


@pytest.mark.parametrize("url", ["{tmp}/shared", "memory://shared"])
def test_a_shared_folder_keeps_what_is_put_there_first(tmp_path, url):
    shared = RemoteFolder(url.format(tmp=tmp_path) + f"/{tmp_path.name}")
    assert shared.names() == {}
    (tmp_path / "file").write_bytes(b"first")
    assert shared.put("a/one", tmp_path / "file")
    assert not shared.put("a/one", b"second")
    assert shared.read("a/one") == b"first"
    assert shared.names() == {"a/one": 5}
    shared.get("a/one", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"first"
    shared.remove("a/one")
    shared.remove("a/one")
    assert not shared.holds("a/one")


@pytest.mark.parametrize("name", ["../a", "/a", "a//b", "", "a/..", "a\0b"])
def test_a_shared_folder_is_not_left(tmp_path, name):
    with pytest.raises(UserError, match="holds no file called"):
        RemoteFolder(str(tmp_path)).put(name, b"x")


def test_an_unknown_kind_of_url_says_what_to_do():
    with pytest.raises(UserError, match="cannot open this folder"):
        RemoteFolder("nosuch://bucket")


def test_a_dataset_is_shared_staged_and_checked(small_hdf5, tmp_path, monkeypatch):
    """Its rows stay in the user's file here; the copy that travels holds them."""
    dataset = open_file(small_hdf5)
    shared = RemoteFolder(str(tmp_path / "shared"))
    share_dataset(dataset, shared)
    monkeypatch.setenv("ANNHARNESS_DATA", str(tmp_path / "node"))
    small_hdf5.unlink()
    wanted, registry = dataset.fingerprint, load_registry()
    staged = staged_dataset(dataset.name, wanted, registry, shared, None)
    assert staged.fingerprint == wanted
    assert staged.base.shape == (300, 8)
    assert ("datasets", staged.path) in [(item.kind, item.path) for item in cached_items()]
    (copy,) = (tmp_path / "node" / "staged").glob("*.hdf5")
    content = bytearray(copy.read_bytes())
    content[-100] ^= 1
    copy.unlink()
    (original,) = (tmp_path / "shared").rglob("*.hdf5")
    original.write_bytes(content)
    with pytest.raises(UserError, match="in the shared folder is damaged"):
        staged_dataset(dataset.name, wanted, registry, shared, None)
    assert list((tmp_path / "node" / "staged").glob("*.hdf5")) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from harness.data.loading import open_file
from harness.files.remote import RemoteFolder
from harness.running.cluster.staging import share_dataset

RemoteFolder.put = lambda *what: os.kill(os.getpid(), signal.SIGKILL)
share_dataset(open_file(Path(sys.argv[1])), RemoteFolder(sys.argv[2]))
"""


def test_what_a_killed_run_was_to_share_goes_away(small_hdf5, tmp_path):
    shared = str(tmp_path / "shared")
    subprocess.run([sys.executable, "-c", KILLED, str(small_hdf5), shared], capture_output=True)
    assert list((tmp_path / "cache" / "staged").rglob("*.hdf5"))
    share_dataset(open_file(small_hdf5), RemoteFolder(shared))
    assert list((tmp_path / "cache" / "staged").iterdir()) == []


def test_copies_used_longest_ago_make_room(write_small_hdf5, tmp_path, monkeypatch):
    import os

    shared = RemoteFolder(str(tmp_path / "shared"))
    datasets = []
    for metric in ("angular", "euclidean"):
        datasets.append(open_file(write_small_hdf5(tmp_path / f"{metric}.hdf5", metric)))
        share_dataset(datasets[-1], shared)
    monkeypatch.setenv("ANNHARNESS_DATA", str(tmp_path / "node"))
    registry = load_registry()
    first, second = datasets
    largest = max(shared.names().values())
    copy = staged_dataset(first.name, first.fingerprint, registry, shared, largest).path
    os.utime(copy, (0, 0))
    staged_dataset(second.name, second.fingerprint, registry, shared, largest)
    left = list((tmp_path / "node" / "staged").glob("*.hdf5"))
    assert [path.stem for path in left] == [second.fingerprint]
    assert open_cached(left[0]).metric == "euclidean"
    with pytest.raises(UserError, match="does not fit into the node's scratch"):
        staged_dataset(first.name, first.fingerprint, registry, shared, 100)


def test_filtered_queries_are_shared_with_the_rows_that_they_choose_from(
    write_filtered_entry, tmp_path, monkeypatch
):
    folder = write_filtered_entry()
    dataset = open_filtered(load_registry([folder]).datasets["years"])
    shared = RemoteFolder(str(tmp_path / "shared"))
    share_dataset(dataset, shared)
    monkeypatch.setenv("ANNHARNESS_DATA", str(tmp_path / "node"))
    wanted, registry = dataset.fingerprint, load_registry()
    staged = staged_dataset(dataset.name, wanted, registry, shared, None)
    assert staged.path.is_relative_to(tmp_path / "node")
    assert staged.fingerprint == wanted
    np.testing.assert_array_equal(staged.base, dataset.base)
    assert staged.filters.filters == dataset.filters.filters
    for mine, theirs in zip(staged.filters.bitmaps, dataset.filters.bitmaps, strict=True):
        np.testing.assert_array_equal(mine.ids, theirs.ids)

    staged.whole.path.unlink()  # to make room for another dataset
    assert len(staged_dataset(dataset.name, wanted, registry, shared, None).base) == 20
    staged.whole.path.unlink()
    with pytest.raises(UserError, match="is not on this node"):
        staged_dataset(dataset.name, wanted, registry, None, None)
    other = staged_dataset(dataset.name, wanted, load_registry([folder]), None, None)
    assert other.path.parent.name == "datasets"


def test_other_filters_than_those_of_the_fingerprint_are_refused(
    write_filtered_entry, tmp_path, monkeypatch
):
    """The files are whole; one is in the place of the other."""
    shared = RemoteFolder(str(tmp_path / "shared"))
    prints = []
    for last in (2000, 2001):
        entry = load_registry([write_filtered_entry(last)]).datasets["years"]
        dataset = open_filtered(entry)
        share_dataset(dataset, shared)
        prints.append(dataset.fingerprint)
    wanted, other = (tmp_path / "shared" / "datasets" / one for one in prints)
    assert wanted != other
    shutil.rmtree(wanted)
    other.rename(wanted)
    monkeypatch.setenv("ANNHARNESS_DATA", str(tmp_path / "node"))
    with pytest.raises(UserError, match="in the shared folder is damaged"):
        staged_dataset("years+filtered", wanted.name, load_registry(), shared, None)
    assert not (tmp_path / "node" / "staged" / f"{wanted.name}.hdf5").exists()


def test_filters_do_not_make_room_for_their_rows(write_filtered_entry, tmp_path, monkeypatch):
    dataset = open_filtered(load_registry([write_filtered_entry()]).datasets["years"])
    shared = RemoteFolder(str(tmp_path / "shared"))
    share_dataset(dataset, shared)
    monkeypatch.setenv("ANNHARNESS_DATA", str(tmp_path / "node"))
    both = sum(shared.names().values())
    with pytest.raises(UserError, match="does not fit into the node's scratch"):
        staged_dataset(dataset.name, dataset.fingerprint, load_registry(), shared, both - 1)
    staged_dataset(dataset.name, dataset.fingerprint, load_registry(), shared, both)


def test_a_disk_without_room_for_a_copy_says_how_much_is_lacking(small_hdf5, tmp_path, monkeypatch):
    dataset = open_file(small_hdf5)
    shared = RemoteFolder(str(tmp_path / "shared"))
    share_dataset(dataset, shared)
    (size,) = shared.names().values()
    monkeypatch.setenv("ANNHARNESS_DATA", str(tmp_path / "node"))
    usage = SimpleNamespace(free=3_000_000)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)
    with pytest.raises(UserError, match="not enough disk space for a copy") as caught:
        staged_dataset(dataset.name, dataset.fingerprint, load_registry(), shared, None)
    error = caught.value
    assert error.where == str(tmp_path / "node" / "staged")
    assert error.got == "3.0 MB"
    assert float(error.expected.split()[0]) * 1e6 >= size
    assert "scratch: or scratch_gib: in the cluster file" in error.hint
    assert list((tmp_path / "node" / "staged").iterdir()) == []


def test_what_a_killed_writer_left_is_not_taken_for_the_dataset(small_hdf5, tmp_path, monkeypatch):
    dataset = open_file(small_hdf5)
    shared = RemoteFolder(str(tmp_path / "shared"))
    folder = tmp_path / "shared" / "datasets" / dataset.fingerprint
    folder.mkdir(parents=True)
    (folder / f"{'0' * 64}.hdf5.0123456789abcdef.part").write_bytes(b"half of it")
    share_dataset(dataset, shared)
    monkeypatch.setenv("ANNHARNESS_DATA", str(tmp_path / "node"))
    small_hdf5.unlink()
    staged = staged_dataset(dataset.name, dataset.fingerprint, load_registry(), shared, None)
    assert staged.fingerprint == dataset.fingerprint


def test_a_dataset_that_no_node_can_have_says_so(small_hdf5, tmp_path, monkeypatch):
    dataset = open_file(small_hdf5)
    monkeypatch.setenv("ANNHARNESS_DATA", str(tmp_path / "node"))
    with pytest.raises(UserError, match="is not on this node") as caught:
        staged_dataset(dataset.name, dataset.fingerprint, load_registry(), None, None)
    assert "shared:" in caught.value.describe()


GOOD = """\
slurm: {nodes: 3, queue: bench, directives: [--constraint=milan]}
shared: /shared/annharness
scratch: /scratch
scratch_gib: 100
walltime: 1-04:30:00
machine: {cores: 64}
"""


def test_a_cluster_file_is_read(tmp_path):
    (tmp_path / "c.yml").write_text(GOOD)
    found = read_cluster(str(tmp_path / "c.yml"))
    assert found.kind == "slurm"
    assert found.slurm.nodes == 3
    assert found.walltime_seconds == 28.5 * 3600
    assert found.scratch_bytes == 100 << 30
    assert found.machine.cores == 64
    assert read_cluster("local:3").local == 3
    assert read_cluster("tcp://10.0.0.1:8786").scheduler == "tcp://10.0.0.1:8786"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("shared: /x\n", "exactly one of scheduler, local"),
        ("local: 2\nscheduler: tcp://a:1\n", "exactly one of"),
        ("slurm: {nodes: 0}\n", "nodes"),
        ("local: 2\nwaltime: 1:00:00\n", "did you mean 'walltime'"),
        ("local: 2\nwalltime: soon\n", "walltime"),
        ("local: 2\nscratch_gib: -1\n", "scratch_gib"),
        ("scheduler: http://a:1\n", "scheduler"),
        ("ssh: {hosts: []}\n", "hosts"),
        ("ssh: {hosts: [a, b, a]}\n", "each host once"),
        ("ssh: {hosts: [a], python: ~/venv/bin/python}\n", "a path without `~`"),
        ("local: 2\nscratch: scratch\n", "an absolute path"),
        ("ssh: {hosts: [a]}\ntls: {ca: a, cert: b, key: c}\n", "tls is for a scheduler"),
    ],
)
def test_a_mistake_in_a_cluster_file_is_told_with_its_place(tmp_path, text, message):
    path = tmp_path / "c.yml"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        read_cluster(str(path))
    assert message in caught.value.describe()
    assert "c.yml" in caught.value.describe()


WORKER = (sys.executable, "-m", "harness.running.cluster.programs", "worker", "--version")


@pytest.mark.parametrize(
    ("scratch", "made"),
    [("~/my disk/$JOB", "my disk/7"), ("$TMPDIR/ann", "node/ann"), ("${TMPDIR}", "node")],
)
def test_a_node_makes_its_scratch_folder_and_replaces_what_no_shell_has(
    tmp_path, monkeypatch, scratch, made
):
    names = {"HOME": tmp_path, "JOB": 7, "TMPDIR": tmp_path / "node", "ANNHARNESS_SCRATCH": scratch}
    for name, value in names.items():
        monkeypatch.setenv(name, str(value))
    program = "import os, sys; from harness.running.cluster.programs import main\n"
    program += "try: main(['worker', '--version'])\n"
    program += "finally: print(os.environ['TMPDIR'], os.environ['ANNHARNESS_DATA'], sep='\\n')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.splitlines()[-2:] == [f"{tmp_path}/{made}", f"{tmp_path}/{made}/annharness"]
    assert (tmp_path / made).is_dir()


@pytest.mark.parametrize(
    ("scratch", "message"),
    [
        ("~/file/scratch", "cannot make the scratch folder {}/file/scratch: Not a directory"),
        (
            "$NOWHERE/ann",
            "the scratch folder $NOWHERE/ann is $NOWHERE/ann here",
        ),
        ("/s/$NOWHERE", "has a variable that is not set: set it on the node"),
        ("~no-such-user/ann", "the scratch folder ~no-such-user/ann is ~no-such-user/ann here"),
    ],
)
def test_a_worker_without_the_scratch_folder_that_is_asked_for_says_why_and_ends(
    tmp_path, monkeypatch, scratch, message
):
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ANNHARNESS_SCRATCH", scratch)
    done = subprocess.run(WORKER, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert message.format(tmp_path) in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_worker_starts_where_an_inherited_folder_for_temporary_files_is_none(monkeypatch):
    monkeypatch.setenv("TMPDIR", "/dev/null/scratch")
    subprocess.run(WORKER, check=True, capture_output=True)


@pytest.mark.parametrize("name", ["local:0", "local:99999", "nowhere.yml", "tcp://host", ""])
def test_what_is_no_cluster_is_refused(name):
    with pytest.raises(UserError):
        read_cluster(name)
