"""How curves stand across datasets: the ratios of the recommendations, and who cannot reach it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from harness.report.analysis.points import comparison_groups, prepare
from harness.report.analysis.recommendations import recommendations
from harness.report.analysis.standings import by_success, standings


def only_group(table):
    (group,) = comparison_groups(prepare(table))
    return group


def found_at(group, level):
    found = recommendations(group, [level])
    return found[0] if found else None


def at(table, level):
    group = only_group(table)
    return standings(group, found_at(group, level), level)


def one_each(table, names):
    """One point of each of these algorithms, all of recall .9."""
    rows = table[table["status"] == "ok"].drop_duplicates("algorithm")
    rows = rows[rows["algorithm"].isin(names)]
    return rows.assign(
        tuning_recall=0.9, held_out_recall=0.9, held_out_recall_low=0.89,
        held_out_recall_high=0.91, recall_curve=[np.full(10, 0.9)] * len(rows),
    )  # fmt: skip


def test_ratios_are_those_of_the_recommendation(table, respeeded, speeds_maker):
    speeds = {
        "pq": speeds_maker(1000, noise=0.002, seed=1),
        "faiss-pq": speeds_maker(997, noise=0.002, seed=2),
        "anisotropic-pq": speeds_maker(960, noise=0.05, seed=3),
        "exact": speeds_maker(300, noise=0.004, seed=4),
    }
    made = respeeded(one_each(table, speeds), lambda row: speeds[row["algorithm"]])
    found = at(made, 0.8)
    kinds = {name: one.kind for name, one in found.items()}
    assert kinds == {
        "pq": "best", "faiss-pq": "equal", "anisotropic-pq": "undecided", "exact": "slower",
    }  # fmt: skip
    one = found_at(only_group(made), 0.8)
    assert {n: s.ratio for n, s in found.items() if s.ratio is not None} == dict(one.rivals)
    assert found["exact"].ratio.value < 0.32


def test_who_cannot_reach_it_is_told_apart_from_who_may(table):
    rows = one_each(table, ["pq", "faiss-pq", "exact"])
    sure = rows["algorithm"].map({"pq": 0.95, "faiss-pq": 0.93, "exact": 0.5})
    reached = rows["algorithm"].map({"pq": 0.96, "faiss-pq": 0.96, "exact": 0.6})
    made = rows.assign(
        tuning_recall=reached, held_out_recall_low=sure,
        recall_curve=[np.full(10, value) for value in reached],
    )  # fmt: skip
    found = at(made, 0.95)
    assert {name: one.kind for name, one in found.items()} == {
        "pq": "best", "faiss-pq": "unsure", "exact": "short",
    }  # fmt: skip
    assert found["exact"].recall == 0.6
    nobody = at(made, 0.99)
    assert {one.kind for one in nobody.values()} == {"short"}
    unsure = at(made[made["algorithm"] == "faiss-pq"], 0.95)
    assert unsure["faiss-pq"].kind == "unsure"


def test_a_curve_of_failures_alone_says_how_it_failed(table):
    gone = table["algorithm"] == "pq"
    made = pd.concat([table[~gone], table[gone & (table["status"] != "ok")]])
    one = at(made, 0.8)["pq"]
    assert (one.kind, one.status) == ("failed", "timeout")


def test_the_order_counts_wins_and_averages_nothing(table, respeeded, speeds_maker):
    """A curve that is first once comes before one that is second everywhere by little."""
    groups = []
    for wins in ("exact", "exact", "pq"):
        rows = one_each(table, ["pq", "exact", "faiss-pq"])
        fast = {"faiss-pq": 900, wins: 1000}
        made = respeeded(
            rows, lambda row, f=fast: speeds_maker(f.get(row["algorithm"], 10), noise=0.001)
        )
        groups.append(at(made, 0.8))
    assert by_success(groups) == ["exact", "pq", "faiss-pq"]
