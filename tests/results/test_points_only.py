"""Packages of points alone: figures without the answers and times that they were computed from."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import zipfile
import zlib
from contextlib import nullcontext
from dataclasses import replace

import h5py
import numpy as np
import pytest

import harness
from harness.contracts import UserError
from harness.contracts.filters import FILTERED_SUFFIX
from harness.interop.exchange import merge
from harness.interop.package import MANIFEST, opened, pack
from harness.interop.package_checks import check_package
from harness.interop.taking import Taken, take
from harness.registry.registry import load_registry
from harness.report.export.exporting import export, query_rows
from harness.results.point import Failure
from harness.results.store import ResultStore
from harness.results.summary_files import LEVEL_STEP, read_summary, write_summary
from harness.results.table.rows import load_results
from harness.results.untrusted.checks import BrokenResult
from tests.results.conftest import NQ, TRUTH, make_build, make_header

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


def same(theirs, ours):
    try:
        np.testing.assert_equal(theirs, ours)
    except AssertionError:
        return False
    return True


def test_all_figures_are_those_of_the_whole_but_for_those_of_single_queries(measured, taken):
    whole, points = load_results(measured.root), load_results(taken.root)
    assert whole["has_answers"].tolist() == [False, True]
    assert points["has_answers"].tolist() == [False, False]
    pairs = {name: list(zip(points[name], whole[name], strict=True)) for name in whole.columns}
    differ = {name for name, both in pairs.items() if not all(same(*one) for one in both)}
    speeds = ("level", "seconds", "qps", "build_queries")
    rounded = {name for name in differ - FROM_ANSWERS if any(one in name for one in speeds)}
    assert differ - rounded == FROM_ANSWERS | {"has_answers", "path", "diagnostics"}
    for name in rounded:
        assert same(*pairs[name][0])  # of the failure
        theirs, ours = pairs[name][1]
        # Logarithms change by half a step, so figures by half a thousandth.
        np.testing.assert_allclose(theirs, ours, rtol=LEVEL_STEP, err_msg=name)
    assert len(query_rows(whole))
    assert query_rows(points).empty


def test_what_a_run_has_stored_since_the_table_was_read_is_packed(small_store, tmp_path):
    table = load_results(small_store.root)
    small_store.add_build(make_header(), make_build(2))
    made = pack(table, small_store.root, tmp_path / "points.zip", points_only=True)
    assert [point.builds for point in made.points] == [3]


def test_levels_are_stored_in_steps_and_unknown_ones_as_such(taken, tmp_path):
    summary = read_summary(taken.files_of(taken.path_of(make_header())).summary)
    rounds = np.random.default_rng(1).normal(-7, 0.2, (2, NQ))
    levels = np.insert(rounds, 1, np.nan, axis=0)
    build = replace(summary.builds[0], levels=levels, reference_levels=levels[[0, 2]])
    copy = tmp_path / "copy.summary.json"
    write_summary(copy, replace(summary, builds=[build]))
    (read,) = read_summary(copy).builds
    np.testing.assert_allclose(read.levels, levels, rtol=0, atol=LEVEL_STEP / 2 + 1e-12)
    np.testing.assert_allclose(read.reference_levels, rounds, rtol=0, atol=LEVEL_STEP / 2 + 1e-12)
    write_summary(tmp_path / "again.json", read_summary(copy))
    assert (tmp_path / "again.json").read_bytes() == copy.read_bytes()


def test_a_round_takes_two_bytes_of_a_package_at_most(taken, tmp_path):
    summary = read_summary(taken.files_of(taken.path_of(make_header())).summary)
    sizes = []
    for windows in (1, NQ):
        levels = np.random.default_rng(1).normal(-7, 0.2, (500, windows))
        build = replace(summary.builds[0], passes=500, levels=levels, reference_levels=levels[:0])
        write_summary(tmp_path / "one.json", replace(summary, builds=[build]))
        sizes.append(len(zlib.compress((tmp_path / "one.json").read_bytes())))
    assert sizes[1] - sizes[0] < 2 * 500 * (NQ - 1)


def test_a_package_of_points_is_consistent_and_warns_of_what_is_as_stated(packed):
    found = findings(packed)
    assert found["refused"] == []
    (text,) = (one for one in found["warning"] if "answers" in one)
    assert text == "without its answers and times: recall and latency are as its sender states them"
    with opened(packed) as package:
        answers = [point.has_answers for point in package.manifest.points]
        assert answers == [False, False]
        assert not any(name.endswith((".hdf5", ".npz")) for name in package.manifest.files)


def levels_of(levels):
    """Levels as a summary holds them."""
    steps = np.rint((levels - -7.0) / LEVEL_STEP).astype("<u2").reshape(-1, 1).view(np.uint8).T
    cycles, windows = levels.shape
    text = base64.b64encode(steps.tobytes()).decode()
    return {"cycles": cycles, "windows": windows, "lowest": -7000, "steps": text}


def be_faster(summary):
    for build in summary["builds"]:
        build["levels"]["lowest"] -= 1000


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


def be_of_a_true_format(summary):
    summary["format"] = True


def be_no_number(summary):
    summary["builds"][0]["log_seconds"] = math.nan


def have_no_windows(summary):
    for build in summary["builds"]:
        build["levels"] = build["reference_levels"] = levels_of(np.empty((2, 0)))


def have_more_windows_than_queries(summary):
    summary["builds"][0]["levels"] = levels_of(np.full((2, NQ + 1), -7.0))


def have_more_rounds_than_passes(summary):
    summary["builds"][0]["levels"] = levels_of(np.full((4, 1), -7.0))


def have_less_than_it_says(summary):
    summary["builds"][0]["levels"]["windows"] = 2


def be_in_no_base64(summary):
    summary["builds"][0]["levels"]["steps"] = "[[[["


def be_of_filters(summary):
    summary["by_filter"] = {"0.1 none": classed()}


def split_otherwise(summary):
    for name in ("tuning_recall", "held_out_recall", "held_out_recall_high"):
        summary["numbers"][name] = 0.5
    summary["numbers"]["held_out_recall_low"] = 0.0


def be_of_no_held_out_queries(summary):
    del summary["numbers"]["held_out_recall"]


def answer_at_once(summary):
    for name in ("p50_ms", "p95_ms", "p99_ms", "p999_ms"):
        summary["numbers"][name] = 1e-6


def answer_at_once_also_in_the_mean(summary):
    answer_at_once(summary)
    summary["numbers"]["mean_ms"] = 1e-6


def answer_half_late(summary):
    for name in ("p50_ms", "p95_ms", "p99_ms", "p999_ms"):
        summary["numbers"][name] = 1e3


def be_under_load_without_a_schedule(summary):
    summary["header"]["identity"]["mode"] = "load"


def state_a_highest_rate(summary):
    summary["numbers"]["max_rate_qps"] = 1e9


def classed(**changes):
    figures = {"recall": [1.0, 1.0, 1.0], "relative_speed": [1.0, 0.9, 1.1]}
    return {"queries": NQ, "below_k": 0, **figures, **changes}


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
        (be_of_a_true_format, "format"),
        (be_no_number, "builds.0.log_seconds"),
        (have_no_windows, "builds.0.levels.windows"),
        (have_more_windows_than_queries, "levels of the shape (2, 21) for 20 queries"),
        (have_more_rounds_than_passes, "levels of 4 passes, expected 2"),
        (have_less_than_it_says, "levels of the shape (2, 2) in 4 bytes"),
        (be_in_no_base64, "levels: "),
        (be_of_filters, "its queries have no filters"),
        (split_otherwise, "their mean is not the recall"),
        (be_of_no_held_out_queries, "held_out_recall: not known"),
        (answer_at_once, "p999_ms: too small for mean_ms"),
        (answer_at_once_also_in_the_mean, "too small for the speed of its builds"),
        (answer_half_late, "p50_ms: too large for mean_ms"),
        (be_under_load_without_a_schedule, "the mode load without one"),
        (state_a_highest_rate, "other numbers"),
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
        for name in ("tuning_recall", "held_out_recall"):
            summary["numbers"][name] = 0.3
        summary["numbers"]["held_out_recall_low"] = 0.2

    def say_so(point):
        point["figures"].update(recall=0.3, recall_low=0.2)

    alter(packed, raise_recall, manifest=say_so)
    found = findings(packed)
    assert found["refused"] == []
    assert any("as its sender states" in one for one in found["warning"])


FILTERED = {"filter": ["range", "year", 1, 2]}


@pytest.mark.parametrize(
    ("by_filter", "text"),
    [
        ({"0.1 none": classed()}, ""),
        ({"eee..-- none": classed()}, "no class of filters"),
        ({"0.3 none": classed()}, "no class of filters"),
        ({"0.1 none": classed(queries=NQ - 1)}, "its queries"),
        ({"0.1 none": classed(below_k=NQ + 1)}, "its counts"),
        ({"0.1 none": classed(recall=[0.5, 0.4, 0.6])}, "the mean of its recall is not the recall"),
        ({"0.1 none": classed(recall=[1.0, -3.0, 9e99])}, "not from 0 to 1"),
        ({"0.1 none": classed(relative_speed=[-1.0, -1.0, 1.0])}, "relative_speed: impossible"),
    ],
)
def test_figures_by_filter_are_bound(taken, tmp_path, by_filter, text):
    path = taken.files_of(taken.path_of(make_header())).summary
    summary = json.loads(path.read_text())
    summary["header"]["identity"]["search"] = FILTERED
    summary["header"]["identity"]["dataset"] += FILTERED_SUFFIX
    summary["by_filter"] = by_filter
    copy = tmp_path / "copy.summary.json"
    copy.write_text(json.dumps(summary))
    with pytest.raises(BrokenResult, match=text) if text else nullcontext():
        assert read_summary(copy).by_filter == by_filter


def test_a_wide_interval_of_the_highest_rate_is_possible(taken, tmp_path):
    path = taken.files_of(taken.path_of(make_header())).summary
    summary = json.loads(path.read_text())
    load = {"rate": None, "p99_ms": 5.0, "drop_ms": 100.0}
    summary["header"]["identity"].update(mode="load", load=load)
    recalls = {name: v for name, v in summary["numbers"].items() if not name.endswith("_ms")}
    rates = {"max_rate_qps_low": 1e-8, "max_rate_qps": 1e5, "max_rate_qps_high": 1e18}
    summary["numbers"] = {**recalls, **rates, "dropped_share": 0.0, "late_start_share": 0.0}
    copy = tmp_path / "copy.summary.json"
    copy.write_text(json.dumps(summary))
    assert read_summary(copy).numbers["max_rate_qps_high"] == 1e18


@pytest.mark.parametrize("content", [b"{}", None])
@pytest.mark.parametrize("beside", ["builds", "failure"])
def test_a_summary_beside_other_results_of_its_point_is_refused(
    measured, packed, tmp_path, beside, content
):
    store = ResultStore(tmp_path / "both")
    store.write_truth(make_header().identity, TRUTH)
    if beside == "builds":
        store.add_build(make_header(), make_build(0))
    else:
        store.write_failure(Failure(make_header(), "crashed", "signal 11"))
    whole, summary = tmp_path / "whole.zip", store.files_of(store.path_of(make_header())).summary
    pack(load_results(store.root), store.root, whole)
    with zipfile.ZipFile(packed) as archive:
        (name,) = (one for one in archive.namelist() if one.endswith(".summary.json"))
        stated = archive.read(name) if content is None else content
    with zipfile.ZipFile(whole) as archive:
        files = {one: archive.read(one) for one in archive.namelist()}
    said = json.loads(files[MANIFEST])
    said["files"][name] = {"sha256": hashlib.sha256(stated).hexdigest(), "bytes": len(stated)}
    with zipfile.ZipFile(whole, "w") as archive:
        for one, data in {**files, name: stated, MANIFEST: json.dumps(said).encode()}.items():
            archive.writestr(one, data)
    text = "a summary lies beside the builds or the failure of its point"
    assert text in findings(whole)["refused"]
    taker = ResultStore(tmp_path / "taker")
    with opened(whole) as package:
        found = merge(taker, package)
    assert [reason for _, reason in found.refused] == [text]
    assert taker.stems() == []
    # In a results folder it counts for nothing, and is not given away.
    summary.write_bytes(stated)
    again = tmp_path / "again.zip"
    pack(load_results(store.root), store.root, again)
    assert findings(again)["refused"] == []


def test_a_summary_is_taken_by_the_name_of_its_own_point_alone(taken, tmp_path):
    path = taken.files_of(taken.path_of(make_header())).summary
    other = ResultStore(tmp_path / "other")
    name = path.relative_to(taken.root).as_posix()
    with pytest.raises(BrokenResult, match="its name does not match its content"):
        take(other, name.replace("M=4", "M=5"), path)
    assert other.stems() == []
    assert take(other, name, path) == Taken(True)
    renamed = json.loads(path.read_text())
    renamed["header"]["name"] = "M=5"
    copy = tmp_path / "renamed.json"
    copy.write_text(json.dumps(renamed))
    found = take(other, name.replace("M=4", "M=5"), copy)
    assert found == Taken(False, f"the same point is stored as {path.name}")


def test_a_failure_here_counts_more_than_a_summary(packed, taken, tmp_path):
    header, failure = make_header(), Failure(make_header(), "crashed", "signal 11")
    failed = ResultStore(tmp_path / "failed")
    failed.write_failure(failure)
    with opened(packed) as package:
        ((_, text),) = merge(failed, package).conflicts
    assert text == "failed here, a summary of builds there"
    assert failed.failure(header).status == "crashed"
    summary = taken.files_of(taken.path_of(header)).summary
    path = failed.files_of(failed.path_of(header)).failure
    found = take(taken, path.relative_to(failed.root).as_posix(), path)
    assert found == Taken(False, "crashed there, a summary of builds here")
    taken.write_failure(failure)
    assert not summary.exists()
    (row,) = load_results(taken.root).query("algorithm == 'scan'").to_dict("records")
    assert (row["status"], row["builds"]) == ("crashed", 0)


def test_a_broken_summary_does_not_hide_a_failure(taken):
    header = make_header()
    taken.write_failure(Failure(header, "crashed", "signal 11"))
    taken.files_of(taken.path_of(header)).summary.write_text("x")
    assert load_results(taken.root)["status"].tolist() == ["crashed", "crashed"]


def test_the_sizes_of_a_summary_are_compared_with_the_dataset_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ANNHARNESS_DATA", str(tmp_path / "cache"))
    with h5py.File(tmp_path / "rows.hdf5", "w") as file:
        file["train"], file["test"] = np.eye(100, 4, dtype=np.float32), np.eye(NQ, 4)
        file.attrs["distance"] = "euclidean"
    dataset = harness.open_dataset(str(tmp_path / "rows.hdf5"))
    header = make_header(dataset=dataset.name, fingerprint=dataset.fingerprint)
    for name, rows in (("right", 100), ("wrong", 10**9)):
        own, store = replace(header, n=rows, d=4), ResultStore(tmp_path / name)
        store.add_build(own, make_build(0))
        store.write_truth(header.identity, TRUTH)
        out = tmp_path / f"{name}.zip"
        pack(load_results(store.root), store.root, out, points_only=True)
        text = "its numbers of rows, dimensions or queries are not those of the dataset"
        assert findings(out)["refused"] == ([] if name == "right" else [text])


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


def test_points_left_out_of_the_rows_of_queries_are_told(taken, tmp_path):
    header = make_header(threads=2)
    taken.add_build(header, make_build(0))
    taken.write_truth(header.identity, TRUTH)
    with pytest.warns(UserWarning, match="1 point without answers: left out"):
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
