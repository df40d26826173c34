"""Verdicts on recall: real where it is, not where it is chance, over queries and builds."""

import io

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from harness.cli.summary import _print_differences
from harness.report.comparing.recall_differences import recall_differences, sentence
from harness.results.table.columns import frame_of


@pytest.fixture
def two(row_maker):
    """Give the maker of a table of two labels."""

    def make(gain, queries=1000, bytes_per_vector=13.0, builds=1, spread=0.0):
        """The recall of a build differs from that of the others by `spread`."""
        rng = np.random.default_rng(5)
        luck = rng.random((queries, 10))
        rows = []
        for label, recall, size in (("pq", 0.4, 13.0), ("other", 0.4 + gain, bytes_per_vector)):
            noise = rng.random((builds, queries, 10)) * 0.02
            seeds = spread * rng.standard_normal((builds, 1, 1))
            found = (luck + noise < recall + seeds).astype(float)
            rows.append(
                row_maker(
                    label=label,
                    search={"rerank": 0},
                    bytes_per_vector=size,
                    recall_of_queries=found,
                    first_recall_of_queries=found,
                    per_query=True,
                )
            )
        return frame_of(rows, per_query=True)

    return make


@pytest.mark.parametrize("label", ["pq", "other"])
def test_a_point_without_search_parameters_is_paired_by_its_bytes(two, label):
    points = two(0.2)
    points["search"] = [{} if one == label else {"rerank": 0} for one in points["label"]]
    assert recall_differences(points, "pq")


def test_of_several_points_of_the_baseline_none_is_chosen(two):
    points = two(0.2)
    points["search"] = [{"rerank": 0}, {}]
    twice = pd.concat([points, points.iloc[:1].assign(search=[{"rerank": 100}])])
    assert recall_differences(twice, "pq") == []


def test_points_without_answers_are_not_compared(two):
    points = two(0.2)
    assert recall_differences(points, "pq")
    assert recall_differences(points.assign(has_answers=False), "pq") == []


def printed(found):
    stream = io.StringIO()
    _print_differences(Console(file=stream, width=80), found)
    return stream.getvalue()


def test_a_clear_gain_is_real(two):
    found = recall_differences(two(0.2), "pq")
    assert [one.measure for one in found] == [
        "recall 1@1", "recall@5", "recall@10", "recall 1@5", "recall 1@10",
    ]  # fmt: skip
    assert all(one.difference.real and one.difference.low > 0 for one in found)
    assert all(one.queries_needed < 1000 for one in found)
    assert "real with 1,000 queries: other recall 1@1 +0.19" in sentence(found)


def test_chance_is_not_real_and_says_how_many_queries_it_would_take(two):
    found = recall_differences(two(0.0), "pq")
    assert not any(one.difference.real for one in found)
    assert all(one.difference.low <= 0 <= one.difference.high for one in found)
    assert "no difference is real with 1,000 queries" in sentence(found)


def test_a_gain_that_the_seeds_explain_is_not_real(two):
    """Over queries alone the interval would exclude 0, but the builds differ by more."""
    steady = recall_differences(two(0.05, builds=3), "pq")
    assert all(one.difference.real for one in steady)
    found = recall_differences(two(0.05, builds=3, spread=0.05), "pq")
    assert not any(one.difference.real for one in found)
    assert found[0].queries_needed == float("inf")


def test_the_printed_interval_is_the_one_that_decides(two):
    found = recall_differences(two(0.2, builds=3, spread=0.01), "pq")
    # recall@k' and recall 1@k' are the same figures here, and count once
    assert {one.difference.level for one in found} == {1 - 0.05 / 3}
    words = printed(found)
    assert "over queries and builds: 98.3 % intervals, corrected for 3 comparisons" in words
    for one in found:
        change = one.difference
        assert f"{change.value:+.3f} [{change.low:+.3f}, {change.high:+.3f}]" in words


def test_the_number_of_queries_needed_is_about_right(two):
    [needed] = [o.queries_needed for o in recall_differences(two(0.03), "pq")[:1]]
    enough = recall_differences(two(0.03, queries=int(4 * needed)), "pq")[0]
    assert enough.difference.real


def test_points_of_other_sizes_are_not_compared(two):
    assert recall_differences(two(0.2, bytes_per_vector=26.0), "pq") == []
    assert sentence([]).startswith(
        "nothing to compare with the baseline: no point has as many bytes"
    )


def test_what_is_not_real_needs_more_queries_than_were_asked(two):
    """Intervals are corrected for all comparisons, and so is what it takes."""
    gains = [two(gain / 1000)[1:].assign(label=f"other {gain}") for gain in range(1, 31)]
    found = recall_differences(pd.concat([two(0.0)[:1], *gains]), "pq")
    assert {one.difference.real for one in found} == {True, False}
    assert all(one.queries_needed > one.queries for one in found if not one.difference.real)


def test_the_sentence_names_datasets_and_points_where_there_are_several(two):
    few, many = two(0.2, queries=20).assign(dataset="few"), two(0.2).assign(dataset="many")
    both = pd.concat([few, many, many[1:].assign(search=[{}], name="M=2")])
    told = sentence(recall_differences(both, "pq"))
    assert told.startswith("real with 20 or 1,000 queries: few other")
    assert "many other M=2 recall@5 +" in told
    small = two(0.0, queries=3000).assign(dataset="more")
    chance = pd.concat([two(0.0, queries=20).assign(dataset="few"), small])
    clearest = min(recall_differences(chance, "pq"), key=lambda one: one.queries_needed)
    assert f"with {clearest.queries:,} queries" in sentence(recall_differences(chance, "pq"))


def test_of_equal_points_of_the_baseline_that_of_the_same_build_is_taken(two):
    points = two(0.2).assign(build=[{"M": 1}, {"M": 1}])
    better = two(0.2)[1:].assign(label="pq", build=[{"M": 2}])  # of the same size
    same, other = (recall_differences(pd.concat(p), "pq") for p in ([points], [points, better]))
    assert [one.difference.value for one in other] == [one.difference.value for one in same]
    assert recall_differences(pd.concat([points[1:], better, better]), "pq") == []
