"""Figures by the selectivity and correlation of filters, and where the exact scan wins."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from math import nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from harness.measures.interval import Interval
from harness.report.analysis.by_filter import (
    best_of_curves,
    classes_of,
    crossing,
    filtered_points,
    sentence_of,
    share_text,
)
from harness.report.analysis.points import comparison_groups, prepare
from harness.report.export.printing import print_frontiers
from tests.report.conftest import make_table
from tests.report.filtered_rows import SELECTIVITIES, with_filters


@pytest.fixture
def table_with_filters(table_maker):
    return with_filters(table_maker())


@pytest.fixture
def points(table_with_filters):
    (group,) = comparison_groups(prepare(table_with_filters))
    return filtered_points(group)


def test_the_exact_scan_wins_where_few_rows_match(points):
    found = crossing(points, "none", 0.9)
    assert (found.last_won, found.first_lost) == (0.1, 0.5)
    assert found.winner != "exact"
    told = sentence_of(found)
    assert f"the fastest up to 0.1 of the rows, {found.winner} is faster from 0.5 on" in told
    assert not found.undecided


def widened(points, factor):
    return [
        replace(one, qps=Interval(one.qps.value, one.qps.low / factor, one.qps.high * factor))
        for one in points
    ]


def test_where_bars_overlap_nothing_is_decided(points):
    found = crossing(widened(points, 5), "none", 0.9)
    exact_at = {one.filters.selectivity: one.qps for one in points if one.algorithm == "exact"}
    assert found.undecided
    assert "undecided" in sentence_of(found)
    assert found.last_won is None or found.last_won < max(exact_at)
    unknown = [replace(one, qps=Interval(one.qps.value, nan, nan)) for one in points]
    told = sentence_of(crossing(unknown, "none", 0.9))  # at .1 no other reaches the recall
    assert told.endswith("the fastest up to 0.1 of the rows, undecided elsewhere")


@cache
def points_once():
    (group,) = comparison_groups(prepare(with_filters(make_table())))
    return filtered_points(group)


@settings(max_examples=25)
@given(st.floats(1.0, 20.0), st.sampled_from(["positive", "none", "negative"]))
def test_what_is_said_never_disagrees_with_the_bars(factor, correlation):
    points = widened(points_once(), factor)
    found = crossing(points, correlation, 0.9)
    for filters in classes_of(points, correlation):
        best = best_of_curves(points, filters, 0.9)
        exact, others = best["exact"].qps, [p.qps for n, p in best.items() if n != "exact"]
        if filters.selectivity == found.last_won:
            assert all(exact.low > other.high for other in others)
        if filters.selectivity == found.first_lost:
            assert best[found.winner].qps.low > exact.high


def others_at(points, selectivity, qps):
    """The points with all others than the exact scan of this speed at a selectivity."""
    return [
        replace(one, recall=Interval(1.0, 1.0, 1.0), qps=Interval(*qps))
        if one.filters.selectivity == selectivity and one.algorithm != "exact"
        else one
        for one in points
    ]


def test_what_does_not_hold_at_all_selectivities_is_not_said_of_them(points):
    fast = others_at(points, 0.1, (1e6, 0.9e6, 1.1e6))
    assert sentence_of(crossing(fast, "none", 0.9)).endswith(" is faster from 0.1 on")
    open_above = others_at(fast, 0.5, (1e6, 1.0, 1e9))
    told = sentence_of(crossing(open_above, "none", 0.9))
    assert told.endswith(" is faster at 0.1, not at all above")
    won_above = others_at(fast, 0.5, (2.0, 1.0, 3.0))
    told = sentence_of(crossing(won_above, "none", 0.9))
    assert told.endswith(": the exact scan is the fastest at 0.5 of the rows")


def test_nothing_else_reaches_a_recall_that_only_the_exact_scan_has(points):
    found = crossing(points, "negative", 0.95)
    assert (found.last_won, found.first_lost) == (0.5, None)


def test_classes_of_few_queries_or_without_a_match_are_left_out(points):
    assert [one.selectivity for one in classes_of(points, "none")] == list(SELECTIVITIES)


def test_the_best_of_a_curve_is_its_fastest_of_enough_recall(points):
    filters = classes_of(points, "positive")[-1]
    best = best_of_curves(points, filters, 0.9)["pq"]
    rivals = [one for one in points if (one.curve, one.filters) == ("pq", filters)]
    assert best.qps.value == max(one.qps.value for one in rivals)
    assert best.qps.low < best.qps.value < best.qps.high


@pytest.mark.parametrize(("share", "text"), [(5e-5, "0.00005"), (0.1, "0.1"), (1.0, "1"), (0, "0")])
def test_shares_are_never_scientific(share, text):
    assert share_text(share) == text


def test_points_without_filters_have_no_such_figures(table):
    (group,) = comparison_groups(prepare(table))
    assert filtered_points(group) == []
    assert crossing([], "none", 0.9) is None


def test_the_terminal_tells_the_fastest_by_filter(table_with_filters, capsys):
    print_frontiers(Console(width=120), table_with_filters)
    shown = " ".join(capsys.readouterr().out.split())
    assert "fastest at recall 0.9 by filter" in shown
    assert "uncorrelated filters: the exact scan is the fastest up to 0.1 of the rows" in shown
    assert "Queries with fewer than k matches: 5" in shown
