"""Packages of results: written, checked against themselves and the data at hand, and merged."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

import harness
from harness.contracts import UserError
from harness.contracts.dataset import Truth
from harness.interop.exchange import merge
from harness.interop.package import MANIFEST, QUERIES, opened, pack
from harness.interop.package_checks import check_package
from harness.measures.distances import distances_and_scales
from harness.registry.registry import load_registry
from harness.registry.scaffolding import write_leaderboard
from harness.report.analysis.selecting import truth_of
from harness.results.point import Failure
from harness.results.store import ResultStore
from harness.results.table.rows import load_results
from tests.results.conftest import TRUTH, make_build, make_header


@pytest.fixture(scope="module")
def registry():
    return load_registry([])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A package of a point of two builds and of a failure, with rows of queries."""
    folder = tmp_path_factory.mktemp("made")
    store = ResultStore(folder / "results")
    for number in range(2):
        store.add_build(make_header(), make_build(number))
    store.write_truth(make_header().identity, TRUTH)
    store.write_failure(Failure(make_header(algorithm="other"), "crashed", "signal 11"))
    pack(load_results(store.root), store.root, folder / "small.zip", per_query=True)
    return folder / "small.zip"


@pytest.fixture
def packed(made, tmp_path):
    """Give a copy of it, to be altered."""
    return Path(shutil.copy(made, tmp_path))


@pytest.fixture
def checked(registry):
    """Give the texts of what is refused in a package, and of all other findings."""

    def check(path, results=None):
        with opened(path) as package:
            found = check_package(package, registry, results).findings
        refused = [f"{one.where}: {one.found}" for one in found if one.level == "refused"]
        return refused, [f"{one.where}: {one.found}" for one in found if one.level != "refused"]

    return check


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path, files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)


def alter_manifest(path, change):
    files = members(path)
    manifest = json.loads(files[MANIFEST])
    change(manifest)
    files[MANIFEST] = json.dumps(manifest).encode()
    write(path, files)


def alter_result(path, change, *, hashes=True):
    """Change the result file of the finished point, and write its new hash into the manifest."""
    files = members(path)
    (name,) = (one for one in files if one.endswith(".hdf5"))
    image = io.BytesIO(files[name])
    with h5py.File(image, "r+") as file:
        change(file)
    files[name] = image.getvalue()
    if hashes:
        manifest = json.loads(files[MANIFEST])
        sha256 = hashlib.sha256(files[name]).hexdigest()
        manifest["files"][name] = {"sha256": sha256, "bytes": len(files[name])}
        files[MANIFEST] = json.dumps(manifest).encode()
    write(path, files)


def test_a_package_is_consistent_and_holds_the_same(made, packed, checked, tmp_path):
    refused, others = checked(packed)
    assert refused == []
    assert any("not graded" in text for text in others)
    other = ResultStore(tmp_path / "other")
    with opened(packed) as package:
        found = merge(other, package)
    assert (found.done, found.conflicts) == (3, [])
    folders = (made.parent / "results", other.root)
    ours, theirs = (load_results(folder).drop(columns="path") for folder in folders)
    assert ours["key"].tolist() == theirs["key"].tolist()
    assert ours["qps"].tolist() == pytest.approx(theirs["qps"].tolist(), nan_ok=True)


def test_the_same_results_make_the_same_package(made, tmp_path):
    again, results = tmp_path / "again.zip", made.parent / "results"
    pack(load_results(results), results, again, per_query=True)
    assert again.read_bytes() == made.read_bytes()


def test_merging_twice_takes_nothing_the_second_time(packed, tmp_path):
    other = ResultStore(tmp_path / "other")
    for expected in ((3, 0), (0, 3)):
        with opened(packed) as package:
            found = merge(other, package)
        assert (found.done, found.kept) == expected


def test_another_build_of_the_same_number_is_a_conflict(packed, header, build, tmp_path):
    other = ResultStore(tmp_path / "other")
    other.add_build(header(), build(1, seconds=5.0, finished_at="2026-02-02T00:00:00Z"))
    with opened(packed) as package:
        found = merge(other, package)
    ((name, text),) = found.conflicts
    assert name.endswith(".hdf5")
    assert text == (
        "build 1 differs: finished 2026-01-01T00:00:00Z there, 2026-02-02T00:00:00Z here"
    )
    builds = other.find(header()).point.builds
    assert [one.number for one in builds] == [0, 1]
    assert builds[1].times.min() >= 5  # what is here stays


def halve(file):
    for build in file["annharness/builds"].values():
        build["times"][...] /= 2
        build["walls"][...] /= 2


def halve_for_other_tools(file):
    file["times"][...] /= 2


def slow_queries_down(file):
    file["annharness/builds/0/times"][...] *= 10


def name_a_row_twice(file):
    file["annharness/builds/0/neighbors"][0, 0, 1] = file["annharness/builds/0/neighbors"][0, 0, 0]


def find_something_nearer(file):
    file["annharness/builds/0/neighbors"][0, 0, 0] = 500
    file["annharness/builds/0/distances"][0, 0, 0] = 0.5


def claim_another_distance(file):
    file["annharness/builds/0/distances"][0, 0, 0] = 2.0


def claim_threads(file):
    text = json.loads(file["annharness"].attrs["header"])
    text["identity"]["threads"] = 2
    file["annharness"].attrs["header"] = json.dumps(text)


def say(file, **provenance):
    del file["annharness/builds/0/provenance"]
    file["annharness/builds/0"]["provenance"] = json.dumps(provenance)


def of_another_machine(file):
    say(file, machine={"cpu": "faster", "cores": 64})


def of_more_memory(file):
    say(file, machine={"cpu": "cpu", "cores": 2, "ram_bytes": 1 << 40})


def of_the_future(file):
    say(file, sequence=1 << 52)


def stretch_the_tolerance(file):
    own = file["annharness/builds/0"]
    own["neighbors"][0, :, 0] = 500
    own["distances"][0, :, 0] = 50
    own["scales"][...] = 1e12


def be_fast_for_other_tools(file):
    file.attrs["best_search_time"] = 1e-9


def be_fast_by_the_clock_of_queries(file):
    own = file["annharness/builds/0"]
    own["walls"][...] = own["walls"][...] * 1000


@pytest.mark.parametrize(
    ("harm", "text"),
    [
        (halve, "qps is"),
        (halve_for_other_tools, "its times for other tools are not those of the first build"),
        (slow_queries_down, "the query times add up to more than the time of the pass"),
        (name_a_row_twice, "an answer names a row twice"),
        (find_something_nearer, "1 answer with distances that contradict the true neighbours"),
        (claim_another_distance, "1 answer with distances that contradict"),
        (claim_threads, "the file name does not match its content"),
        (of_more_memory, "the memory in its key is not that of the machine in the provenance"),
        (of_the_future, "it says that it was measured in the future"),
        (stretch_the_tolerance, "its tolerances of ties are larger than the distances"),
        (be_fast_for_other_tools, "its best_search_time for other tools is not that of"),
        (of_another_machine, "the key names cpu, 2 cores, the provenance faster, 64 cores"),
    ],
)
def test_an_altered_result_with_its_hash_computed_anew_is_refused(packed, checked, harm, text):
    alter_result(packed, harm)
    refused, _ = checked(packed)
    assert any(text in one for one in refused), refused


def test_a_result_without_its_hash_is_refused(packed, checked):
    alter_result(packed, halve, hashes=False)
    refused, _ = checked(packed)
    assert any("not that of its hash" in one for one in refused)


FIGURES = ("qps", "recall", "build_seconds", "index_bytes", "p50_ms", "p99_ms")


def raise_recall(manifest):
    manifest["points"][1]["figures"]["recall"] = 0.5


def raise_qps(manifest):
    manifest["points"][1]["figures"]["qps"] *= 1.001


def forget_a_point(manifest):
    del manifest["points"][1]


def claim_a_build(manifest):
    manifest["points"][1]["builds"] = 3


def be_of_another_machine(manifest):
    manifest["machines"] = ["Quantum 9000"]


def state_a_point_twice(manifest):
    manifest["points"].append({**manifest["points"][1]})


def state_more(manifest):
    manifest["points"][1]["figures"]["recall@1"] = 7.0


def call_it_finished(manifest):
    manifest["points"][0]["status"] = "ok"


def forget_a_file(manifest):
    del manifest["files"][next(name for name in manifest["files"] if name.endswith(".hdf5"))]


@pytest.mark.parametrize(
    ("harm", "text"),
    [
        (raise_recall, "recall is 0.5 in the manifest, 1 by its files"),
        (raise_qps, "qps is"),
        (forget_a_point, "is not in the manifest"),
        (claim_a_build, "builds is 3 in the manifest, 2 by its files"),
        (call_it_finished, "status is ok in the manifest, crashed by its files"),
        (forget_a_file, "is not listed"),
        (be_of_another_machine, "its machines are not those of its results"),
        (state_a_point_twice, "states a point twice"),
        (state_more, "states parameters or figures that are not its own"),
    ],
)
def test_a_manifest_that_says_something_else_is_refused(packed, checked, harm, text):
    manifest = json.loads(members(packed)[MANIFEST])
    assert [point["status"] for point in manifest["points"]] == ["crashed", "ok"]
    alter_manifest(packed, harm)
    refused, _ = checked(packed)
    assert any(text in one for one in refused), refused


def test_the_terminal_names_the_first_findings_of_a_file(packed, command):
    """What follows from the damage of a file is counted, not told line by line."""

    def alter(manifest):
        manifest["points"][1]["figures"].update(dict.fromkeys(FIGURES, 7))

    alter_manifest(packed, alter)
    done = command("results", "check", packed)
    assert done.returncode == 1
    of_the_point = [line for line in done.stderr.splitlines() if "small, scan M=4" in line]
    assert len(of_the_point) == 4, done.stderr
    assert of_the_point[-1].startswith("and ")


def test_a_folder_without_packages_is_told(tmp_path, command):
    done = command("results", "check", tmp_path)
    assert done.returncode == 0  # a leaderboard begins like this
    assert "no package (*.zip) is there" in done.stderr


def test_a_speed_that_another_release_estimates_otherwise_is_a_warning(packed, checked):
    alter_manifest(packed, raise_qps)
    alter_manifest(packed, lambda manifest: manifest.update(harness_version="9.9"))
    refused, others = checked(packed)
    assert refused == []
    assert any("qps is" in one for one in others)
    alter_manifest(packed, lambda manifest: manifest["points"][1]["figures"].update(qps=1e9))
    assert any("qps is 1e+09" in one for one in checked(packed)[0])


def add_file(path, name, data):
    files = members(path)
    manifest = json.loads(files[MANIFEST])
    manifest["files"][name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    write(path, {**files, name: data, MANIFEST: json.dumps(manifest).encode()})


def truth_file(ids, distances):
    out = io.BytesIO()
    np.savez_compressed(out, ids=ids.astype(np.int64), distances=distances)
    return out.getvalue()


def result_named(path):
    return next(data for name, data in members(path).items() if name.endswith(".hdf5"))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("results/small/10/scan/.x.hdf5", "no name of a result"),
        ("results/small/10/scan/x.hdf5.failure.json", "belongs to no result"),
        ("results/other/10/truth-abababababababab.npz", "belongs to no result"),
        ("results/small/\N{ARABIC-INDIC DIGIT ONE}/truth-ffffffffffffffff.npz", "no name of"),
        ("results/small/10/scan/a\nb.hdf5", "no name of a result"),
    ],
)
def test_what_no_point_needs_is_refused(packed, checked, name, text):
    data = truth_file(np.zeros((20, 10)), np.zeros((20, 10)))
    add_file(packed, name, data if name.endswith(".npz") else result_named(packed))
    refused, _ = checked(packed)
    assert any(text in one for one in refused), refused


def test_a_point_under_a_second_name_is_refused(packed, checked):
    def rename(file):
        header = json.loads(file["annharness"].attrs["header"])
        file["annharness"].attrs["header"] = json.dumps({**header, "name": "M=3"})
        file.attrs["name"] = "scan(M=3)"

    image = io.BytesIO(result_named(packed))
    with h5py.File(image, "r+") as file:
        rename(file)
    (own,) = (one for one in members(packed) if one.endswith(".hdf5"))
    add_file(packed, own.replace("M=4", "M=3"), image.getvalue())
    refused, _ = checked(packed)
    assert any("is the same point as" in one for one in refused), refused


@pytest.mark.parametrize(
    ("ids", "distances", "text"),
    [
        (np.tile(np.arange(20), (20, 1)), np.tile(np.linspace(0.5, 2, 20), (20, 1)), "another k"),
        (np.tile(np.arange(20) + 999, (20, 1)), np.ones((20, 20)), "none of 1000"),
        (np.zeros((20, 20)), np.ones((20, 20)), "names a row twice"),
    ],
)
def test_true_neighbours_for_another_k_must_fit(packed, checked, ids, distances, text):
    add_file(packed, f"results/small/20/truth-{'f' * 16}.npz", truth_file(ids, distances))
    refused, _ = checked(packed)
    assert any(text in one for one in refused), refused


def test_other_true_neighbours_than_those_stored_are_refused(packed, header, truth, tmp_path):
    other = ResultStore(tmp_path / "other")
    other.write_truth(header().identity, Truth(truth.ids, truth.distances * 2))
    with opened(packed) as package:
        found = merge(other, package)
    ((_, text),) = found.refused
    assert "other true neighbours" in text
    assert found.done == 0
    assert other.stems() == []


def test_a_failure_gives_way_to_builds(packed, header, tmp_path):
    other = ResultStore(tmp_path / "other")
    other.write_failure(Failure(header(), "crashed", "signal 11"))
    with opened(packed) as package:
        found = merge(other, package)
    assert [text for _, text in found.conflicts] == ["failed here, measured there"]
    assert other.failure(header()) is None
    assert other.find(header()).builds == 2


def test_time_outside_of_all_queries_is_a_warning(packed, checked):
    alter_result(packed, be_fast_by_the_clock_of_queries)
    _, others = checked(packed)
    assert any("most of the time of a pass is in none of its queries" in one for one in others)


def test_a_truth_that_only_the_cache_holds_is_packed(real, tmp_path, checked):
    real()
    store = ResultStore(tmp_path / "results")
    for path in store.root.rglob("truth-*"):
        path.unlink()
    table = load_results(store.root, truth_at_hand=truth_of)
    for path in store.root.rglob("truth-*"):
        path.unlink()
    manifest = pack(table, store.root, tmp_path / "again.zip")
    assert len(manifest.points) == 1
    assert checked(tmp_path / "again.zip")[0] == []


def test_points_that_cannot_be_read_again_are_not_packed(small_store, tmp_path):
    table = load_results(small_store.root)
    for path in small_store.root.rglob("truth-*"):
        path.unlink()
    warned = pytest.warns(UserWarning, match="skipped")
    with warned, pytest.raises(UserError, match="points that cannot be packed"):
        pack(table, small_store.root, tmp_path / "p.zip")
    assert not (tmp_path / "p.zip").exists()


def test_rows_of_queries_that_are_others_are_refused(packed, checked):
    files = members(packed)
    files[QUERIES] = files[QUERIES][:-20] + bytes(20)
    manifest = json.loads(files[MANIFEST])
    sha256 = hashlib.sha256(files[QUERIES]).hexdigest()
    manifest["files"][QUERIES]["sha256"] = sha256
    write(packed, {**files, MANIFEST: json.dumps(manifest).encode()})
    refused, _ = checked(packed)
    assert any(one.startswith(QUERIES) for one in refused)


def test_a_machine_that_is_new_to_the_folder_is_told(packed, checked, header, build, truth):
    folder = packed.parent / "ours"
    other = ResultStore(folder)
    there = header(machine=replace(header().identity.machine, cpu="another"))
    other.add_build(there, build(0))
    other.write_truth(there.identity, truth)
    refused, others = checked(packed, folder)
    assert refused == []
    assert any(one.startswith("cpu, 2 cores, 1 GiB: no result here is of") for one in others)


def test_a_package_of_a_future_schema_says_so(packed):
    alter_manifest(packed, lambda manifest: manifest.update(schema_version=2, something="new"))
    with pytest.raises(UserError, match="schema is 2, this version of annharness reads up to 1"):
        opened(packed).__enter__()


def no_zip(path):
    path.write_bytes(b"no zip")


def cut(path):
    path.write_bytes(path.read_bytes()[:-50])


def without_manifest(path):
    write(path, {name: data for name, data in members(path).items() if name != MANIFEST})


def no_json(path):
    write(path, {**members(path), MANIFEST: b"[" * 100_000})


def unknown_key(path):
    alter_manifest(path, lambda manifest: manifest.update(surprise=1))


def enormous(path):
    files = members(path)
    manifest = json.loads(files[MANIFEST])
    manifest["files"] |= {f"results/a/10/b/c{i}.hdf5": {"sha256": "0" * 64, "bytes": 4 << 30}
                          for i in range(20)}  # fmt: skip
    data = json.dumps(manifest).encode()
    names = dict.fromkeys(manifest["files"], b"x")
    write(path, {**names, **files, MANIFEST: data})


def packed_by_bzip2(path):
    with zipfile.ZipFile(path, "a", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("results/a/10/b/c.hdf5", bytes(100))


def encrypted(path):
    data = path.read_bytes()
    at = data.rindex(b"PK\x01\x02") + 8  # of the last file in the list at the end
    path.write_bytes(data[:at] + bytes([data[at] | 1]) + data[at + 1 :])


def of_a_newer_zip(path):
    data = bytearray(path.read_bytes())
    data[data.rindex(b"PK\x01\x02") + 6] = 99  # the version that it takes to unpack a file
    path.write_bytes(data)


def damaged_within(path):
    with zipfile.ZipFile(path) as archive:
        found = archive.getinfo(MANIFEST)
        start = found.header_offset + 30 + len(MANIFEST) + 20
    data = bytearray(path.read_bytes())
    data[start : start + 40] = bytes(40)
    path.write_bytes(data)


def twice(path):
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr(MANIFEST, b"{}")


@pytest.mark.parametrize(
    "harm",
    [
        no_zip,
        cut,
        without_manifest,
        no_json,
        unknown_key,
        enormous,
        twice,
        packed_by_bzip2,
        encrypted,
        of_a_newer_zip,
        damaged_within,
    ],
)
def test_what_is_no_package_is_refused_whole(packed, harm):
    harm(packed)
    with pytest.raises(UserError, match="cannot read the package"):
        opened(packed).__enter__()


@pytest.mark.parametrize(
    "name", ["../out.hdf5", "results/../../10/b/c.hdf5", "/results/a/10/b/c.hdf5", "results/x.py",
             "results/a/10/b\\..\\c.hdf5"]
)  # fmt: skip
def test_a_name_never_leads_out_of_the_folder(packed, checked, name):
    files = members(packed)
    manifest = json.loads(files[MANIFEST])
    manifest["files"][name] = {"sha256": hashlib.sha256(b"x").hexdigest(), "bytes": 1}
    before = sorted(packed.parent.rglob("*"))
    write(packed, {**files, name: b"x", MANIFEST: json.dumps(manifest).encode()})
    refused, _ = checked(packed)
    assert any("no name of a result" in one for one in refused)
    assert sorted(packed.parent.rglob("*")) == before


def test_a_file_larger_than_it_says_is_not_unpacked(packed, checked):
    files = members(packed)
    manifest = json.loads(files[MANIFEST])
    (name,) = (one for one in files if one.endswith(".hdf5"))
    manifest["files"][name]["bytes"] = 10
    write(packed, {**files, MANIFEST: json.dumps(manifest).encode()})
    refused, _ = checked(packed)
    assert f"{name}: its content is not that of its hash" in refused


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.zip")
    with pytest.raises(UserError, match="no regular file"):
        opened(tmp_path / "pipe.zip").__enter__()


@pytest.fixture
def real(tmp_path, monkeypatch, header, build):
    """Give a package of a dataset that is in the cache; a change of the answers may be made."""
    monkeypatch.setenv("ANNHARNESS_DATA", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    with h5py.File(tmp_path / "rows.hdf5", "w") as file:
        file["train"] = rng.standard_normal((100, 4)).astype(np.float32)
        file["test"] = rng.standard_normal((20, 4)).astype(np.float32)
        file.attrs["distance"] = "euclidean"
    dataset = harness.open_dataset(str(tmp_path / "rows.hdf5"))

    def packed(change=lambda ids: ids):
        ids = change(dataset.truth(10).ids)
        own = header(dataset=dataset.name, fingerprint=dataset.fingerprint)
        own = replace(own, n=100, d=4, nq=20)
        exact = distances_and_scales("euclidean", dataset.base, dataset.queries, ids)
        distances, scales = (array[None] for array in exact)
        one = replace(build(0), neighbors=ids[None], distances=distances,
                      scales=scales.astype(np.float32))  # fmt: skip
        store = ResultStore(tmp_path / "results")
        store.add_build(own, one)
        store.write_truth(own.identity, Truth(ids, np.sort(distances[0], axis=1)))
        pack(load_results(store.root), store.root, tmp_path / "real.zip")
        return tmp_path / "real.zip"

    return packed


def test_answers_are_compared_with_the_dataset_at_hand(real, checked):
    refused, others = checked(real())
    assert refused == []
    assert not any("not in the cache" in one for one in others)


def test_true_neighbours_that_are_made_up_are_found_out(real, checked):
    """Consistent in itself: without the dataset nobody could tell."""
    path = real(lambda ids: np.sort((ids + 1) % 100, axis=1))
    refused, _ = checked(path)
    assert any("true neighbours are not those of the dataset" in one for one in refused)


def test_another_dataset_of_the_same_name_is_refused(real, checked, header, build, tmp_path):
    real()
    dataset = harness.open_dataset(str(tmp_path / "rows.hdf5"))
    store = ResultStore(tmp_path / "made-up")
    store.add_build(header(dataset=dataset.name), build(0))
    store.write_truth(header(dataset=dataset.name).identity,
                      Truth(np.tile(np.arange(10), (20, 1)), np.ones((20, 10))))  # fmt: skip
    pack(load_results(store.root), store.root, tmp_path / "made-up.zip")
    refused, _ = checked(tmp_path / "made-up.zip")
    assert any("the dataset of this name in the cache has another content" in r for r in refused)


def test_distances_that_are_made_up_are_found_out(real, checked):
    path = real()

    def nearer(file):
        own = file["annharness/builds/0"]
        own["neighbors"][...] = (own["neighbors"][...] + 1) % 100

    alter_result(path, nearer)
    refused, _ = checked(path)
    assert any("its distances are not those of its answers" in one for one in refused)


@pytest.mark.slow
def test_pack_check_and_merge_from_the_command_line(command, small_store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = ["--results", str(small_store.root)]
    done = command("results", "pack", "-o", "p.zip", *folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "p.zip"
    merged = command("results", "merge", "p.zip", "--results", "merged")
    assert merged.returncode == 0, merged.stderr
    assert "consistent, 1 point, cpu, 2 cores, 1 GiB" in merged.stdout
    assert "2 files taken" in merged.stdout
    alter_result(tmp_path / "p.zip", halve)
    checked = command("results", "check", "p.zip")
    assert checked.returncode == 1
    assert "p.zip: refused" in checked.stdout
    assert "qps is" in checked.stderr
    nothing = command("results", "merge", "p.zip", "--results", "empty")
    assert nothing.returncode == 1
    assert not (tmp_path / "empty").exists()


@pytest.mark.slow
def test_a_new_leaderboard_checks_and_publishes_its_packages(command, packed, tmp_path):
    board = write_leaderboard("our-board", tmp_path)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    make = ["env", f"PATH={path}", "make", "-C", str(board)]
    empty = command.raw([*make, "site"])
    assert empty.returncode == 0, empty.stderr
    assert "no package yet" in empty.stdout
    packed.rename(board / "packages" / "small.zip")
    done = command.raw([*make, "site"])
    assert done.returncode == 0, done.stderr
    assert "our-board" in (board / "site" / "index.html").read_text()
    alter_result(board / "packages" / "small.zip", halve)
    assert command.raw([*make, "site"]).returncode == 2
    with pytest.raises(UserError, match="there is such a folder already"):
        write_leaderboard("our-board", tmp_path)
