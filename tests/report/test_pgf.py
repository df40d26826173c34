"""Figures of two quantities as source for pgfplots."""

import re

import pytest

from harness.contracts import UserError
from harness.report.plots.all_figures import draw_figures


@pytest.fixture
def source(table_maker, tmp_path):
    """The source of a figure of a table, as it is written."""

    def write(name="qps-recall", change=lambda table: table, **choices):
        drawn = draw_figures(change(table_maker(k=10)), [name, "build-costs"], **choices)
        paths = drawn.save(tmp_path, ["tex"])
        assert all(path.name.endswith(f"{name.replace(':', '-')}.tex") for path in paths)
        return paths[0].read_text()

    return write


def rows_of(plot):
    """The rows of the table within a plot."""
    lines = plot[plot.index("yplus\n") + 6 : plot.index("  };")].splitlines()
    return [[float(value) for value in line.split()] for line in lines]


def test_it_is_a_whole_document_with_a_plot_and_a_name_for_each_curve(source):
    text = source()
    assert text.index(r"\documentclass{standalone}") < text.index(r"\usepackage{pgfplots}")
    for name in ("document", "tikzpicture", "axis"):
        assert text.count(rf"\begin{{{name}}}") == text.count(rf"\end{{{name}}}") == 1
    assert text.count("{") == text.count("}")
    assert text.count(r"\addplot[") == text.count(r"\addlegendentry{") >= 2
    assert "xlabel={recall@10}" in text
    assert "ymode=log" in text
    assert re.search(r"\\definecolor\{curve0\}\{HTML\}\{[0-9A-F]{6}\}", text)


def test_the_frontier_and_its_bars_are_inside(source, table_maker):
    text, table = source(), table_maker(k=10)
    known = {f"{value:.6g}": row for value, row in zip(table["qps"], table.to_dict("records"),
                                                       strict=True)}  # fmt: skip
    plots = text.split(r"\addplot[")[1:]
    bars = 0
    for plot in plots:
        rows = rows_of(plot)
        assert rows == sorted(rows)
        for _, _, _, qps, minus, plus in rows:
            row = known[f"{qps:.6g}"]
            if row["qps_low"] == row["qps_low"]:
                assert minus == pytest.approx(row["qps"] - row["qps_low"], rel=1e-4)
                assert plus == pytest.approx(row["qps_high"] - row["qps"], rel=1e-4)
                bars += 1
    assert bars > 0


def test_names_and_titles_are_escaped(source):
    def hostile(table):
        return table.assign(label=table["label"] + r"_50%\input{x}")

    text = source(change=hostile, title="a & b_c")
    assert r"title={a \& b\_c}" in text
    assert r"\_50\%\textbackslash{}input\{x\}" in text
    assert r"\input{x}" not in text


def test_scales_and_highlights_are_those_of_the_figure(source, table_maker):
    name = str(table_maker(k=10)["label"].iloc[0])
    text = source("p99_ms:recall", y_scale="linear", highlight=[name], title="")
    assert "mode=log" not in text
    assert "  title=" not in text
    assert "ylabel={99th percentile of latency (ms)}" in text
    assert text.count("{HTML}{9A9A9A}") == text.count(r"\addplot[") - 1
    assert text.count("y dir=both") == 1


def test_a_format_that_does_not_exist_is_named(table_maker, tmp_path):
    with pytest.raises(UserError, match="pgf"):
        draw_figures(table_maker(k=10), ["qps-recall"]).save(tmp_path, ["pgf"])
