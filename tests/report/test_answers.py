"""The answers: Pareto points, the fastest at a recall, ties and optimism."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
from rich.console import Console

from harness.measures.splitting import split_queries
from harness.report.answers import print_frontiers
from harness.report.fastest import answers, common_level, optimism, pareto_points, representatives
from harness.report.points import prepare, scenes


def only_scene(table):
    (scene,) = scenes(prepare(table))
    return scene


def printed(table, width=120):
    stream = io.StringIO()
    print_frontiers(Console(file=stream, width=width), table)
    return stream.getvalue()


def test_fastest_reaches_the_recall_and_nothing_faster_does(table):
    scene = only_scene(table)
    for answer in answers(scene):
        enough = scene.points[scene.points["tuning_recall"] >= answer.level]
        assert answer.row["tuning_recall"] >= answer.level
        assert answer.row["tuning_qps"] == enough["tuning_qps"].max()


def test_equal_builds_tie_and_slower_ones_do_not(table):
    pair = table[(table["algorithm"].isin(["pq", "faiss-pq"])) & (table["status"] == "ok")].copy()
    noise = np.array([1.0, 1.03, 0.98])
    speeds = {"pq": 1000 * noise, "faiss-pq": 1000 * noise[::-1]}
    pair["reporting_build_qps"] = [speeds[name] for name in pair["algorithm"]]
    assert answers(only_scene(pair), [0.5])[0].tied != ()
    speeds["faiss-pq"] = 100 * noise
    pair["reporting_build_qps"] = [speeds[name] for name in pair["algorithm"]]
    pair["tuning_qps"] = [speeds[name][0] for name in pair["algorithm"]]
    (answer,) = answers(only_scene(pair), [0.5])
    assert (answer.row["curve"], answer.tied) == ("pq", ())


def test_pareto_points_are_beaten_by_none_of_their_curve(table):
    scene = only_scene(table)
    chosen = pareto_points(scene)
    for _, point in chosen.iterrows():
        own = scene.points[scene.points["curve"] == point["curve"]]
        rivals = own if not point["overall"] else scene.points
        better = rivals["tuning_recall"] > point["tuning_recall"]
        better &= rivals["tuning_qps"] > point["tuning_qps"]
        assert not better.any()


def test_no_op_answers_nothing(table):
    assert "no-op" not in set(pareto_points(only_scene(table))["algorithm"])
    assert "no-op" not in printed(table)


def test_a_lucky_point_is_reported_by_the_queries_it_was_not_chosen_on(table):
    """Of many equal points the luckiest is chosen; what is printed of it is not its luck."""
    generator = np.random.default_rng(3)
    tuning, reporting = split_queries(100)
    row = table[table["status"] == "ok"].iloc[1].to_dict()
    rows = []
    for number in range(200):
        recall = generator.binomial(1, 0.8, size=100).astype(float)
        halves = {
            "tuning_recall": recall[tuning].mean(),
            "reporting_recall": recall[reporting].mean(),
        }
        rows.append({**row, **halves, "search": {"rerank": number}, "query_recall": recall})
    lucky = pd.DataFrame(rows).assign(recall_curve=[np.full(10, 0.8)] * 200)
    (answer,) = answers(only_scene(lucky), [0.85])
    assert answer.row["tuning_recall"] >= 0.85
    assert answer.optimism > 0.02
    assert optimism(only_scene(lucky), [0.85]) == answer.optimism
    shown = printed(lucky.assign(tuning_recall=lucky["tuning_recall"] + 0.05))
    assert "would be" in shown
    assert "higher on average" in shown
    assert "are of the other half" in " ".join(shown.split())


def test_points_near_the_limit_of_the_harness_are_marked(table):
    assert "*" not in printed(table)
    marked = printed(table.assign(near_ceiling=table["algorithm"] == "exact"))
    assert sum("*" in line for line in marked.splitlines() if line.startswith("exact")) == 1
    assert "harness's own limit" in " ".join(marked.split())


def test_printing_survives_narrow_terminals_markup_and_nothing(table):
    assert "fastest at recall 0.9" in printed(table, width=50)
    assert printed(table.iloc[:0]) == ""
    marked = table.assign(label="[red]x[/]", dataset="[/nothing]")
    assert "[red]x[/]" in printed(marked)


def test_representatives_are_one_per_curve(table):
    scene = only_scene(table)
    level = common_level(scene)
    assert level == 0.9
    rows = representatives(scene, level)
    assert sorted(rows["curve"]) == ["anisotropic-pq", "exact", "faiss-pq", "pq"]
    assert common_level(only_scene(table[table["status"] != "ok"])) is None
