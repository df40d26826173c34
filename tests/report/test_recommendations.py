"""Recommendations: who is chosen, what is reported of it, and who is as fast."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from harness.measures.frontier import pareto_frontier
from harness.report.analysis.points import comparison_groups, prepare
from harness.report.analysis.recommendations import (
    common_level,
    optimism,
    pareto_points,
    recommendations,
    representatives,
)
from harness.report.export.printing import print_frontiers


def only_group(table):
    (group,) = comparison_groups(prepare(table))
    return group


def printed(table, width=120):
    stream = io.StringIO()
    print_frontiers(Console(file=stream, width=width), table)
    return stream.getvalue()


def in_one_line(text):
    return " ".join(text.split())


def curves(table, *names):
    """The last point of some curves; all reach recall 0.8."""
    chosen = table["algorithm"].isin(names) & (table["status"] == "ok")
    return table[chosen].drop_duplicates("algorithm", keep="last").reset_index(drop=True)


def test_many_recalls_together_are_answered_as_each_alone(table):
    """Rows and ratios are computed once for all of them."""
    group = only_group(table)
    levels = np.linspace(0.3, 1, 15).tolist()

    def told(found):
        return [
            (one.level, one.reached, one.row["key"], one.qps, repr(one.rivals)) for one in found
        ]

    alone = [one for level in levels for one in recommendations(group, [level])]
    assert told(recommendations(group, levels)) == told(alone)
    assert len(alone) > 1


def test_fastest_reaches_the_recall_and_nothing_faster_does(table):
    group = only_group(table)
    for one in recommendations(group):
        points = group.points
        sure = points[
            (points["tuning_recall"] >= one.level) & (points["held_out_recall_low"] >= one.level)
        ]
        assert one.row["held_out_recall_low"] >= one.level
        assert one.row["qps"] == sure["qps"].max()
        assert one.reached


def test_a_recall_that_no_point_reaches_with_confidence_is_named_so(table):
    """Release 0.1 called a point of held-out recall .8954 fastest at recall .9."""
    lucky = table[table["algorithm"] == "pq"].iloc[:1].assign(
        tuning_recall=0.91, held_out_recall=0.8954, held_out_recall_low=0.88,
        held_out_recall_high=0.91, recall_curve=[np.full(10, 0.903)],
    )  # fmt: skip
    (one,) = recommendations(only_group(lucky), [0.9])
    assert not one.reached
    words = in_one_line(printed(lucky))
    assert "fastest at recall 0.9: not reached with confidence; fastest that may reach it:" in words
    assert "recall 0.895 [0.880, 0.910]" in words
    assert "recall 0.95:" not in words


def test_rivals_are_equal_undecided_or_left_out(table, respeeded, speeds_maker):
    speeds = {
        "pq": speeds_maker(1000, noise=0.002, seed=1),
        "faiss-pq": speeds_maker(997, noise=0.002, seed=2),
        "anisotropic-pq": speeds_maker(960, noise=0.05, seed=3),
        "exact": speeds_maker(300, noise=0.004, seed=4),
    }
    found = respeeded(curves(table, *speeds), lambda row: speeds[row["algorithm"]])
    (one,) = recommendations(only_group(found), [0.8])
    assert one.row["algorithm"] == "pq"
    assert one.equal_names == ["faiss-pq"]
    assert [name for name, _ in one.undecided] == ["anisotropic-pq"]
    words = in_one_line(printed(found, width=400))
    assert "; equal within 5 %: faiss-pq; undecided: anisotropic-pq (about " in words


def test_what_has_one_build_is_undecided_and_says_what_it_takes(table, respeeded, speeds_maker):
    """Release 0.1 printed "35.5k ±1793808%" of two builds, and called all tied."""
    for builds in (1, 2):
        found = respeeded(
            curves(table, "pq", "exact"),
            lambda row, n=builds: speeds_maker(
                5e3 if row["algorithm"] == "pq" else 1e2, [""] * n, noise=1.0
            ),
        )
        (one,) = recommendations(only_group(found), [0.8])
        assert one.undecided_text == "exact (needs at least 3 builds)"
        words = in_one_line(printed(found))
        assert "±" not in words.replace("±0.0", "")  # that of recall is known
        assert "interval unknown: needs 3 builds" in words


def test_intervals_within_one_build_are_marked(table_maker):
    words = printed(table_maker(builds=1), width=80)
    assert "%†" in words
    assert "† within one build: ask for 3 builds or more" in in_one_line(words)
    assert "chosen and reported on the same build" in in_one_line(words)
    assert "†" not in printed(table_maker())


def test_the_reported_speed_is_without_the_luck_of_being_chosen(table, respeeded, speeds_maker):
    row = table[table["status"] == "ok"].iloc[:1]
    many = pd.concat([row.assign(key=str(n), search=[{"n": n}]) for n in range(12)])
    gaps = []
    for trial in range(30):
        found = respeeded(
            many, lambda row, t=trial: speeds_maker(1e3, noise=0.1, seed=100 * t + int(row["key"]))
        )
        (one,) = recommendations(only_group(found), [0.3])
        assert one.qps <= one.row["qps"]
        gaps.append(np.log(one.qps / 1e3))
    assert np.mean(gaps) < 0.03  # chosen and reported on the same blocks it would be .09


def test_a_rival_that_is_faster_where_both_were_is_not_called_slower(
    table, respeeded, speeds_maker
):
    """The winner was in further blocks, in which it was luckier."""
    far = speeds_maker(2000, [f"b{n}" for n in range(3)] + ["c0", "c1"], noise=0.001)
    far.log_seconds[:3] += 1.0
    for levels in far.levels[:3]:
        levels += 1.0
    near = speeds_maker(800, noise=0.001)
    found = respeeded(
        curves(table, "pq", "exact"), lambda row: far if row["algorithm"] == "pq" else near
    )
    (one,) = recommendations(only_group(found), [0.8])
    assert one.row["algorithm"] == "pq"
    assert one.undecided_text == "exact (faster in the blocks of both)"


def test_pareto_points_are_beaten_by_none_of_their_curve_unless_recommended(table):
    group = only_group(table)
    for _, point in pareto_points(group).iterrows():
        own = group.points[group.points["curve"] == point["curve"]]
        rivals = own if not point["overall"] else group.points
        better = rivals["tuning_recall"] > point["tuning_recall"]
        better &= rivals["qps"] > point["qps"]
        assert point["recommended"] or not better.any()


def test_recommended_points_stand_in_the_table(table_maker):
    """A dominated point is recommended where the one that beats it is not sure of its recall."""
    table = table_maker(extra=[f"more-{n}" for n in range(12)])
    rows = table.index[table["algorithm"] == "pq"][:2]
    table.loc[rows, "tuning_recall"] = [0.95, 0.96]
    table.loc[rows, "held_out_recall_low"] = [0.94, 0.9]
    table.loc[rows, "qps"] = [4e5, 5e5]
    group = only_group(table)
    shown = pareto_points(group)
    best = group.points.loc[pareto_frontier(group.points["tuning_recall"], group.points["qps"])]
    assert rows[0] not in best.index
    for one in recommendations(group):
        assert one.row["key"] in set(shown["key"])
        assert f"{one.row['curve']} {one.row['parameters']}".strip() in in_one_line(printed(table))


def test_no_op_is_not_recommended(table):
    assert "no-op" not in set(pareto_points(only_group(table))["algorithm"])
    assert "no-op" not in printed(table)


def test_recall_is_reported_of_the_queries_that_did_not_choose(table):
    lucky = table[table["algorithm"] == "pq"].iloc[:1].assign(
        tuning_recall=0.9, held_out_recall=0.82, held_out_recall_low=0.81,
        held_out_recall_high=0.83,
    )  # fmt: skip
    found = recommendations(only_group(lucky), [0.8])
    assert optimism(found) == found[0].optimism == pytest.approx(0.08)
    lines = printed(lucky).splitlines()
    [note] = [i for i, line in enumerate(lines) if line.startswith("Recall is that of")]
    assert lines[note - 1].strip() == ""  # it is about all recommendations, not the last one
    words = in_one_line("\n".join(lines))
    assert "recall 0.820 [0.810, 0.830]" in words
    assert "Recall is that of the held-out queries; on the tuning queries it is 0.0800" in words
    assert "the recall shown is of the held-out queries" in words


def test_points_near_the_limit_of_the_harness_are_marked(table):
    assert "*" not in printed(table)
    marked = printed(table.assign(near_no_op=table["algorithm"] == "exact"))
    assert sum("*" in line for line in marked.splitlines() if line.startswith("exact")) == 1
    assert "harness overhead" in in_one_line(marked)


@pytest.mark.parametrize("width", [80, 120])
def test_nothing_is_wider_than_the_terminal_or_cut(table_maker, width):
    words = printed(table_maker(extra=["faiss-ivf-pq-fs"]), width=width)
    assert max(map(len, words.splitlines())) <= width
    assert "…" not in words


def test_printing_survives_narrow_terminals_markup_and_nothing(table):
    assert "fastest at recall 0.9" in printed(table, width=50)
    assert printed(table.iloc[:0]) == ""
    marked = table.assign(label="[red]x[/]", dataset="[/nothing]")
    assert "[red]x[/]" in printed(marked)


def test_representatives_are_one_per_curve(table):
    group = only_group(table)
    level = common_level(group)
    assert level == 0.9
    rows = representatives(group, level)
    assert sorted(rows["curve"]) == ["anisotropic-pq", "exact", "faiss-pq", "pq"]
    assert common_level(only_group(table[table["status"] != "ok"])) is None
