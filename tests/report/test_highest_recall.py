"""The highest recall of every curve, and what is said of those behind it."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console

from harness.measures.choosing import split_queries
from harness.report.analysis.highest_recall import highest_recalls, table_of_highest_recalls
from harness.report.analysis.points import comparison_groups, prepare
from harness.report.export.printing import print_highest_recalls
from harness.results.table.columns import frame_of

QUERIES, BUILDS, K = 2_000, 3, 10


@pytest.fixture
def codes(row_maker):
    """Give the maker of a table: recalls by label, one point or several of each."""

    def make(recalls):
        rng = np.random.default_rng(3)
        luck = rng.random((QUERIES, K))
        split = split_queries(QUERIES)
        rows = []
        for label, means in recalls.items():
            for number, mean in enumerate(means):
                found = (luck + 0.02 * rng.random((BUILDS, QUERIES, K)) < mean).astype(float)
                of_queries = found.mean(axis=0)[:, K - 1]
                rows.append(
                    row_maker(
                        label=label,
                        k=K,
                        build={"M": 13 + number},
                        bytes_per_vector=13.0,
                        tuning_recall=of_queries[split.tuning].mean(),
                        held_out_recall=of_queries[split.held_out].mean(),
                        recall_of_queries=found,
                        first_recall_of_queries=found,
                        per_query=True,
                    )
                )
        return frame_of(rows, per_query=True)

    return make


def only_found(table):
    (group,) = comparison_groups(prepare(table))
    return highest_recalls(group)


def printed(table, max_bytes=None):
    stream = io.StringIO()
    print_highest_recalls(Console(file=stream, width=80), table, max_bytes)
    return stream.getvalue()


def test_the_best_point_of_each_curve_is_compared_with_the_best_of_all(codes):
    found = only_found(codes({"worse": [0.3, 0.4], "best": [0.5, 0.6], "near": [0.6]}))
    assert {str(best.row["curve"]) for best in found[:2]} == {"best", "near"}
    assert found[2].row["curve"] == "worse"
    assert found[2].row["build"] == {"M": 14}
    assert [one.measure for one in found[0].recalls] == ["recall 1@1", "recall 1@10", "recall@10"]
    assert {one.verdict for one in found[0].recalls} == {""}
    assert {one.verdict for one in found[1].recalls} == {"undecided"}
    assert {one.verdict for one in found[2].recalls} == {"lower"}


def test_recall_is_that_of_the_held_out_queries(codes):
    table = codes({"one": [0.5], "two": [0.3]})
    held_out = split_queries(QUERIES).held_out
    for best in only_found(table):
        (row,) = table[table["label"] == best.row["curve"]].to_dict("records")
        expected = row["recall_of_queries"][:, held_out, K - 1].mean()
        assert best.recalls[-1].value == pytest.approx(expected)


def test_a_curve_that_is_above_the_chosen_one_is_said_to_be(codes):
    """The tuning queries may mislead; the held-out ones decide."""
    table = codes({"lucky": [0.4], "better": [0.6]})
    table.loc[table["label"] == "lucky", "tuning_recall"] = 0.99
    first, other = only_found(table)
    assert first.row["curve"] == "lucky"
    assert {one.verdict for one in other.recalls} == {"higher"}
    assert "+" in printed(table)


def test_verdicts_agree_with_the_intervals_in_the_table(codes):
    told = table_of_highest_recalls(codes({"a": [0.5], "b": [0.505], "c": [0.45], "d": [0.6]}))
    behind = told[told["verdict"] != ""]
    assert len(behind) == 9
    assert behind["level"].nunique() == 1
    assert behind["level"].iloc[0] > 0.99  # corrected for nine
    for _, row in behind.iterrows():
        holds_zero = row["low"] <= 0 <= row["high"]
        assert (row["verdict"] == "undecided") == holds_zero
        assert (row["verdict"] == "lower") == (row["low"] > 0)


def test_the_terminal_shows_it_in_80_columns(codes):
    text = printed(codes({"anisotropic-pq": [0.6], "scann-core": [0.6], "pq": [0.3]}), 25)
    assert "highest recall, at most 25 bytes per vector" in text
    assert max(map(len, text.splitlines())) <= 80
    lines = {line.split()[0]: line for line in text.splitlines() if line.strip()}
    assert "?" in lines["scann-core"] + lines["anisotropic-pq"]
    assert "?" not in lines["pq"]
    assert "held-out" in " ".join(text.split())


def test_without_a_point_nothing_is_printed(codes):
    assert printed(codes({"pq": [0.3]}).assign(status="crashed")) == ""


def test_a_point_without_answers_cannot_be_compared_over_queries(codes):
    table = codes({"pq": [0.4], "other": [0.5]})
    table["has_answers"] = table["label"] != "other"
    assert [one.row["label"] for one in only_found(table)] == ["pq"]
    assert "1 point without answers cannot be compared over the queries" in printed(table)
