"""Results that travel to a folder of several people, and back."""

from __future__ import annotations

import shutil
import threading
from dataclasses import replace
from hashlib import sha256

import pytest

import harness
from harness.contracts import UserError
from harness.contracts.dataset import Truth
from harness.files.remote import RemoteFolder
from harness.interop.exchange import pull, push
from harness.results.point import Failure
from harness.results.store import ResultStore
from tests.results.conftest import TRUTH, names_of_files


@pytest.fixture
def remote(tmp_path):
    return RemoteFolder(str(tmp_path / "everyone's"))


def test_what_is_sent_is_taken_once_and_as_it_is(small_store, header, remote, tmp_path):
    small_store.write_failure(Failure(header(algorithm="other"), "crashed", "signal 11"))
    assert (push(small_store, remote).done, push(small_store, remote).kept) == (3, 3)
    other = ResultStore(tmp_path / "other")
    assert (pull(other, remote).done, pull(other, remote).kept) == (3, 3)
    assert names_of_files(other.root) == names_of_files(small_store.root)
    assert push(other, remote).done == 0  # the files are the same, byte for byte
    assert other.failure(header(algorithm="other")).status == "crashed"


def test_builds_of_several_machines_come_together(small_store, header, build, remote, tmp_path):
    other = ResultStore(tmp_path / "other")
    for number in (1, 2):
        other.add_build(header(), build(number, seconds=5.0))
    push(small_store, remote)
    push(other, remote)
    assert pull(small_store, remote).done == 1
    point = small_store.find(header()).point
    assert [one.number for one in point.builds] == [0, 1, 2]
    assert point.builds[1].times.max() < 1  # a build that is here stays
    assert point.builds[2].times.min() >= 5


@pytest.mark.parametrize("stored", [[], [0]])
def test_what_a_run_stores_meanwhile_stays(
    small_store, header, build, remote, tmp_path, monkeypatch, stored
):
    """It begins to store in the middle, where `take` has read what there is."""
    push(small_store, remote)
    store, run = ResultStore(tmp_path / "here"), ResultStore(tmp_path / "here")
    for number in stored:
        store.add_build(header(), build(number))
    storing = threading.Thread(target=run.add_build, args=(header(), build(1, seconds=5.0)))
    find = store.find

    def interrupted(what):
        found = find(what)
        storing.start()
        storing.join(timeout=0.2)
        return found

    monkeypatch.setattr(store, "find", interrupted)
    pull(store, remote)
    storing.join()
    point = run.find(header()).point
    assert [one.number for one in point.builds] == [0, 1]
    assert point.builds[1].times.min() >= 5


def test_what_a_run_stores_while_it_is_sent_has_its_own_hash(small_store, tmp_path):
    class BesideARun(RemoteFolder):
        def put(self, name, source):
            for path in small_store.root.rglob("*.hdf5"):
                path.write_bytes(path.read_bytes() + b"more")
            return super().put(name, source)

    remote = BesideARun(str(tmp_path / "everyone's"))
    push(small_store, remote)
    assert all(sha256(remote.read(name)).hexdigest() in name for name in remote.names())
    assert remote.names()


def test_a_failure_is_not_taken_where_the_point_was_measured(small_store, header, remote, tmp_path):
    other = ResultStore(tmp_path / "other")
    other.write_failure(Failure(header(), "timeout", "too long"))
    push(other, remote)
    assert pull(small_store, remote).kept == 1
    assert small_store.failure(header()) is None


def test_a_point_that_failed_after_some_builds_stays_failed(
    small_store, header, build, remote, tmp_path
):
    """Until the build that failed is there."""
    other = ResultStore(tmp_path / "other")
    small_store.write_failure(Failure(header(), "crashed", "signal 11", build_number=2))
    push(small_store, remote)
    assert pull(other, remote).conflicts == []
    assert (other.find(header()).builds, other.failure(header()).status) == (2, "crashed")
    small_store.forget_failure(header())
    small_store.add_build(header(), build(2))
    push(small_store, remote)
    pull(other, remote)
    assert (other.find(header()).builds, other.failure(header())) == (3, None)


def test_a_failure_is_not_taken_beside_the_same_point_of_another_name(
    small_store, header, remote, tmp_path
):
    other = ResultStore(tmp_path / "other")
    other.write_failure(Failure(replace(header(), name="m=4"), "crashed", "x", build_number=2))
    push(other, remote)
    ((_, text),) = pull(small_store, remote).conflicts
    assert "the same point is stored as M=4-" in text


def test_builds_of_an_older_version_that_are_taken_later_do_not_hide_the_newer_one(
    small_store, header, build, remote, tmp_path
):
    here = ResultStore(tmp_path / "here")
    here.write_truth(header().identity, TRUTH)
    here.add_build(header(), build(0))
    push(small_store, remote)
    here.add_build(header(adapter_sha256="newer"), build(0))
    assert pull(here, remote).done == 1
    table = harness.load_results(here.root, stale=False)
    assert table["adapter_sha256"].tolist() == ["newer"]


def test_a_damaged_truth_is_neither_taken_nor_kept(small_store, header, remote, tmp_path):
    other = ResultStore(tmp_path / "other")
    other.write_truth(header().identity, Truth(TRUTH.ids, -TRUTH.distances.cumsum(axis=1)))
    push(other, remote)
    assert "do not ascend" in pull(small_store, remote).refused[0][1]
    push(small_store, remote)
    pull(other, remote)
    assert other.holds_truth(header().identity)


def cut(path):
    path.write_bytes(path.read_bytes()[:-10])


def rename_without_content(path):
    path.rename(path.with_name("0" * 64))


def other_place(path):
    """Another algorithm's folder, with the hash as it was."""
    target = path.parents[3] / "10" / "wrong" / path.parent.name / path.name
    target.parent.mkdir(parents=True)
    path.rename(target)


@pytest.mark.parametrize(
    ("harm", "reason"),
    [(cut, "not that of its hash"), (rename_without_content, "not that of its hash")],
)
def test_what_is_damaged_is_refused(small_store, remote, tmp_path, harm, reason):
    push(small_store, remote)
    for path in list((tmp_path / "everyone's").rglob("*/scan/*/*")):
        harm(path)
    found = pull(ResultStore(tmp_path / "other"), remote)
    assert (found.done, len(found.refused)) == (1, 1)
    assert reason in found.refused[0][1]


def test_a_file_that_is_being_sent_is_no_result_yet(small_store, remote, tmp_path):
    push(small_store, remote)
    (path,) = (tmp_path / "everyone's").rglob("*/scan/*/*")
    path.rename(path.with_name(f"{path.name}.0123456789abcdef.part"))
    found = pull(ResultStore(tmp_path / "other"), remote)
    assert (found.done, found.refused) == (1, [])


def test_where_a_result_goes_is_decided_by_what_it_holds(small_store, header, remote, tmp_path):
    push(small_store, remote)
    (path,) = (tmp_path / "everyone's").rglob("*/scan/*/*")
    other_place(path)
    other = ResultStore(tmp_path / "other")
    assert pull(other, remote).refused == []
    assert len(other.settled(header())) == 2
    assert not (tmp_path / "other" / "small" / "10" / "wrong").exists()


@pytest.mark.parametrize(
    "name",
    [
        "results/..small/10/scan/x.hdf5/" + "a" * 64,
        "results/small/10/scan/x.txt/" + "a" * 64,
        "results/small/ten/scan/x.hdf5/" + "a" * 64,
        "results/x.hdf5",
        "results/small/10/truth-x.npz/" + "a" * 64,
    ],
)
def test_a_file_of_another_name_is_refused(remote, tmp_path, name):
    folder = tmp_path / "everyone's"
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    found = pull(ResultStore(tmp_path / "other"), remote)
    assert found.done == 0
    assert names_of_files(tmp_path / "other") == []


def test_a_damaged_result_is_not_sent(small_store, remote):
    (path,) = small_store.root.rglob("scan/*.hdf5")
    cut(path)
    found = push(small_store, remote)
    assert (found.done, len(found.refused)) == (1, 1)  # the truth goes


def test_the_verbs(small_store, tmp_path, command):
    done = command("results", "push", "shared", "--results", small_store.root)
    assert done.stdout == "2 files sent, 0 there already, 0 refused\n", done.stderr
    done = command("results", "pull", "shared", "--results", "mine")
    assert done.stdout == "2 files taken, 0 there already, 0 refused\n"
    assert names_of_files(tmp_path / "mine") == names_of_files(small_store.root)
    for path in (tmp_path / "shared").rglob("scan/*/*"):
        cut(path)
    shutil.rmtree(tmp_path / "mine")
    done = command("results", "pull", "shared", "--results", "mine")
    assert done.returncode == 1
    assert "refused results/small/10/scan/" in done.stderr
    assert command("results", "pull", "nosuch://x").returncode == 2


def test_a_folder_without_results_is_told(tmp_path):
    """A typing mistake must not look like success."""
    with pytest.raises(UserError, match="no results are there"):
        pull(ResultStore(tmp_path / "new"), RemoteFolder(str(tmp_path / "nowhere")))
    assert not (tmp_path / "new").exists()


def test_a_results_folder_that_is_not_there_sends_nothing(remote, tmp_path, command):
    assert command("results", "push", "shared", "--results", "nowhere").returncode == 2
    with pytest.raises(UserError):
        pull(ResultStore(tmp_path / "new"), RemoteFolder("nosuch://x"))
