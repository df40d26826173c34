"""Recommendations within limits: the reader's question, in the terminal and in files."""

from __future__ import annotations

import io

import pandas as pd
import pytest
from rich.console import Console

from harness.contracts import UserError
from harness.data.loading import open_file
from harness.registry.registry import load_registry
from harness.registry.suites import read_suite
from harness.report.analysis.limits import Limits, of_suite, reaching, within
from harness.report.analysis.points import comparison_groups, prepare
from harness.report.analysis.recommendations import recommendations
from harness.report.export.exporting import export_recommendations
from harness.report.export.printing import print_recommendations


def told(table, levels, max_bytes=None, width=80):
    stream = io.StringIO()
    reached = print_recommendations(Console(file=stream, width=width), table, levels, max_bytes)
    return reached, stream.getvalue()


def test_names_the_fastest_within_the_budget_and_its_rivals(table):
    limits = Limits(max_bytes=50)
    small = within(table, limits)
    reached, words = told(small, [0.7], 50)
    (group,) = comparison_groups(prepare(small))
    (one,) = recommendations(group, [0.7])
    assert reached
    assert one.row["bytes_per_vector"] <= 50
    assert f"{one.row['curve']} {one.row['parameters']}" in " ".join(words.split())
    assert "fastest at recall 0.7, at most 50 bytes per vector" in words
    assert "bytes per vector, built in" in words
    assert all(name in words for name, _ in (*one.equal, *one.undecided))
    assert max(map(len, words.splitlines())) <= 80


def test_undecided_curves_stand_apart_with_what_would_decide(table, respeeded, speeds_maker):
    found = respeeded(table, lambda row: speeds_maker(1e3, noise=0.05, seed=int(row["key"], 16)))
    words = " ".join(told(found, [0.7])[1].split())
    assert "undecided: " in words
    assert "more build" in words


def test_marks_are_explained(table_maker):
    words = told(table_maker(builds=1), [0.7])[1]
    assert "%†" in words
    assert "† within one build: ask for 3 builds or more" in words


def test_a_recall_that_nothing_reaches_is_named_with_the_highest(table):
    reached, words = told(within(table, Limits(algorithms=["pq"], max_bytes=12)), [0.999])
    assert not reached
    assert "no point reaches it; the highest recall is 0.9" in words


@pytest.mark.parametrize("stem", ["Vectors", "My own_vectors.v2", "x" * 80, "é"])
def test_a_file_is_known_by_its_path(table, write_small_hdf5, tmp_path, monkeypatch, stem):
    monkeypatch.setenv("ANNHARNESS_DATA", str(tmp_path / "cache"))
    path = write_small_hdf5(tmp_path / f"{stem}.hdf5", "angular")
    stored = table.assign(dataset=open_file(path).name)
    assert len(within(stored, Limits(datasets=[str(path)]))) == len(table)
    with pytest.raises(UserError, match="no results on the dataset"):
        within(stored, Limits(datasets=["another.hdf5"]))


def test_points_of_unknown_size_are_in_no_budget(table):
    unknown = table.assign(bytes_per_vector=float("nan"))
    with pytest.raises(UserError, match="no point of known size"):
        within(unknown, Limits(max_bytes=1e9))
    assert len(within(unknown, Limits())) == len(table)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(datasets=["glove-50-10"]), "did you mean 'glove-50-10k'"),
        (Limits(algorithms=["pqq"]), "did you mean 'pq'"),
        (Limits(max_bytes=3), "the smallest, pq, has"),
    ],
)
def test_limits_that_leave_nothing_say_what_there_is(table, limits, message):
    with pytest.raises(UserError, match=message):
        within(table, limits)


def test_names_that_do_not_meet_say_which_do(table_maker):
    one, other = table_maker(), table_maker(dataset="other")
    both = pd.concat([one[one["label"] == "pq"], other[other["label"] == "exact"]])
    with pytest.raises(UserError, match="exact on other"):
        within(both, Limits(datasets=["other"], algorithms=["pq"]))


def test_exported_recommendations_are_those_of_the_terminal(table, tmp_path):
    small = within(table, Limits(max_bytes=50))
    export_recommendations(small, tmp_path / "fastest.csv", [0.7, 0.9])
    found = pd.read_csv(tmp_path / "fastest.csv")
    assert list(found["level"]) == [0.7, 0.9]
    assert (found["bytes_per_vector"] <= 50).all()
    words = " ".join(told(small, [0.7, 0.9])[1].split())
    for name in found["parameters"]:
        assert name in words


def test_points_that_reach_a_recall_reach_it_with_confidence(table):
    kept = reaching(table, 0.9)
    assert (kept["held_out_recall_low"] >= 0.9).all()
    with pytest.raises(UserError, match="with confidence"):
        reaching(table[table["tuning_recall"] < 0.9], 0.9)


def test_a_table_of_failures_alone_has_no_figures(table):
    failed = table[table["status"] != "ok"]
    with pytest.raises(UserError, match="no point of known size"):
        within(failed, Limits(max_bytes=100))
    with pytest.raises(UserError, match="no point was measured"):
        reaching(failed, 0.9)
    reached, words = told(failed, [0.9])
    assert not reached
    assert "every point failed" in words


def test_a_post_filter_is_another_variant_than_none(table_maker, tmp_path):
    (tmp_path / "filters.yml").write_text(SUITE_OF_FILTERS)
    registry = load_registry()
    suite = read_suite(str(tmp_path / "filters.yml"), registry.algorithms)
    row = table_maker()[lambda t: t["algorithm"] == "exact"].iloc[:1]
    row = row.assign(dataset="glove-50-10k+filtered")
    for search, label in (({}, "plain"), ({"post_filter": 3}, "post")):
        chosen = of_suite(row.assign(search=[search]), suite, registry)
        assert chosen["label"].tolist() == [label]


@pytest.mark.parametrize(
    ("asked", "column"), [({"rates": [200]}, "offered_qps"), ({"p99_ms": 200}, "p99_bound_ms")]
)
def test_a_suite_under_load_is_given_its_rates_alone(table_maker, asked, column):
    keys = {"k": 10, "datasets": ["glove-50-10k"], "algorithms": ["exact"], "mode": "load", **asked}
    suite = read_suite(keys, load_registry().algorithms)
    row = table_maker()[lambda t: t["algorithm"] == "exact"].iloc[:1]
    row = row.assign(mode="load", drop_ms=1000.0, offered_qps=float("nan"), p99_bound_ms=100.0)
    rows = pd.concat([row.assign(**{column: value}) for value in (100.0, 200.0)])
    chosen = of_suite(rows, suite, load_registry())
    assert chosen[column].tolist() == [200.0]


SUITE_OF_FILTERS = """\
k: 10
track: filtered
datasets: glove-50-10k
algorithms:
  exact: [{label: plain}, {label: post, search: {post_filter: 3}}]
"""
