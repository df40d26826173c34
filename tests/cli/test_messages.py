"""Words that are nearly right, and figures in words."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from harness.cli.main import app
from harness.cli.terminal import Terminal
from harness.contracts import UserError
from harness.data.loading import open_definition, open_file
from harness.registry import load_registry
from harness.report.analysis.recommendations import optimism_text
from harness.report.comparing.sides import sides_of
from harness.results.identity import Machine
from harness.text import counted, percent


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "user-data"))
    monkeypatch.setenv("ANNHARNESS_DATA", str(tmp_path / "cache"))
    return tmp_path


def refused(*arguments):
    done = CliRunner().invoke(app, list(map(str, arguments)))
    assert isinstance(done.exception, UserError), done.output
    return done.exception.describe()


@pytest.mark.parametrize(
    ("word", "metric"),
    [("cosine", "angular"), ("L2", "euclidean"), ("ip", "inner_product"), ("dot", "inner_product")],
)
def test_metrics_have_the_names_that_people_use(home, word, metric):
    rows = np.random.default_rng(0).standard_normal((30, 4)).astype(np.float32)
    np.save(home / "rows.npy", rows)
    arguments = ["data", "add", "mine", "rows.npy", "--holdout", "5", "--metric", word]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert load_registry().dataset("mine").metric == metric


def test_an_unknown_metric_gets_the_nearest(home):
    assert "did you mean 'cosine'" in refused("data", "add", "x", "y.npy", "--metric", "cosin")


def test_a_name_in_other_letters_is_found():
    assert "did you mean 'faiss-pq'?" in refused("show", "FAISS-PQ")


def test_shares_are_never_rounded_to_another_number():
    shares = (0.05, 0.07, 0.025, 0.125, 0.0004, 34.56)
    assert list(map(percent, shares)) == ["5%", "7%", "2.5%", "12.5%", "0.04%", "3456%"]


def test_the_precision_of_a_suite_is_told_as_it_is(home):
    (home / "s.yml").write_text(
        "{k: 10, datasets: glove-50-10k, algorithms: exact, precision: 0.4%, repeats: 1}"
    )
    shown = CliRunner().invoke(app, ["show", "s.yml"]).output
    assert "0.4%" in shown
    assert "at least 1 time " in shown
    assert "precision of 0.4%" in CliRunner().invoke(app, ["run", "s.yml", "--dry-run"]).output


def test_the_path_of_a_file_written_is_told_as_it_is(home):
    np.save(home / "rows.npy", np.ones((3, 4), dtype=np.float32))
    target = home / ":cat:" / ("long" * 20) / "out.npy"
    target.parent.mkdir(parents=True)
    done = CliRunner().invoke(
        app, ["data", "convert", "rows.npy", str(target)], env={"COLUMNS": "80"}
    )
    assert f"wrote {target} (" in done.output
    Terminal(file=(out := io.StringIO())).print(":cat:")
    assert out.getvalue() == ":cat:\n"


def test_mistyped_datasets_get_the_nearest_names_or_files(small_hdf5):
    assert "did you mean 'glove-50-10k'" in refused("run", "demo", "-d", "glove-50-10")
    for verb in (["run", "demo", "-d"], ["data", "info"]):
        message = refused(*verb, "smal.hdf5")
        assert "did you mean 'small.hdf5'" in message
    assert "where:    datasets (-d)" in refused("run", "demo", "-d", "smal.hdf5")


def test_the_name_that_a_file_has_in_results_stands_for_it(home, small_hdf5):
    """The site's "copy command" names the dataset as the results do; it was refused."""
    name = open_file(small_hdf5).name
    point = {"k": 5, "datasets": [name], "algorithms": {"exact": {"build": {}, "search": {}}}}
    (home / "point.yml").write_text(json.dumps(point))
    done = CliRunner().invoke(app, ["run", "point.yml", "--dry-run"])
    assert done.exit_code == 0, done.output
    assert name in done.output
    elsewhere = name[:-8] + "0" * 8
    message = refused("run", "point.yml", "-d", elsewhere)
    assert "the name that results give to a file" in message
    assert "give the path of that file, with -d" in message


def test_mistyped_sides_get_the_nearest_folders(home):
    (home / "results-main" / "d").mkdir(parents=True)
    with pytest.raises(UserError, match="did you mean 'results-main'"):
        sides_of("results-main", "results-mian", home / "results-main")
    with pytest.raises(UserError, match="run the suite at that commit"):
        sides_of("results-main", "abcdef12", home / "results-main")


def test_a_dataset_to_be_placed_by_hand_says_where_it_is_to_be_had():
    with pytest.raises(UserError, match="available from http://corpus-texmex"):
        open_definition(load_registry().dataset("sift1m"))


def test_numbers_agree_with_their_nouns():
    assert Machine("X", 1, 1 << 30).short() == "X, 1 core, 1 GiB"
    assert Machine("X", 2, 1 << 30).short() == "X, 2 cores, 1 GiB"
    assert counted(1, "index", "indexes") == "1 index"
    assert counted(1200, "index", "indexes") == "1,200 indexes"


@pytest.mark.parametrize(
    ("gap", "words"),
    [(0.0, "the same to four digits"), (-0.00004, "the same to four digits"),
     (0.0017, "0.0017 higher"), (-0.00006, "0.0001 lower")],
)  # fmt: skip
def test_no_difference_is_none_in_words(gap, words):
    assert optimism_text(gap) == words
