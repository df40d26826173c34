"""Packages of points alone: figures without the answers and times that they were computed from."""

from __future__ import annotations

import hashlib
import json
import zipfile

import numpy as np
import pytest

from harness.contracts import UserError
from harness.interop.exchange import merge
from harness.interop.package import MANIFEST, opened, pack
from harness.interop.package_checks import check_package
from harness.registry.registry import load_registry
from harness.report.export.exporting import export, query_rows
from harness.results.point import Failure
from harness.results.store import ResultStore
from harness.results.summary import read_summary, write_summary
from harness.results.table.rows import load_results
from harness.results.untrusted.checks import BrokenResult
from tests.results.conftest import TRUTH, make_build, make_header

FROM_ANSWERS = {"query_seconds", "query_recall", "query_first_recall", "query_difficulty"}


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A results folder of a point of four builds, in blocks of two, and of a failure."""
    store = ResultStore(tmp_path_factory.mktemp("measured") / "results")
    for number in range(4):
        store.add_build(make_header(), make_build(number))
    store.write_truth(make_header().identity, TRUTH)
    store.write_failure(Failure(make_header(algorithm="other"), "crashed", "signal 11"))
    return store


@pytest.fixture
def packed(measured, tmp_path):
    out = tmp_path / "points.zip"
    pack(load_results(measured.root), measured.root, out, points_only=True)
    return out


@pytest.fixture
def taken(packed, tmp_path):
    """A results folder that holds what is in the package."""
    return into(packed, tmp_path / "taken")


def into(package, folder):
    store = ResultStore(folder)
    with opened(package) as one:
        assert not merge(store, one).refused
    return store


def findings(package):
    with opened(package) as one:
        found = check_package(one, load_registry([])).findings
    return {level: [f.found for f in found if f.level == level] for level in ("refused", "warning")}


def alter(package, change, *, manifest=lambda said: None):
    """Change the summary in a package, and compute its hash anew."""
    with zipfile.ZipFile(package) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    (name,) = (one for one in files if one.endswith(".summary.json"))
    summary, said = json.loads(files[name]), json.loads(files[MANIFEST])
    change(summary)
    files[name] = json.dumps(summary).encode()
    sha256 = hashlib.sha256(files[name]).hexdigest()
    said["files"][name] = {"sha256": sha256, "bytes": len(files[name])}
    manifest(next(point for point in said["points"] if point["status"] == "ok"))
    files[MANIFEST] = json.dumps(said).encode()
    with zipfile.ZipFile(package, "w") as archive:
        for one, data in files.items():
            archive.writestr(one, data)


def test_all_figures_are_those_of_the_whole_but_for_those_of_single_queries(measured, taken):
    whole, points = load_results(measured.root), load_results(taken.root)
    assert whole["has_answers"].tolist() == [False, True]
    assert points["has_answers"].tolist() == [False, False]
    differ = set()
    for column in whole.columns:
        for ours, theirs in zip(whole[column], points[column], strict=True):
            try:
                np.testing.assert_equal(theirs, ours)
            except AssertionError:
                differ.add(column)
    assert differ == FROM_ANSWERS | {"has_answers", "path", "diagnostics"}
    assert len(query_rows(whole))
    assert query_rows(points).empty


def test_a_package_of_points_is_consistent_and_warns_of_what_is_as_stated(packed):
    found = findings(packed)
    assert found["refused"] == []
    (text,) = (one for one in found["warning"] if "answers" in one)
    assert text == "without its answers and times: recall and latency are as its sender states them"
    with opened(packed) as package:
        answers = [point.has_answers for point in package.manifest.points]
        assert answers == [False, False]
        assert not any(name.endswith((".hdf5", ".npz")) for name in package.manifest.files)


def be_faster(summary):
    for build in summary["builds"]:
        build["levels"] = [[level - 1 for level in row] for row in build["levels"]]


def be_smaller(summary):
    for build in summary["builds"]:
        build["facts"]["index_bytes"] = 0.5


def find_more_than_all(summary):
    summary["curves"]["recall_curve"][0] = 1.5


def turn_an_interval_round(summary):
    summary["curves"]["recall_low_curve"] = [1.0] * 10
    summary["curves"]["recall_curve"] = [0.5] * 10


def state_more(summary):
    summary["numbers"]["cost_per_million_queries"] = 0.0


def be_of_more_threads(summary):
    summary["header"]["identity"]["threads"] = 2


def be_of_the_future(summary):
    summary["builds"][0]["provenance"]["sequence"] = 1 << 52


def be_a_text(summary):
    summary["builds"][0]["log_seconds"] = "fast"


@pytest.mark.parametrize(
    ("harm", "text"),
    [
        (be_faster, "qps is"),
        (be_smaller, "index_bytes is"),
        (find_more_than_all, "recall_curve"),
        (turn_an_interval_round, "figures that do not ascend"),
        (state_more, "other numbers"),
        (be_of_more_threads, "the file name does not match its content"),
        (be_of_the_future, "measured in the future"),
        (be_a_text, "builds.0.log_seconds"),
    ],
)
def test_an_altered_summary_with_its_hash_computed_anew_is_refused(packed, harm, text):
    alter(packed, harm)
    refused = findings(packed)["refused"]
    assert any(text in one for one in refused), refused


def test_a_manifest_cannot_claim_answers_that_are_not_there(packed):
    alter(packed, lambda summary: None, manifest=lambda point: point.update(has_answers=True))
    (text,) = findings(packed)["refused"]
    assert text == "has_answers is True in the manifest, False by its files"


def test_a_recall_that_was_altered_everywhere_is_what_the_warning_is_about(packed):
    def raise_recall(summary):
        summary["curves"]["recall_low_curve"][-1] = 0.2
        summary["curves"]["recall_curve"][-1] = 0.3

    def say_so(point):
        point["figures"].update(recall=0.3, recall_low=0.2)

    alter(packed, raise_recall, manifest=say_so)
    found = findings(packed)
    assert found["refused"] == []
    assert any("as its sender states" in one for one in found["warning"])


def test_builds_count_more_than_a_summary_of_them(measured, packed, taken, tmp_path):
    header = make_header()
    with opened(packed) as package:
        again = merge(taken, package)
        assert (again.done, again.conflicts) == (0, [])
        found = merge(measured, package)
    assert (found.done, found.conflicts) == (0, [])
    whole = tmp_path / "whole.zip"
    pack(load_results(measured.root), measured.root, whole)
    into(whole, taken.root)
    assert not taken.files_of(taken.path_of(header)).summary.exists()
    assert load_results(taken.root)["has_answers"].sum() == 1


def test_a_summary_does_not_keep_a_point_from_being_measured(taken):
    header = make_header()
    assert taken.settled(header) == {}
    taken.write_truth(header.identity, TRUTH)
    taken.add_build(header, make_build(7))
    (row,) = load_results(taken.root).query("status == 'ok'").to_dict("records")
    assert (row["builds"], row["has_answers"]) == (1, True)
    assert not taken.files_of(taken.path_of(header)).summary.exists()


def test_a_summary_of_other_builds_is_a_conflict(packed, tmp_path):
    store = ResultStore(tmp_path / "other")
    store.write_truth(make_header().identity, TRUTH)
    store.add_build(make_header(), make_build(0, finished_at="2026-02-02T00:00:00Z"))
    with opened(packed) as package:
        ((_, text),) = merge(store, package).conflicts
    assert text == "a summary of other builds than are stored here"
    assert load_results(store.root)["has_answers"].any()


def test_points_without_answers_can_be_packed_again(packed, taken, tmp_path):
    again = tmp_path / "again.zip"
    pack(load_results(taken.root), taken.root, again)
    assert again.read_bytes() == packed.read_bytes()


def test_a_summary_belongs_to_a_commit_if_all_of_its_builds_do(tmp_path):
    store = ResultStore(tmp_path / "results")
    for number, commit in enumerate(("a" * 40, "b" * 40)):
        store.add_build(make_header(), make_build(number, source={"commit": commit}))
    store.write_truth(make_header().identity, TRUTH)
    out = tmp_path / "points.zip"
    pack(load_results(store.root), store.root, out, points_only=True)
    taken = into(out, tmp_path / "taken")
    assert len(load_results(taken.root)) == 1
    assert load_results(taken.root, commit="a").empty


def test_rows_of_queries_cannot_be_exported_without_answers(taken, tmp_path):
    with pytest.raises(UserError, match="no point has the answers of its queries"):
        export(load_results(taken.root), tmp_path / "queries.parquet", per_query=True)


def test_rows_of_queries_cannot_be_added_without_answers(measured, tmp_path):
    table = load_results(measured.root)
    with pytest.raises(UserError, match="rows of queries come from the answers"):
        pack(table, measured.root, tmp_path / "x.zip", per_query=True, points_only=True)


def test_a_summary_reads_back_as_it_was_written_and_other_files_are_broken(taken, tmp_path):
    path = taken.files_of(taken.path_of(make_header())).summary
    copy = tmp_path / "copy.summary.json"
    write_summary(copy, read_summary(path))
    assert copy.read_bytes() == path.read_bytes()
    for text in ("", "[]", '{"format": 2}', path.read_text().replace('"passes":2', '"passes":-1')):
        copy.write_text(text)
        with pytest.raises(BrokenResult):
            read_summary(copy)
