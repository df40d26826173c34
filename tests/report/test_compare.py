"""Comparisons: ratios at a recall, verdicts with their correction, and what cannot be compared."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from typer import Typer
from typer.testing import CliRunner

from harness.cli.commands import compare as command
from harness.contracts import UserError
from harness.measures.verdicts import Speeds
from harness.report.analysis.points import comparison_groups, prepare
from harness.report.analysis.recommendations import recommendations
from harness.report.comparing.comparison import (
    compare_curves,
    compare_every_pair,
    compare_machines,
    compare_tables,
    slower_than,
    speeds_at,
    table_rows,
    to_json,
    to_markdown,
    undecided_about,
)
from harness.report.comparing.sides import sides_of

app = Typer()
app.command()(command.compare)


@pytest.fixture
def in_blocks(respeeded, speeds_maker):
    """The table measured in blocks of its own, all speeds times a factor."""

    def measured(table, factor=1.0, *, noise=0.005, seed=0, blocks=None):
        blocks = blocks or [f"{seed}-{n}" for n in range(5)]
        slow = {block: 0.3 * number for number, block in enumerate(blocks)}
        return respeeded(
            table,
            lambda row: speeds_maker(
                factor * row["qps"], blocks, noise=noise, slow=slow,
                seed=1000 * seed + int(row["key"], 16),
            ),
        )  # fmt: skip

    return measured


def verdicts(found):
    return {one.ratio.verdict for one in found}


def test_a_slower_folder_is_found_and_an_equal_one_is_equal(table, in_blocks):
    old = in_blocks(table)
    slow = compare_tables(old, in_blocks(table, 0.7, seed=1))
    same = compare_tables(old, in_blocks(table, 1.0, seed=2))
    assert verdicts(slow) == {"slower"}
    assert verdicts(same) == {"equal"}
    for one in slow:
        assert one.ratio.low < 0.7 < one.ratio.high
        assert one.ratio.scope == "between builds, by the reference"
        assert one.old == one.new
    assert len(slower_than(slow, 0.1)) == len(slow)
    assert slower_than(slow, 0.5) == slower_than(same, 0.0) == []


def test_other_rows_of_the_same_name_are_no_ground_for_a_verdict(table, in_blocks):
    old = in_blocks(table)
    new = in_blocks(table.assign(fingerprint="e" * 64), 0.7, seed=1)
    with pytest.raises(UserError, match="nothing to compare"):
        compare_tables(old, new)
    both = pd.concat([old, new], ignore_index=True)
    assert verdicts(compare_tables(both, old)) == verdicts(compare_tables(old, old))


def test_curves_of_one_table_are_paired_by_their_blocks(table, in_blocks):
    (one,) = compare_curves(in_blocks(table, noise=0.01), "pq", "faiss-pq", [0.8])
    assert one.ratio.scope == "between builds"
    # What slows a block, here by up to 1.2 in logarithms, hides no difference of 10 %.
    assert one.ratio.verdict == "faster"


def test_a_label_is_compared_with_its_algorithm_and_no_curve_with_itself(table, in_blocks):
    both = pd.concat([table, table[table["algorithm"] == "pq"].assign(label="pq-tuned")])
    for points in (both, both.assign(label=both["label"].replace("pq", "pq-by-hand"))):
        found = compare_curves(in_blocks(points), "pq", "pq-tuned", [0.8])
        assert [one.new for one in found] == ["pq-tuned"]
        assert found[0].old in ("pq", "pq-by-hand")
    assert {one.old for one in compare_curves(in_blocks(both), "pq", "pq", [0.8])} == {"pq"}


def test_one_build_gives_a_marked_interval_and_without_a_block_none(
    table_maker, respeeded, speeds_maker
):
    (one,) = compare_curves(table_maker(builds=1), "pq", "exact", [0.8])
    assert one.ratio.verdict == "slower"
    (row,) = table_rows([one])
    assert row["ratio"].endswith("]†")
    assert "† within one build: ask for 3 builds or more" in to_markdown([one])
    alone = respeeded(table_maker(), lambda row: speeds_maker(row["qps"], [""]))
    (one,) = compare_curves(alone, "pq", "exact", [0.8])
    (row,) = table_rows([one])
    assert "[" not in row["ratio"]
    assert row["verdict"] == "undecided: needs at least 3 builds"
    assert undecided_about([one], 0.1) == [one]


def test_builds_are_read_off_the_frontier_between_points(table, in_blocks):
    points = prepare(in_blocks(table, noise=0.0)).query("curve == 'pq' and status == 'ok'")
    frontier = points.sort_values("recall").iloc[-2:]
    middle = frontier["recall"].mean()
    expected = np.mean(list(frontier["build_log_seconds"]), axis=0)
    np.testing.assert_allclose(speeds_at(points, middle).log_seconds, expected)
    assert speeds_at(points, 0.9999) is None


@pytest.fixture
def one_point_each(table, in_blocks):
    """Two algorithms with one point of recall 1 each, pq 35 times as fast as exact."""

    def made(**options):
        rows = table[table["status"] == "ok"].drop_duplicates("algorithm").query(
            "algorithm in ('exact', 'pq')"
        )  # fmt: skip
        qps = rows["algorithm"].map({"exact": 181.0, "pq": 6330.0})
        figures = dict.fromkeys(("tuning_recall", "held_out_recall", "held_out_recall_low"), 1.0)
        return in_blocks(rows.assign(qps=qps, recall_curve=[np.ones(10)] * 2, **figures), **options)

    return made


def test_the_same_comparison_counts_once_and_is_shown_once(table, one_point_each):
    """Two algorithms with one point each were compared at four recalls and corrected for four."""
    found = compare_curves(one_point_each(), "exact", "pq")
    assert len(found) == 4
    assert {one.ratio.level for one in found} == {0.95}
    (row,) = table_rows(found)
    assert row["recall"] == "0.8 to 0.99"
    several = compare_curves(table, "exact", "faiss-pq")
    assert {one.ratio.level for one in several} == {1 - 0.05 / len(several)}
    assert f"corrected for {len(several)} comparisons" in to_markdown(several)


def test_commands_do_not_contradict_each_other(one_point_each):
    """The summary of a run called hnswlib tied with exact; `compare` found it 50 times faster."""
    for noise in (0.01, 0.5, 2.0):
        table = one_point_each(noise=noise, blocks=["x", "y", "z"])
        compared, *_ = compare_curves(table, "exact", "pq")
        (group,) = comparison_groups(prepare(table))
        for one in recommendations(group):
            rivals = dict((*one.equal, *one.undecided))
            assert bool(rivals) == (compared.ratio.verdict == "undecided")
            for ratio in rivals.values():
                assert (1 / ratio.high, 1 / ratio.low) == pytest.approx(
                    (compared.ratio.low, compared.ratio.high)
                )


def test_either_side_of_a_pair_is_the_other_turned_round(table):
    (group,) = comparison_groups(prepare(table))
    found = {(o.old, o.new, o.recall): o.ratio for o in compare_every_pair(group, ["pq", "exact"])}
    assert len(found) == 6
    turn = {"faster": "slower", "slower": "faster", "equal": "equal", "undecided": "undecided"}
    for (old, new, recall), ratio in found.items():
        other = found[new, old, recall]
        assert other.verdict == turn[ratio.verdict]
        assert (other.value, other.level) == pytest.approx((1 / ratio.value, ratio.level))


def test_other_machines_are_not_compared_and_several_are_told_apart(table, in_blocks):
    old = in_blocks(table)
    with pytest.raises(UserError, match="nothing to compare"):
        compare_tables(old, old.assign(machine="another"))
    both = pd.concat([old, old.assign(machine="another")])
    rows = table_rows(compare_curves(both, "pq", "exact"))
    assert {row["machine"] for row in rows} == {"AMD EPYC, 2 cores", "another"}
    assert "machine" not in table_rows(compare_curves(old, "pq", "exact"))[0]


def test_machines_are_compared_by_what_was_measured(table, respeeded, speeds_maker):
    """The reference index is as much slower as all else: by it, machines would always be equal."""

    def on(machine, slowness):
        blocks = [f"{machine}-{number}" for number in range(5)]
        measured = respeeded(
            table,
            lambda row: speeds_maker(
                row["qps"], blocks, noise=0.005, slow=dict.fromkeys(blocks, slowness),
                seed=int(row["key"], 16) + len(machine),
            ),
        )  # fmt: skip
        return measured.assign(machine=machine)

    old, new = on("slow one", np.log(2)), on("fast", 0.0)
    found = compare_machines(old, new)
    assert verdicts(found) == {"faster"}
    for one in found:
        assert one.ratio.value == pytest.approx(2, rel=0.03)
        assert one.ratio.scope == "between builds, not side by side"
    for one in compare_tables(old.assign(machine="fast"), new):
        assert one.ratio.value == pytest.approx(1, rel=0.03)


def test_a_part_of_a_name_is_a_machine(table, in_blocks, monkeypatch, tmp_path):
    both = [in_blocks(table).assign(machine=f"AMD EPYC {number}") for number in (7, 9)]
    monkeypatch.setattr(
        "harness.report.comparing.sides.load_results", lambda path, **_: pd.concat(both)
    )
    old, new = sides_of("machine:EPYC 7", "machine:9", tmp_path)
    assert (old.name, new.name) == ("AMD EPYC 7", "AMD EPYC 9")
    assert set(new.table["machine"]) == {"AMD EPYC 9"}
    with pytest.raises(UserError, match="names of 2 machines"):
        sides_of("machine:EPYC", "machine:9", tmp_path)
    with pytest.raises(UserError, match="different kinds"):
        sides_of("machine:9", "pq", tmp_path)


def test_failures_alone_cannot_be_compared(table):
    table["status"] = "error"
    with pytest.raises(UserError, match="nothing to compare"):
        compare_curves(table, "pq", "exact")
    with pytest.raises(UserError, match="nothing to compare"):
        compare_tables(table, table)


def test_sides_that_do_not_reach_a_recall_are_told_what_they_reach(table):
    with pytest.raises(UserError) as refused:
        compare_curves(table, "pq", "anisotropic-pq", [0.9999])
    assert "of pq" in refused.value.got
    assert "of anisotropic-pq" in refused.value.got


def test_unknown_names_are_told(table):
    with pytest.raises(UserError, match="anisotropic-pq"):
        compare_curves(table, "pq", "nothing")


def test_json_and_markdown_say_the_same(table, in_blocks):
    found = compare_tables(in_blocks(table), in_blocks(table, seed=1))
    rows = json.loads(to_json(found), parse_constant=pytest.fail)
    assert len(rows) == len(found)
    assert {"low", "high", "level", "verdict", "more_builds", "scope", "machine"} <= set(rows[0])
    lines = [line for line in to_markdown(found).splitlines() if line.startswith("| glove")]
    assert len(lines) == len(table_rows(found))


@pytest.fixture
def stored(table, in_blocks, monkeypatch, tmp_path):
    """Folders whose tables are made up: B is 30 % slower, C may be, D has half the speed."""
    made = {
        "a": in_blocks(table),
        "b": in_blocks(table, 0.7, seed=1),
        "c": in_blocks(table, 0.97, noise=0.3, seed=2),
        "d": in_blocks(table, 0.46, noise=0.06, blocks=["x", "y", "z"], seed=3),
    }
    tables = {}
    for name, one in made.items():
        (tmp_path / name).mkdir()
        tables[tmp_path / name] = one
    monkeypatch.setattr(
        "harness.report.comparing.sides.load_results", lambda path, **_: tables[path]
    )

    def status(new, *options):
        arguments = [str(tmp_path / "a"), str(tmp_path / new), *options]
        return CliRunner().invoke(app, arguments, catch_exceptions=False)

    return status


def test_exit_status_for_ci(stored):
    assert stored("b").exit_code == 0
    assert stored("b", "--fail-if-slower", "10%").exit_code == 1
    done = stored("b", "--fail-if-slower", "0.5", "--fail-if-undecided")
    assert (done.exit_code, "could not decide" in done.output) == (0, False)
    with pytest.raises(UserError):
        stored("b", "--fail-if-slower", "quick")
    with pytest.raises(UserError):
        stored("b", "--recall", "1.5")
    with pytest.raises(UserError):
        stored("b", "--out", "x.pdf")
    with pytest.raises(UserError, match="fail-if-slower"):
        stored("b", "--fail-if-undecided")


def test_half_the_speed_fails_the_gate_however_wide_its_interval(stored):
    """`0.46 [0.35, 0.61] tied` passed with exit 0."""
    done = stored("d", "--fail-if-slower", "10%", "--recall", "0.95")
    assert done.exit_code == 1
    assert "slower" in done.output


def test_what_could_not_be_decided_is_told_and_fails_on_request(stored):
    done = stored("c", "--fail-if-slower", "10%")
    assert done.exit_code == 0
    assert "could not decide whether" in done.output
    assert "is slower by 10 % or more" in done.output
    assert stored("c", "--fail-if-slower", "10%", "--fail-if-undecided").exit_code == 1


def test_the_table_fits_80_columns(stored, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = stored("c").output.splitlines()
    assert max(map(len, lines)) <= 80
    assert "[" in stored("c").output


def test_names_are_whole_in_80_columns(table_maker, in_blocks, monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "80")
    names = ["glove-100-4k-queries+filtered", "glove-100"]
    one, other = (in_blocks(table_maker(dataset=name)) for name in names)
    tables = pd.concat([one, other.assign(mode="batch", threads=2)], ignore_index=True)
    monkeypatch.setattr("harness.report.comparing.sides.load_results", lambda *_, **__: tables)
    for name in "ab":
        (tmp_path / name).mkdir()
    done = CliRunner().invoke(app, [str(tmp_path / "a"), str(tmp_path / "b")])
    assert max(map(len, done.output.splitlines())) <= 80
    for text in (*names, "anisotropic-pq  ", "faiss-pq  ", "mode: batch", "equal within 5 %"):
        assert text in done.output


def test_speeds_of_a_point_are_those_of_its_row(table):
    points = prepare(table).query("curve == 'exact'")
    speeds = speeds_at(points, 0.99)
    assert isinstance(speeds, Speeds)
    assert speeds.blocks == points.iloc[0]["block_ids"]
