"""Sizes that were measured, not computed, are marked wherever a size is shown."""

from __future__ import annotations

import io

import matplotlib as mpl
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from harness.report.analysis.limits import Limits, within
from harness.report.export.exporting import csv_text
from harness.report.export.printing import print_frontiers, print_recommendations
from harness.report.export.tables import (
    PLAIN,
    TableStyle,
    latex_text,
    markdown_text,
    table_of_points,
)
from harness.report.plots.all_figures import figures, makers
from harness.report.plots.style import settings
from harness.report.site.content import content_of
from harness.report.site.pages import pages_of
from harness.report.site.payload import dataset_payload
from harness.results.table.sizes import size_scope

BELOW = "measured, below the rows"


@pytest.fixture
def claimed(table):
    """The adapter of another harness claims 10.2 bytes per vector for rows of 200 bytes."""
    foreign = table["algorithm"] == "faiss-pq"
    plausible = table["algorithm"] == "exact"
    table.loc[foreign, "bytes_per_vector"] = 10.2
    table.loc[foreign, "size_scope"] = BELOW
    table.loc[plausible, "size_scope"] = "measured"
    return table


def texts(figure):
    axes_texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    return "\n".join([text.get_text() for text in figure.texts] + axes_texts)


@given(st.integers(1, 10**6), st.integers(1, 4096), st.floats(0, 1e13), st.booleans())
def test_only_computed_sizes_may_be_smaller_than_the_rows(n, d, index_bytes, measured):
    scope = size_scope(index_bytes, n, d, measured=measured)
    if not measured:
        assert scope == "computed"
    elif index_bytes == 0:
        assert scope == "unknown"
    else:
        assert scope == ("measured" if index_bytes >= 4 * n * d else BELOW)


def test_the_terminal_marks_them(claimed):
    stream = io.StringIO()
    print_frontiers(Console(file=stream, width=200), claimed)
    text = " ".join(stream.getvalue().split())
    assert "~10.2?" in text
    assert "~200" in text
    assert "13 " in text
    assert "not computed" in text
    assert "less than the rows alone" in text


def test_no_budget_is_won_unmarked(claimed):
    stream = io.StringIO()
    small = within(claimed, Limits(algorithms=["faiss-pq", "pq"], max_bytes=20))
    print_recommendations(Console(file=stream, width=200), small, [0.5], 20)
    assert "~10.2? bytes per vector" in stream.getvalue()
    assert "less than the rows alone" in stream.getvalue()


def test_exports_mark_them(claimed):
    shown = table_of_points(claimed, PLAIN)
    assert "~10.2?" in markdown_text(shown).replace("\\", "")
    assert "not computed" in markdown_text(shown)
    assert r"\textasciitilde{}10.2?" in latex_text(shown)
    assert "not computed" in latex_text(shown)
    raw = TableStyle(columns=["algorithm", "bytes_per_vector"])
    assert r"\textasciitilde{}10.2?" in latex_text(table_of_points(claimed, raw))
    rows = pd.read_csv(io.StringIO(csv_text(claimed)))
    finished = rows[rows["status"] == "ok"]
    assert set(finished.loc[finished["algorithm"] == "faiss-pq", "size_scope"]) == {BELOW}
    assert set(finished.loc[finished["algorithm"] == "pq", "size_scope"]) == {"computed"}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("build-costs", "~10.2 B?"),
        ("at-recall", "~10.2 B?"),
        ("recall-bytes", "Hollow: size measured"),
        ("bytes_per_vector:recall", "of them less than the rows alone take): exact, faiss-pq"),
    ],
)
def test_figures_mark_them(claimed, name, words):
    with mpl.rc_context():
        mpl.rcParams.update(settings("screen"))
        (figure,) = dict(figures(claimed, makers([name]))).values()
    assert words in texts(figure)


def test_figures_without_sizes_do_not_speak_of_them(claimed, table_maker):
    for name, source in (("qps-recall", claimed), ("recall-bytes", table_maker())):
        (figure,) = dict(figures(source, makers([name]))).values()
        assert "Hollow" not in texts(figure)


def test_the_site_marks_them(claimed):
    content = content_of(claimed)
    (section,) = next(pages_of(content)).values["datasets"]
    rows = [c["found"] for table in section["tables"] for c in table["columns"] if c["found"]]
    sizes = {row["curve"]: row["size"] for row in rows}
    assert sizes["faiss-pq"] == "~10.2?"
    (name, found), *_ = content.judged.items()
    (group,) = dataset_payload(name, found, content.styles)["groups"]
    points = group["points"]
    marks = {points["size_marks"][scope] for scope in points["size_scope"]}
    assert marks == {"", "~", "~?"}
    assert any("not computed" in note for note in group["notes"])
