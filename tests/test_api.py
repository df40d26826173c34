"""The Python API: it measures, reads and draws as the command line does, and says the same."""

from __future__ import annotations

import dataclasses
import inspect
import json
import shutil
from pathlib import Path

import h5py
import matplotlib.figure
import numpy as np
import pytest
from typer.testing import CliRunner

import harness
from harness.cli.commands.run import run
from harness.cli.main import app
from harness.running.executors.local import LocalExecutor
from harness.running.suite_run import RunOptions

QUICK = {"builds": 3, "repeats": 1, "least_seconds": 0, "precision": "off"}


def test_the_command_python_and_the_runner_know_the_same_options():
    """Each lists them, typer and a signature that editors complete need it: none is forgotten."""
    shared = {field.name for field in dataclasses.fields(RunOptions)}
    of_python = set(inspect.signature(harness.run).parameters)
    assert of_python == {*shared, "suite", "results", "plugins", "progress"}
    of_the_command = set(inspect.signature(run).parameters)
    one_by_one = {"datasets": "dataset", "algorithms": "algorithm"}  # given again and again
    named = {one_by_one.get(name, name) for name in shared}
    assert of_the_command == {*named, "suite", "results", "plugins", "dry_run"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, session_cache):
    """An empty current folder, with a file of 300 rows of 8 dimensions and 20 queries."""
    folder = tmp_path_factory.mktemp("api")
    rng = np.random.default_rng(3)
    with h5py.File(folder / "small.hdf5", "w") as file:
        file["train"] = rng.standard_normal((300, 8)).astype(np.float32)
        file["test"] = rng.standard_normal((20, 8)).astype(np.float32)
        file.attrs["distance"] = "angular"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("ANNHARNESS_DATA", str(session_cache))
        yield folder


@pytest.fixture(scope="module")
def suite(folder):
    usual = {"build": {"nlist": 16}, "search": {"nprobe": 2}}
    hasty = {"label": "hasty", "build": {"nlist": 16, "training_points": 100}}
    algorithms = {"exact": None, "faiss-ivf": [usual, {**usual, **hasty}]}
    return {
        "k": 5, "datasets": "small.hdf5", "algorithms": algorithms, "baseline": "faiss-ivf", **QUICK
    }  # fmt: skip


@pytest.fixture(scope="module")
def measured(suite):
    return harness.run(suite, progress=False)


def test_every_public_name_is_there():
    for name in harness.__all__:
        assert getattr(harness, name) is not None
    assert set(harness.__all__) <= set(dir(harness))


def test_a_run_returns_its_summary_and_its_points(measured, folder):
    assert measured.summary.measured > 2
    assert not measured.summary.failures
    assert set(measured.table["label"]) == {"exact", "faiss-ivf", "hasty"}  # not no-op
    assert (measured.table["builds"] == 3).all()
    assert measured.results == Path("results")
    assert f"{measured.summary.measured} measured now" in repr(measured)
    stored = harness.load_results(folder / "results")
    assert set(stored["key"]) == set(measured.table["key"])


def test_a_run_tells_which_differences_in_recall_to_its_baseline_are_real(measured):
    table = measured.recall_table
    assert len(table) == len(measured.recall_differences) > 0
    assert set(table["label"]) == {"hasty"}
    assert (table["low"] <= table["difference"]).all()
    assert (table["difference"] <= table["high"]).all()
    assert measured.verdict.startswith(("real with", "no difference is real"))


def test_what_is_stored_is_not_measured_again(measured, suite, capsys):
    again = harness.run(suite)
    assert again.summary.measured == 0
    assert again.summary.kept == measured.summary.measured
    told = capsys.readouterr()
    assert told.out == ""
    assert "0 builds to run" in told.err


@pytest.mark.slow
def test_what_is_stored_stays_until_a_forced_run_has_measured_it(folder, monkeypatch):
    asked = {"datasets": "small.hdf5", "algorithms": "exact", "results": "forced", **QUICK}
    first = harness.run(progress=False, k=4, **asked).table
    whole = LocalExecutor.run_blocks

    def interrupted(executor, blocks, follow):
        for spec, outcome in whole(executor, blocks, follow):
            yield spec, outcome
            if outcome is not None:
                raise KeyboardInterrupt

    monkeypatch.setattr(LocalExecutor, "run_blocks", lambda *_: iter(raise_interrupt, None))
    with pytest.raises(KeyboardInterrupt):
        harness.run(progress=False, k=4, force=True, **asked)
    assert harness.load_results("forced")["builds"].tolist() == first["builds"].tolist() == [3]
    monkeypatch.setattr(LocalExecutor, "run_blocks", interrupted)
    with pytest.raises(KeyboardInterrupt):
        harness.run(progress=False, k=4, force=True, **asked)
    assert harness.load_results("forced")["builds"].tolist() == [1]  # never old beside new
    monkeypatch.setattr(LocalExecutor, "run_blocks", whole)
    last = harness.run(progress=False, k=4, **asked)
    assert last.table["builds"].tolist() == [3]


@pytest.mark.slow
def test_a_run_whose_results_are_deleted_meanwhile_says_so(folder, monkeypatch):
    whole = LocalExecutor.run_blocks

    def deleting(executor, blocks, follow):
        for spec, outcome in whole(executor, blocks, follow):
            yield spec, outcome
            shutil.rmtree("deleted", ignore_errors=True)

    monkeypatch.setattr(LocalExecutor, "run_blocks", deleting)
    asked = {"datasets": "small.hdf5", "algorithms": "exact", "results": "deleted"}
    with pytest.raises(harness.UserError, match="results that this run stored are gone"):
        harness.run(progress=False, k=4, **asked, **QUICK)


def raise_interrupt():
    raise KeyboardInterrupt


def test_without_progress_nothing_is_printed(measured, suite, capsys):
    harness.run(suite, progress=False)
    assert capsys.readouterr() == ("", "")


@pytest.mark.slow
def test_a_run_without_a_suite_takes_datasets_and_algorithms(measured):
    asked = {"datasets": Path("small.hdf5"), "algorithms": "exact", "k": 3, "results": "others"}
    found = harness.run(progress=False, **asked, **QUICK)
    assert set(found.table["k"]) == {3}
    assert found.results == Path("others")
    assert found.suite == "no-suite"
    with pytest.raises(harness.UserError, match="nothing to run"):
        harness.run(datasets="small.hdf5")


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"k": 0}, "a-mapping: k"),
        ({"kk": 1}, "a-mapping: kk"),
        ({"algorithms": {"exakt": None}}, "did you mean 'exact'"),
        ({"algorithms": {"exact": {"group": "smok"}}}, "a-mapping: algorithms.exact.group"),
        ({"about": object()}, "cannot be written as YAML"),
        ({"baseline": "pq"}, "is not a label of the suite"),
    ],
)
def test_a_mistake_in_a_mapping_is_named_by_its_key(suite, keys, words):
    with pytest.raises(harness.UserError) as refused:
        harness.run({**suite, **keys}, progress=False)
    assert words in refused.value.describe()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"builds": 0}, "wrong value for builds"),
        ({"precision": "5 per cent"}, "wrong value for precision"),
        ({"retry": "sometimes"}, "retry"),
        ({"datasets": "smal.hdf5"}, "did you mean 'small.hdf5'"),
        ({"plugins": "no-such-folder"}, "no-such-folder"),
    ],
)
def test_mistaken_arguments_are_refused_as_by_the_command_line(suite, options, words):
    with pytest.raises(harness.UserError) as refused:
        harness.run(suite, progress=False, **options)
    assert words in refused.value.describe()


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (harness.recommend, {"recalls": 2}),
        (harness.recommend, {"max_bytes": 1}),
        (harness.recommend, {"results": "nowhere"}),
        (harness.compare, {"old": "exact", "new": "faiss-ivf", "recalls": 0.999999}),
        (harness.publish, {"out": "small.hdf5"}),
        (harness.run, {"suite": "demo", "plugins": "small.hdf5"}),
        (harness.run, {"suite": "demo", "timeout": -1}),
        (harness.run, {"suite": "demo", "retry": "now"}),
        (harness.run, {"datasets": "small.hdf5", "algorithms": "exakt"}),
        (harness.open_dataset, {"name": "smal.hdf5"}),
    ],
)
def test_messages_name_no_option_that_only_the_command_line_has(measured, function, arguments):
    with pytest.raises(harness.UserError) as refused:
        function(**arguments)
    assert "--" not in refused.value.describe()


def test_datasets_are_opened_by_name_or_path(folder, capsys):
    opened = harness.open_dataset("small.hdf5", progress=False)
    assert isinstance(opened, harness.Dataset)
    assert opened.base.shape == (300, 8)
    assert opened.truth(5).ids.shape == (20, 5)
    assert harness.open_dataset(folder / "small.hdf5").fingerprint == opened.fingerprint


def test_comparisons_have_the_verdicts_of_the_command_line(measured, folder):
    found = harness.compare("exact", "faiss-ivf", recalls=0.2)
    done = CliRunner().invoke(
        app, ["compare", "exact", "faiss-ivf", "--recall", "0.2", "-o", "told.json"]
    )
    assert done.exit_code == 0, done.output
    told = json.loads((folder / "told.json").read_text())
    assert [row["verdict"] for row in told] == list(found.table["verdict"])
    assert [row["ratio"] for row in told] == list(found.table["ratio"])
    assert found.table["verdict"].iloc[0] in found._repr_html_()


def test_two_folders_are_compared_curve_by_curve(measured):
    found = harness.compare("results", "results", recalls=[0.2])
    assert found.title == "old: results, new: results"
    assert set(found.table["ratio"]) == {1.0}


def test_recommendations_are_those_of_the_command_line(measured):
    found = harness.recommend(recalls=[0.9, 0.5])
    assert list(found.table["level"]) == [0.5, 0.9]
    printed = CliRunner().invoke(app, ["recommend", "--recall", "0.5"]).output
    assert found.table["label"].iloc[0] in printed
    with pytest.raises(harness.UserError, match="at most at 1"):
        harness.recommend(recalls=95)


def test_a_suite_chooses_the_points(measured, suite):
    only = {**suite, "algorithms": {"exact": None}, "baseline": None}
    assert set(harness.recommend(only).points["label"]) >= {"exact"}
    assert "faiss-ivf" not in set(harness.recommend(only).points["label"])


@pytest.mark.slow
def test_figures_are_written_only_if_asked_for(measured, folder):
    before = set(folder.rglob("*"))
    drawn = harness.plot(figures=["qps-recall", "build-costs"])
    assert len(drawn) == 2
    assert all(isinstance(one, matplotlib.figure.Figure) for one in drawn.values())
    assert drawn._repr_html_().count("<img src=") == 2
    assert {path for path in set(folder.rglob("*")) - before if path.suffix == ".png"} == set()
    written = harness.plot(figures="qps-recall", out="pictures", formats="svg").paths
    assert [path.suffix for path in written] == [".svg"]
    assert all(path.is_file() for path in written)


def test_a_wrong_format_is_refused_before_anything_is_drawn(measured, folder):
    with pytest.raises(harness.UserError, match="gif"):
        harness.plot(out="new", formats="gif")
    assert not (folder / "new").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"style": "huge"}, "expected: 'screen', 'paper', 'slide'"),
        ({"y_scale": "square"}, "wrong y_scale"),
        ({"prices": -1}, "not a price per hour"),
    ],
)
def test_a_wrong_choice_is_refused_with_the_right_ones(measured, folder, options, words):
    with pytest.raises(harness.UserError, match=words):
        harness.plot(results=folder / "results", **options)


def test_a_recall_may_be_a_number_of_numpy(measured, folder):
    found = harness.recommend(recalls=np.float32(0.5), results=folder / "results")
    assert found.recalls == (0.5,)


def test_a_site_is_published(measured):
    page = harness.publish("site", recalls=0.5, title="Ours")
    assert page == Path("site/index.html")
    assert "<h1>Ours</h1>" in page.read_text()
    assert harness.publish("one.html", single_file=True) == Path("one.html")
