"""`list` is short; `show` tells the rest."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from harness.cli.main import app
from harness.contracts import UserError
from harness.registry import load_registry
from harness.registry.suites import suite_names
from harness.running.environments import probe

ENTRY = """\
mine:
  adapter: adapter:Mine
  about: A test.
  metrics: [angular]
  build: {M: [5, 7], nbits: 4}
  search: {rerank: [0, 5, 20]}
  where: "rerank == 0 or rerank >= k"
  require: {"d % M == 0": "M must divide the dimension"}
  requires: ["no-such-package==1.2"]
  groups:
    smoke: {build: {M: [5]}, search: {rerank: 0}}
"""


def told(*arguments, width=80):
    done = CliRunner().invoke(app, list(map(str, arguments)), env={"COLUMNS": str(width)})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.output


@pytest.mark.parametrize("width", [60, 80, 200])
def test_each_entry_has_one_line_that_fits(width):
    registry = load_registry()
    names = [*registry.algorithms, *registry.datasets, *suite_names()]
    lines = told("list", width=width).splitlines()
    assert max(map(len, lines)) <= width
    firsts = [line.split()[0] for line in lines if line]
    assert [name for name in firsts if name in names] == names
    assert len(lines) < len(names) + 8  # titles and blank lines


@pytest.mark.parametrize("width", [80, 130, 200])
def test_datasets_are_listed_without_cutting_a_figure(width):
    lines = told("data", "list", width=width).splitlines()
    assert max(map(len, lines)) <= width
    assert not any("…" in line for line in lines)
    entries = load_registry().datasets.values()
    assert len(lines) == 1 + len(entries)
    for entry, line in zip(entries, lines[1:], strict=True):
        assert line.split()[:4] == [
            entry.name,
            f"{entry.base:,}",
            str(entry.dimension),
            entry.metric,
        ]
        assert (entry.licence in line) == ("licence" in lines[0])
    assert ("licence" in lines[0]) >= (width == 200)


def test_paths_of_a_dataset_are_shown_in_one_piece(tmp_path, monkeypatch):
    monkeypatch.setenv("ANNHARNESS_DATA", str(tmp_path / ("long" * 20)))
    entry = load_registry().dataset("fashion-mnist-784-euclidean")
    assert entry.origin in told("show", entry.name)


def test_metrics_are_words_where_there_is_room_and_else_letters():
    wide = dict(line.split(maxsplit=1) for line in told("list", width=200).splitlines() if line)
    assert "  angular, inner_product  " in wide["anisotropic-pq"]
    narrow = told("list", width=80).splitlines()
    assert narrow[0].endswith(": a angular, e euclidean, i inner_product")
    line = next(line for line in narrow if line.startswith("anisotropic-pq "))
    assert "  a i  " in line


@pytest.mark.parametrize(
    ("word", "metric"),
    [("euclidean", "euclidean"), ("L2", "euclidean"), ("ip", "inner_product")],
)
def test_words_filter_by_metric(word, metric):
    """Not by what else has the word: a description may say that a metric is not taken."""
    lines = told("list", "algorithms", word).splitlines()
    named = {line.split()[0] for line in lines[1:] if line}
    entries = load_registry().algorithms.values()
    assert named == {one.name for one in entries if metric in one.metrics}


def test_words_filter_names_and_descriptions():
    lines = told("list", "graph", "algorithms").splitlines()
    assert any(line.startswith("ngt ") for line in lines)
    assert not any(line.startswith(("pq ", "glove", "demo")) for line in lines)
    assert "Datasets" in told("list", "glove", "twitter")
    with pytest.raises(UserError, match="did you mean 'hnswlib'"):
        told("list", "hnswlbi")
    with pytest.raises(UserError, match=r"did you mean 'suites' or"):
        told("list", "suits")


def test_only_what_is_listed_is_imported_for_a_check(tmp_path, monkeypatch):
    monkeypatch.setenv("ANNHARNESS_DATA", str(tmp_path / "cache"))
    for name in ("one", "two"):
        folder = tmp_path / "algorithms" / name
        folder.mkdir(parents=True)
        (folder / "config.yml").write_text(
            f"plain-{name}: {{adapter: adapter:Plain, about: A test., metrics: [angular]}}\n"
        )
        (folder / "adapter.py").write_text(
            f"from pathlib import Path\nPath({str(tmp_path / name)!r}).touch()\nclass Plain: ...\n"
        )
    told("list", "plain-two", "algorithms", "--check", "--plugins", tmp_path)
    assert (tmp_path / "two").exists()
    assert not (tmp_path / "one").exists()


def test_an_import_that_took_too_long_is_not_remembered_as_broken(tmp_path, monkeypatch):
    """A busy machine made an entry `no import` until its code changed."""
    monkeypatch.setenv("ANNHARNESS_DATA", str(tmp_path / "cache"))
    monkeypatch.setattr(probe, "_TIMEOUT_SECONDS", 0.01)
    folder = tmp_path / "algorithms" / "slow"
    folder.mkdir(parents=True)
    (folder / "adapter.py").write_text("class Slow: ...\n")
    (folder / "config.yml").write_text(
        "slow: {adapter: adapter:Slow, about: A test., metrics: [angular]}\n"
    )
    arguments = ("list", "slow", "algorithms", "--plugins", tmp_path)
    assert "timeout at import" in told(*arguments, "--check", width=200)
    assert "ready" in told(*arguments, width=200)


def test_an_algorithm_is_shown_with_its_grid_and_what_falls_out_of_it(tmp_path):
    folder = tmp_path / "algorithms" / "mine"
    folder.mkdir(parents=True)
    (folder / "config.yml").write_text(ENTRY)
    (folder / "adapter.py").write_text("class Mine: ...\n")
    words = told("show", "mine", "--plugins", tmp_path, "-d", "glove-50-10k", "--k", 10)
    assert max(map(len, words.splitlines())) <= 80
    for line in (
        "M = 5, 7",
        "nbits = 4",
        "smoke: M=5 rerank=0",
        "rerank == 0 or rerank >= k",
        "for k = 10, 10,000 rows of 50, angular: 2 builds, 4 points",
        "group smoke: 1 build, 1 point",
        "where drops 2",
        "  M=5 | rerank=5",
        "refused: 2",
        "M=7 | rerank=0: M must divide the dimension (M=7 d=50)",
        "no-such-package==1.2 (installed: none)",
        "pip install 'no-such-package==1.2'",
    ):
        assert " ".join(line.split()) in " ".join(words.split())


def test_a_dataset_and_a_suite_are_shown(tmp_path):
    words = told("show", "glove-50-10k")
    assert "10,000 x 50" in words
    assert "bundled" in words
    assert "query distribution" not in words
    shown = " ".join(told("show", "glove-100").split())
    assert "query distribution same as the base" in shown
    words = told("show", "peers")
    assert "glove-100: 331,479 x 100, angular" in words
    assert "hnswlib: M=16 efSearch=20, 40, 80, 160, 320" in words
    (tmp_path / "mine.yml").write_text("k: 5\ndatasets: x.hdf5\nalgorithms: [exact]\n")
    assert "x.hdf5: not known here" in told("show", tmp_path / "mine.yml")


def test_an_entry_says_once_that_it_is_untested():
    name = next(entry.name for entry in load_registry().datasets.values() if entry.untested)
    assert " ".join(told("show", name).split()).count("never loaded end to end") == 1


def test_entries_can_be_shown():
    registry = load_registry()
    for name in [*list(registry.algorithms)[::6], *list(registry.datasets)[::12], *suite_names()]:
        assert name in told("show", name)


def test_an_unknown_name_gets_the_nearest_of_all_kinds():
    with pytest.raises(UserError, match="did you mean 'glove-50-10k'"):
        told("show", "glove-5010k")
    with pytest.raises(UserError, match="did you mean 'hnswlib'"):
        told("show", "hnswlb")
