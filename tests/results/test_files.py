"""Result files: what is written comes back, older files are read, and builds are replaced."""

from __future__ import annotations

import errno
import json
import threading
from dataclasses import replace

import h5py
import numpy as np
import pytest

import harness
from harness.contracts.dataset import Truth
from harness.results.files import add_build, read_point, read_settled
from harness.results.identity import Machine, PointIdentity
from harness.results.point import BlockShare, Build, BuildFacts, PointHeader, StoredPoint
from harness.results.store import ResultStore
from harness.results.table.speeds import qps_interval_of, repeats_would_help
from harness.results.untrusted.checks import BrokenResult
from harness.results.untrusted.schema import facts_of

NQ, K = 12, 3

HEADER = PointHeader(
    PointIdentity(
        dataset="small", fingerprint="f" * 64, metric="euclidean", algorithm="scan",
        adapter_sha256="0", build={}, search={}, k=K, mode="single", threads=1, build_threads=1,
        machine=Machine("cpu", 2, 2**30), versions={},
    ), "scan", "default", 100, 8, NQ,
)  # fmt: skip


def build(number, *, passes=2, block=True, seed=0):
    rng = np.random.default_rng(seed)
    times = rng.uniform(1e-3, 2e-3, (passes, NQ))
    share = BlockShare(
        f"{number:08x}", np.arange(passes, dtype=np.int16) * 2, 5, rng.uniform(1e-4, 2e-4, 6 * 3)
    )
    return Build(
        number=number, times=times, walls=times.sum(axis=1),
        neighbors=np.tile(np.arange(K), (1, NQ, 1)), distances=np.ones((1, NQ, K)),
        scales=np.ones((1, NQ, K), dtype=np.float32),
        facts=BuildFacts(build_seconds=1.0, index_bytes=1, measured_index_bytes=1,
                         prepare_seconds=0.0, repeats_asked=passes),
        diagnostics={"graph": {"degree": np.array([1, 2]), "name": np.array(["a", "b"])}},
        provenance={"finished_at": "2026-01-01T00:00:00Z"},
        block=share if block else None,
    )  # fmt: skip


@pytest.fixture
def path(tmp_path):
    return tmp_path / "point.hdf5"


def test_a_point_comes_back_as_it_was_written(path):
    written = StoredPoint(HEADER, [build(0), build(1, passes=3, seed=1), build(2, block=False)])
    write_all(path, reversed(written.builds))
    read = read_point(path)
    assert read.header == HEADER
    for before, after in zip(written.builds, read.builds, strict=True):
        assert (after.number, after.facts, after.provenance) == (
            before.number, before.facts, before.provenance
        )  # fmt: skip
        for name in ("times", "walls", "neighbors", "distances", "scales"):
            np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
        assert after.diagnostics["graph"]["name"].tolist() == ["a", "b"]
    assert read.builds[2].block is None
    for before, after in zip(written.builds[:2], read.builds[:2], strict=True):
        assert (after.block.id, after.block.window) == (before.block.id, before.block.window)
        assert after.block.cycles.dtype == np.int16
        np.testing.assert_array_equal(after.block.cycles, before.block.cycles)
        np.testing.assert_array_equal(after.block.reference_times, before.block.reference_times)


def write_all(path, builds):
    for one in builds:
        add_build(path, HEADER, one)


def write_format_1(path, builds):
    """Write a file as release 0.1 did: times in one array, no blocks, yardsticks beside passes."""
    write_all(path, builds)
    longest = max(len(one.walls) for one in builds)
    with h5py.File(path, "r+") as file:
        group = file["annharness"]
        group.attrs["format"] = 1
        header = json.loads(group.attrs["header"])
        header["identity"]["protocol"] = 1
        group.attrs["header"] = json.dumps(header)
        times = np.full((len(builds), longest, NQ), np.nan)
        walls = np.full((len(builds), longest), np.nan)
        for row, one in enumerate(builds):
            own = group[f"builds/{one.number}"]
            times[row, : len(one.times)], walls[row, : len(one.walls)] = one.times, one.walls
            for name in ("block", "times", "walls"):
                del own[name]
            own["yardsticks"] = np.ones(len(one.walls))
        group["times"], group["walls"] = times, walls


def test_a_file_of_the_first_release_is_read_without_blocks(path):
    builds = [build(0), build(1, passes=3, seed=1)]
    write_format_1(path, builds)
    read = read_point(path)
    assert read.header.identity.protocol == 1
    assert [one.block for one in read.builds] == [None, None]
    np.testing.assert_array_equal(read.builds[1].times, builds[1].times)
    assert read_settled(path) == {0: 2, 1: 3}


def test_a_build_joins_a_file_of_the_first_release(path):
    old = [build(0), build(1, passes=3, seed=1)]
    write_format_1(path, old)
    add_build(path, HEADER, build(2, seed=2))
    read = read_point(path)
    assert [one.block is None for one in read.builds] == [True, True, False]
    for before, after in zip(old, read.builds, strict=False):
        np.testing.assert_array_equal(after.times, before.times)
        np.testing.assert_array_equal(after.neighbors, before.neighbors)
    assert read_settled(path) == {0: 2, 1: 3, 2: 2}


def test_other_tools_read_the_build_of_the_lowest_number(path):
    builds = {number: build(number, seed=number) for number in (2, 0, 1)}
    for number, first in ((2, 2), (0, 0), (1, 0)):
        add_build(path, HEADER, builds[number])
        with h5py.File(path) as file:
            fastest = builds[first].times[builds[first].times.mean(axis=1).argmin()]
            np.testing.assert_array_equal(file["times"][()], fastest)
            assert file["neighbors"].shape == (NQ, K)


def test_a_damaged_file_is_set_aside(path):
    for damage in (b"no HDF5", b"no HDF5 either"):
        path.write_bytes(damage)
        with pytest.warns(UserWarning, match="set aside a broken result: .*point.hdf5: "):
            add_build(path, HEADER, build(1))
        assert read_settled(path) == {1: 2}
    kept = {found.name: found.read_bytes() for found in path.parent.iterdir() if found != path}
    assert kept == {
        "point.hdf5.1.broken": b"no HDF5",
        "point.hdf5.2.broken": b"no HDF5 either",
    }


@pytest.mark.parametrize("fault", [OSError(errno.EMFILE, "too many"), MemoryError()])
def test_a_fault_of_the_machine_is_none_of_the_file(path, monkeypatch, fault):
    write_all(path, [build(0)])
    before, opened = path.read_bytes(), h5py.File

    def failing(file, *how, **more):
        if file == path:
            raise fault
        return opened(file, *how, **more)

    with monkeypatch.context() as patch:
        patch.setattr(h5py, "File", failing)
        with pytest.raises(type(fault)):
            add_build(path, HEADER, build(1))
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("kind", [h5py.SoftLink, h5py.ExternalLink])
def test_links_in_a_stored_file_are_not_followed(path, tmp_path, kind):
    secret = np.full((NQ, K), 7)
    with h5py.File(tmp_path / "elsewhere.hdf5", "w") as file:
        file["secret"] = secret
    write_all(path, [build(0)])
    with h5py.File(path, "r+") as file:
        del file["neighbors"]
        there = (str(tmp_path / "elsewhere.hdf5"),) if kind is h5py.ExternalLink else ()
        file["neighbors"] = kind(*there, "/secret")
        if not there:
            file["secret"] = secret
    add_build(path, HEADER, build(1))
    assert read_settled(path) == {0: 2, 1: 2}
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["neighbors"][()], build(0).neighbors[0])


def test_the_table_shows_a_file_of_the_first_release(tmp_path):
    path = tmp_path / "small" / "3" / "scan" / "old.hdf5"
    path.parent.mkdir(parents=True)
    write_format_1(path, [build(i, seed=i) for i in range(3)])
    truth = Truth(np.tile(np.arange(K), (NQ, 1)), np.ones((NQ, K)))
    ResultStore(tmp_path).write_truth(HEADER.identity, truth)
    (row,) = harness.load_results(tmp_path).to_dict("records")
    assert (row["qps_scope"], row["block_ids"]) == ("between builds", ("", "", ""))
    assert row["qps_low"] < row["qps"] == row["measured_qps"] < row["qps_high"]


@pytest.mark.parametrize(
    "change",
    [
        {"cycles": np.array([0], dtype=np.int16)},
        {"cycles": np.array([2, 1], dtype=np.int16)},
        {"cycles": np.array([-1, 1], dtype=np.int16)},
        {"window": 0},
    ],
)
def test_a_block_that_does_not_fit_its_build_is_a_broken_file(path, change):
    one = build(0)
    write_all(path, [replace(one, block=replace(one.block, **change))])
    with pytest.raises(BrokenResult, match="block of cycles"):
        read_point(path)


def test_a_later_format_is_refused(path):
    write_all(path, [build(0)])
    with h5py.File(path, "r+") as file:
        file["annharness"].attrs["format"] = 3
    with pytest.raises(BrokenResult, match="format 3, expected 1 or 2"):
        read_point(path)


def test_a_build_replaces_the_stored_one_of_its_number(tmp_path):
    store = ResultStore(tmp_path)
    store.add_build(HEADER, build(1, seed=1))
    store.add_build(HEADER, build(0, passes=2))
    newer = build(1, passes=4, seed=2)
    store.add_build(HEADER, newer)
    point = store.find(HEADER).point
    assert [one.number for one in point.builds] == [0, 1]
    np.testing.assert_array_equal(point.builds[1].times, newer.times)
    assert store.settled(HEADER) == {0: 2, 1: 4}


def test_builds_that_are_stored_at_the_same_time_all_stay(tmp_path):
    def add(numbers):
        store = ResultStore(tmp_path)
        for number in numbers:
            store.add_build(HEADER, build(number))

    adding = [threading.Thread(target=add, args=(range(i, 12, 3),)) for i in range(3)]
    for one in adding:
        one.start()
    for one in adding:
        one.join()
    assert sorted(ResultStore(tmp_path).settled(HEADER)) == list(range(12))


def test_passes_that_were_given_up_are_settled(tmp_path):
    store = ResultStore(tmp_path)
    one = build(0)
    store.add_build(HEADER, replace(one, facts=replace(one.facts, repeats_asked=7)))
    store.add_build(HEADER, replace(build(1, passes=3), facts=replace(one.facts, repeats_asked=0)))
    assert store.settled(HEADER) == {0: 7, 1: 3}
    assert store.settled(replace(HEADER, name="another")) == {}


def test_qps_of_a_stored_point_on_its_own():
    one, several = [build(0, passes=5)], [build(i, passes=5, seed=i) for i in range(3)]
    alone = qps_interval_of(StoredPoint(HEADER, one))
    assert alone.scope == "within one build"
    assert alone.low < alone.value < alone.high
    typical = np.median(one[0].times, axis=0)
    assert alone.value == pytest.approx(1 / typical.mean(), rel=0.05)
    assert qps_interval_of(StoredPoint(HEADER, several)).scope == "between builds"
    bare = [replace(b, block=None) for b in several[:2]]
    assert qps_interval_of(StoredPoint(HEADER, bare)).scope == "unknown"


def noisy_point(build_spread, pass_spread):
    """Six builds whose own speeds, and whose passes, vary by so much."""
    rng = np.random.default_rng(0)
    builds = []
    for number in range(6):
        own = np.exp(rng.normal(0, build_spread) + rng.normal(0, pass_spread, (5, 1)))
        times = 1e-3 * own * np.ones((5, NQ))
        share = BlockShare(f"{number}", np.arange(5, dtype=np.int16), NQ, np.ones(5))
        builds.append(replace(build(number), times=times, walls=times.sum(axis=1), block=share))
    return StoredPoint(HEADER, builds)


def test_more_passes_help_where_the_noise_is_within_builds():
    assert repeats_would_help(noisy_point(build_spread=0.0, pass_spread=0.3))
    assert not repeats_would_help(noisy_point(build_spread=0.3, pass_spread=0.01))


STORED_FACTS = {
    "seed": None, "prepare_seconds": 0.5, "build_seconds": 2.0, "measured_index_bytes": 3,
    "index_bytes_are_measured": False, "libraries": {"python": "3.11.7"}, "warnings": ["slow"],
    "peak_bytes": 9, "index_bytes": 4, "repeats_asked": 5, "processors_used": 1.02,
    "distance_computations": 812.5,
}  # fmt: skip


def test_facts_are_stored_as_they_were_by_every_release():
    assert BuildFacts.from_json(STORED_FACTS).to_json() == STORED_FACTS
    assert list(BuildFacts.from_json(STORED_FACTS).to_json()) == list(STORED_FACTS)


def test_facts_that_release_0_1_did_not_store_are_unknown():
    old = ("build_seconds", "prepare_seconds", "index_bytes", "measured_index_bytes", "warnings")
    text = json.dumps({name: STORED_FACTS[name] for name in old} | {"pace": 1.0})
    facts = facts_of(text)
    assert (facts.repeats_asked, facts.index_bytes_are_measured) == (0, False)
    assert facts.seed is facts.peak_bytes is facts.libraries is facts.processors_used is None
    assert facts.distance_computations is None
    assert set(facts.to_json()) == {*old, "seed", "repeats_asked", "index_bytes_are_measured"}
