"""Wherever a verdict is stated, it is the one that the interval printed beside it states.

Random results go through the real functions; interval and verdict are read from what is printed.
"""

from __future__ import annotations

import io
import json
import re
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from harness.cli.commands.compare import _table
from harness.contracts import UserError
from harness.measures.choosing import eligible
from harness.measures.verdicts import (
    EQUAL_WITHIN,
    Ratio,
    estimate,
    judge,
    verdict_of,
    verdict_words,
)
from harness.measures.verdicts import Estimate as RatioEstimate
from harness.report.analysis.points import comparison_groups, prepare
from harness.report.analysis.recommendations import LEVELS, block_speeds, recommendations
from harness.report.comparing.comparison import compare_curves, compare_tables, to_json, to_markdown
from harness.report.export.printing import print_frontiers
from harness.report.site.payload import comparisons_payload
from harness.report.texts import difference_text, mark, ratio_text
from harness.results.table.speeds import speeds_of_row

INTERVAL = re.compile(
    r"(?P<value>\d[\d.]*)(?: \[(?P<low>[\d.]+), (?P<high>[\d.]+)\])?(?P<mark>[†‡§]?)"
    r"\s+(?P<verdict>faster|slower|equal within 5 %|undecided)(?P<small> by less than 5 %)?"
)

speeds = st.builds(
    dict,
    log=st.floats(0.0, 0.3) | st.sampled_from([0.0, 0.001, 0.04879, 2.0]),
    noise=st.sampled_from([0.0, 1e-6, 0.002, 0.01, 0.05, 0.5]),
    blocks=st.lists(st.sampled_from(["", "a", "b", "c", "d", "e"]), min_size=1, max_size=6),
    recall=st.sampled_from([0.79, 0.85, 0.905, 0.96, 1.0]),
    seed=st.integers(0, 1000),
)
results = st.dictionaries(
    st.sampled_from(["pq", "hnsw", "ivf", "scan"]),
    st.lists(speeds, min_size=1, max_size=3),
    min_size=2,
)
relaxed = settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def made(table, respeeded, speeds_maker):
    """A table of these results."""
    row = table[table["status"] == "ok"].iloc[0].to_dict()

    def make(found):
        rows = [
            {
                **row, "algorithm": name, "label": name, "name": str(number), "point": point,
                "build": {"point": number}, "key": f"{name}-{number}",
                "tuning_recall": point["recall"], "held_out_recall": point["recall"],
                "held_out_recall_low": point["recall"] - 0.01,
                "recall_curve": np.full(10, point["recall"]),
            }
            for name, points in found.items()
            for number, point in enumerate(points)
        ]  # fmt: skip

        def of(row):
            point = row["point"]
            # a block holds one build of a point
            chosen = point["blocks"]
            blocks = [b for n, b in enumerate(chosen) if not b or b not in chosen[:n]]
            return speeds_maker(
                1e3 * np.exp(point["log"]), blocks, noise=point["noise"], seed=point["seed"],
                slow={"a": 0.5, "b": -0.2},
            )  # fmt: skip

        return respeeded(pd.DataFrame(rows), of)

    return make


def check(low, high, verdict, small=None):
    """Whether a verdict in words is that of an interval as printed."""
    if low is None:
        assert verdict.startswith("undecided"), verdict
        return
    low, high = float(low), float(high)
    stated = {"equal within 5 %": "equal"}.get(verdict, verdict.split(":")[0])
    assert stated == verdict_of(low, high), (low, high, verdict)
    within = low >= 1 / (1 + EQUAL_WITHIN) and high <= 1 + EQUAL_WITHIN
    if stated in ("faster", "slower") and small is not None:
        assert bool(small) == within, (low, high, verdict, small)


def check_text(text, count):
    """The number of statements in a text, each checked."""
    found = list(INTERVAL.finditer(text))
    assert len(found) == count, text
    for one in found:
        check(one["low"], one["high"], one["verdict"], one["small"] or "")
        if one["low"] is not None:
            assert float(one["low"]) <= float(one["value"]) <= float(one["high"])


def terminal(found, width=400):
    stream = io.StringIO()
    Console(file=stream, width=width).print(_table(found, "", width))
    return stream.getvalue()


@relaxed
@given(found=results)
def test_compare_in_all_its_forms(made, found):
    table = made(found)
    for old, new in pairwise(found):
        try:
            compared = compare_curves(table, old, new)
        except UserError:
            continue
        rows = json.loads(to_json(compared), parse_constant=pytest.fail)
        assert len(rows) == len(compared)
        for row in rows:
            check(row["low"], row["high"], row["verdict"])
        lines = [line for line in to_markdown(compared).splitlines() if line.startswith("| glove")]
        check_text(re.sub(r"[\\|]", "", "\n".join(lines)), len(lines))
        check_text(terminal(compared), len(lines))
        for narrow in terminal(compared, 80).splitlines():
            assert len(narrow) <= 80


@relaxed
@given(found=results, other=results)
def test_compare_of_two_folders(made, found, other):
    try:
        compared = compare_tables(made(found), made(other))
    except UserError:
        return
    for one in compared:
        check_text(f"{ratio_text(one.ratio)} {verdict_words(one.ratio)}", 1)


@relaxed
@given(found=results)
def test_the_site(made, found):
    for page in comparisons_payload(list(comparison_groups(prepare(made(found)))), LEVELS):
        for text, words, verdict, _, _, _, low, high in page["cells"]:
            check_text(f"{text} {words}", 1)
            assert words.startswith(verdict)
            if verdict != "undecided":
                assert low is not None
                assert high is not None
        for key, cells in page["pairs"].items():
            turned = page["pairs"][",".join(reversed(key.split(",")))]
            for cell, other in zip(cells, turned, strict=True):
                assert (cell is None) == (other is None)
                if cell is not None:
                    check_turned(page["cells"][cell][2], page["cells"][other][2])


def check_turned(verdict, other):
    turn = {"faster": "slower", "slower": "faster"}
    assert other == turn.get(verdict, verdict)


@relaxed
@given(found=results)
def test_recommendations(made, found):
    """Curves are named as equal or undecided by their interval; the others are slower."""
    table = made(found)
    (group,) = comparison_groups(prepare(table))
    stream = io.StringIO()
    print_frontiers(Console(file=stream, width=2000), table)
    lines = stream.getvalue().splitlines()
    known = group.points.dropna(subset=["tuning_recall", "held_out_recall_low", "qps"])
    known = known.assign(mean=np.nanmean(block_speeds(known), axis=1)) if len(known) else known
    for one in recommendations(group):
        (line,) = [text for text in lines if f"fastest at recall {one.level:g}:" in text]
        for name, ratio in one.equal:
            assert f"{name}{mark(ratio.scope)}" in line.partition("equal within 5 %: ")[2]
            check(ratio.low, ratio.high, "equal within 5 %")
        for name, ratio in one.undecided:
            assert name in line.partition("undecided: ")[2]
            assert ratio.verdict in ("undecided", "faster")
        assert ("equal within" in line, "undecided:" in line) == (
            bool(one.equal),
            bool(one.undecided),
        )
        named = [name for name, _ in (*one.equal, *one.undecided)]
        assert len(set(named)) == len(named)
        sure = eligible(known["tuning_recall"], known["held_out_recall_low"], one.level)
        for curve, rows in known[sure].groupby("curve") if one.reached else ():
            if curve not in (*named, one.row["curve"]):
                fastest = rows.iloc[rows["mean"].argmax()].to_dict()
                ratio = judge([estimate(speeds_of_row(fastest), speeds_of_row(one.row))])[0]
                assert ratio.verdict == "slower"


bounds = st.floats(0.2, 5.0) | st.floats(-1e-4, 1e-4).flatmap(
    lambda gap: st.sampled_from([1 + gap, 1.05 + gap, 1 / 1.05 + gap])
)


@given(bounds, bounds)
def test_rounding_never_contradicts(one, other):
    low, high = sorted((one, other))
    value = (low * high) ** 0.5
    ratio = Ratio(value, low, high, 0.95, verdict_of(low, high), 3, 3, "between builds")
    check_text(f"{ratio_text(ratio)} {verdict_words(ratio)}", 1)


@given(st.floats(-8, 8), st.floats(0, 8))
def test_ratios_of_any_size_can_be_read(log_ratio, error):
    (ratio,) = judge([RatioEstimate(log_ratio, error, 4, 5, "between builds")])
    check_text(f"{ratio_text(ratio)} {verdict_words(ratio)}", 1)
    value = ratio_text(ratio).split()[0]
    assert float(value) == pytest.approx(ratio.value, rel=0.06)


@given(st.floats(-1, 1) | st.floats(-1e-5, 1e-5), st.floats(0, 1) | st.floats(0, 1e-5))
def test_differences_in_recall_are_told_from_zero(value, half):
    low, high = value - half, value + half
    shown = re.fullmatch(r"\S+ \[(\S+), (\S+)\]", difference_text(value, low, high))
    assert (float(shown[1]) > 0, float(shown[2]) < 0) == (low > 0, high < 0)
