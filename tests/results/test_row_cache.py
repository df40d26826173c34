"""Rows that are kept: the same as those made anew, and made anew whenever anything has changed."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest

import harness
from harness.contracts.dataset import Truth
from harness.results import store
from harness.results.point import Failure
from harness.results.table import row_cache


@pytest.fixture
def reads(monkeypatch):
    """Count the result files that are read."""
    names = []

    def counted(path, read=store.read_point):
        names.append(path.stem)
        return read(path)

    monkeypatch.setattr(store, "read_point", counted)
    return names


@pytest.fixture
def filled(small_store, header, build):
    """Give a store with three points and a failure."""
    for m in (8, 16):
        small_store.add_build(header(build={"M": m}), build(m))
    small_store.write_failure(Failure(header(build={"M": 32}), "crashed", "by a signal"))
    return small_store


def rows(found, **arguments):
    return harness.load_results(found.root, **arguments).to_dict("records")


def assert_same(found, expected):
    """Equal in values, types of containers and dtypes."""
    assert [list(row) for row in found] == [list(row) for row in expected]
    for ours, theirs in zip(found, expected, strict=True):
        for name, value in ours.items():
            same(value, theirs[name], name)


def same(ours, theirs, name):
    assert isinstance(ours, type(theirs)) or isinstance(theirs, type(ours)), name
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys(), name
        for key, value in ours.items():
            same(value, theirs[key], name)
    elif isinstance(ours, (tuple, list)):
        for mine, other in zip(ours, theirs, strict=True):
            same(mine, other, name)
    elif isinstance(ours, np.ndarray):
        assert ours.dtype == theirs.dtype, name
        np.testing.assert_array_equal(ours, theirs)
    else:
        assert ours == theirs or (ours != ours and theirs != theirs), name


def entries(found):
    return sorted((found.root / ".rows").iterdir())


def test_what_has_not_changed_is_not_read_again(filled, reads):
    first = rows(filled)
    assert len(reads) == 3
    assert_same(rows(filled), first)
    assert len(reads) == 3


def test_kept_rows_of_inner_products_need_no_truth(small_store, header, build, monkeypatch):
    other = header(metric="inner_product", dataset="other")
    small_store.add_build(other, build(0))
    small_store.write_truth(other.identity, small_store.read_truth(header().identity))
    rows(small_store)
    asked, read = [], store.ResultStore.read_truth

    def counted(self, identity):
        asked.append(identity.dataset)
        return read(self, identity)

    monkeypatch.setattr(store.ResultStore, "read_truth", counted)
    assert {row["dataset"] for row in rows(small_store)} == {"small", "other"}
    assert asked == ["small"]


def test_one_new_build_costs_one_point(filled, reads, header, build):
    rows(filled)
    reads.clear()
    filled.add_build(header(build={"M": 8}), build(0))
    found = {row["build"]["M"]: row["builds"] for row in rows(filled)}
    assert found == {4: 2, 8: 2, 16: 1, 32: 0}
    assert len(reads) == 1


@pytest.mark.parametrize("settled", [0, row_cache._SETTLED_NS])
def test_other_content_of_the_same_size_and_time_is_seen(
    filled, reads, header, build, monkeypatch, settled
):
    monkeypatch.setattr(row_cache, "_SETTLED_NS", settled)
    path = filled.path_of(header(build={"M": 8})).with_name(
        filled.path_of(header(build={"M": 8})).name + ".hdf5"
    )
    before = path.stat()
    rows(filled)
    other = path.read_bytes()
    filled.add_build(header(build={"M": 8}), build(8, seconds=5e-3))
    fresh = {row["build"]["M"]: row["qps"] for row in rows(filled)}
    path.write_bytes(other)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    again = {row["build"]["M"]: row["qps"] for row in rows(filled)}
    assert again[8] > 2 * fresh[8]


def test_another_truth_makes_other_rows(filled, reads, header, truth):
    assert rows(filled)[0]["recall@10"] == 1.0
    filled.truth_path(header().identity).unlink()
    filled.write_truth(header().identity, Truth(truth.ids, truth.distances / 2))
    assert rows(filled)[0]["recall@10"] == 0.0


def test_a_truth_that_is_replaced_meanwhile_makes_other_rows(filled, header, truth, monkeypatch):
    identity = header().identity
    read, path = store.ResultStore.read_truth, filled.truth_path(identity)

    def replaced_once_read(self, asked):
        found = read(self, asked)
        patch.undo()
        path.unlink()
        self.write_truth(asked, Truth(truth.ids, truth.distances / 2))
        return found

    with monkeypatch.context() as patch:
        patch.setattr(store.ResultStore, "read_truth", replaced_once_read)
        assert rows(filled)[0]["recall@10"] == 1.0
    assert {row["recall@10"] for row in rows(filled) if row["status"] == "ok"} == {0.0}


def test_damaged_entries_count_for_nothing(filled, reads):
    first = rows(filled)
    whole = [path.read_bytes() for path in entries(filled)]
    reads.clear()
    for number, damage in enumerate(
        [lambda d: b"", lambda d: d[:-1], lambda d: d + b"\0", lambda d: b"\0" * len(d)]
        + [lambda d, at=at: d[:at] + bytes([d[at] ^ 1]) + d[at + 1 :] for at in (0, 40, 900, -1)]
    ):
        for path, data in zip(entries(filled), whole, strict=True):
            path.write_bytes(damage(data))
        assert_same(rows(filled), first)
        assert len(reads) == 3 * (number + 1)


def test_an_entry_does_not_stand_for_another_point(filled):
    first = rows(filled)
    one, other, *_ = entries(filled)
    one.write_bytes(other.read_bytes())
    assert_same(rows(filled), first)


@pytest.mark.parametrize("what", ["version", "private_key"])
def test_entries_of_another_version_or_user_count_for_nothing(filled, reads, monkeypatch, what):
    first = rows(filled)
    reads.clear()
    value = b"k" * 32 if what == "private_key" else "other"
    monkeypatch.setattr(row_cache, what, lambda: value)
    assert_same(rows(filled), first)
    assert len(reads) == 3


def test_a_copied_folder_is_known_by_its_content(filled, reads, tmp_path):
    rows(filled)
    reads.clear()
    copy = store.ResultStore(tmp_path / "copy")
    shutil.copytree(filled.root, copy.root)
    found = rows(copy)
    assert (len(found), len(reads)) == (4, 0)
    assert all(row["path"].startswith(str(copy.root)) for row in found)


def test_entries_of_points_that_are_gone_go_too(filled, header):
    rows(filled)
    assert len(entries(filled)) == 4
    filled.stored(filled.path_of(header(build={"M": 16}))).path.unlink()
    rows(filled)
    assert len(entries(filled)) == 3


def test_a_folder_that_takes_no_entries_works_without(filled, reads):
    (filled.root / ".rows").write_text("in the way")
    first = rows(filled)
    assert_same(rows(filled), first)
    assert len(reads) == 6


def test_a_link_to_elsewhere_is_left_alone(filled, reads, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine.row").write_text("kept")
    (filled.root / ".rows").symlink_to(elsewhere)
    rows(filled)
    assert [path.name for path in elsewhere.iterdir()] == ["mine.row"]


def test_a_commit_is_answered_from_entries_where_all_builds_are_its_own(
    small_store, header, build, reads
):
    for m, commits in ((8, "aa"), (16, "ab"), (32, "bb")):
        for number, commit in enumerate(commits):
            source = {"commit": commit * 40, "dirty": False}
            small_store.add_build(header(build={"M": m}), build(number, source=source))
    rows(small_store)
    reads.clear()
    found = {row["build"]["M"]: row["builds"] for row in rows(small_store, commit="aaaa")}
    assert found == {8: 2, 16: 1}
    assert len(reads) == 1  # of M = 16, of which the other build is of another commit
