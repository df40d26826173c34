"""Comparisons: ratios at a recall, verdicts with their correction, and what cannot be compared."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer import Typer
from typer.testing import CliRunner

from harness.cli import compare as command
from harness.contracts import UserError
from harness.report.build_speeds import speeds_at
from harness.report.compare import (
    compare_curves,
    compare_tables,
    slower_than,
    to_json,
    to_markdown,
)
from harness.report.points import prepare

app = Typer()
app.command()(command.compare)


def with_builds(table, factor=1.0, noise=0.02, seed=0):
    """The table with five builds per point, all speeds times a factor."""
    generator = np.random.default_rng(seed)
    copy = table.copy()
    copy["build_qps"] = [
        None if np.isnan(qps) else factor * qps * np.exp(noise * generator.standard_normal(5))
        for qps in copy["qps"]
    ]
    copy["qps"] = [np.nan if b is None else float(np.median(b)) for b in copy["build_qps"]]
    return copy


def test_a_slower_folder_is_found_and_an_equal_one_is_tied(table):
    old = with_builds(table)
    slow = compare_tables(old, with_builds(table, 0.7, seed=1))
    same = compare_tables(old, with_builds(table, 1.0, seed=2))
    assert {one.verdict for one in slow} == {"slower"}
    assert {one.verdict for one in same} == {"tied"}
    for one in slow:
        assert one.low < 0.7 < one.high
        assert one.old == one.new
    assert len(slower_than(slow, 0.1)) == len(slow)
    assert slower_than(slow, 0.5) == slower_than(same, 0.0) == []


def test_curves_of_one_table_are_paired(table):
    drift = np.exp(0.3 * np.random.default_rng(1).standard_normal(5))
    paired = with_builds(table, noise=0.01)
    paired["build_qps"] = [None if b is None else b * drift for b in paired["build_qps"]]
    found = compare_curves(paired, "pq", "faiss-pq", [0.8])
    assert found[0].pairing == "neighbouring builds"
    # The drift of 30 % between builds would hide a difference of 10 % from an unpaired test.
    assert found[0].verdict == "faster"


def test_one_build_gives_a_ratio_without_a_verdict(table):
    alone = table.assign(build_qps=[None if np.isnan(q) else np.array([q]) for q in table["qps"]])
    (one,) = compare_curves(alone, "pq", "faiss-pq", [0.8])
    assert one.ratio > 1
    assert (one.low, one.p_value, one.verdict) == (None, None, "tied")


def test_builds_are_read_off_the_frontier_between_points(table):
    points = prepare(with_builds(table, noise=0.0)).query("curve == 'pq' and status == 'ok'")
    frontier = points.sort_values("recall").iloc[-2:]
    middle = frontier["recall"].mean()
    expected = np.exp(np.log(frontier["qps"]).mean())
    np.testing.assert_allclose(speeds_at(points, middle).qps, expected)
    assert len(speeds_at(points, 0.9999).qps) == 0


def test_other_machines_are_not_compared(table):
    old = with_builds(table)
    with pytest.raises(UserError, match="nothing to compare"):
        compare_tables(old, old.assign(machine="another"))


def test_failures_alone_cannot_be_compared(table):
    table["status"] = "error"
    with pytest.raises(UserError, match="nothing to compare"):
        compare_curves(table, "pq", "exact")
    with pytest.raises(UserError, match="nothing to compare"):
        compare_tables(table, table)


def test_unknown_names_are_told(table):
    with pytest.raises(UserError, match="anisotropic-pq"):
        compare_curves(with_builds(table), "pq", "nothing")


def test_json_and_markdown_say_the_same(table):
    found = compare_tables(with_builds(table), with_builds(table, seed=1))
    rows = json.loads(to_json(found), parse_constant=pytest.fail)
    assert len(rows) == len(found) == len(to_markdown(found).splitlines()) - 2


@pytest.fixture
def stored(table, monkeypatch, tmp_path):
    """Two folders whose tables are made up; B is 30 % slower."""
    tables = {}
    for name, factor in (("a", 1.0), ("b", 0.7)):
        (tmp_path / name).mkdir()
        tables[tmp_path / name] = with_builds(table, factor, seed=len(tables))
    monkeypatch.setattr("harness.results.table.load_results", tables.__getitem__)
    return tmp_path


def test_exit_status_for_ci(stored):
    def status(*options):
        arguments = [str(stored / "a"), str(stored / "b"), *options]
        return CliRunner().invoke(app, arguments, catch_exceptions=False).exit_code

    assert status() == 0
    assert status("--fail-if-slower", "10%") == 1
    assert status("--fail-if-slower", "0.5") == 0
    with pytest.raises(UserError):
        status("--fail-if-slower", "quick")
    with pytest.raises(UserError):
        status("--recall", "1.5")
    with pytest.raises(UserError):
        status("--out", "x.pdf")
