"""What readers choose for figures, the site and tables: data, recall, highlights, titles."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from harness.cli.main import app
from harness.contracts import UserError
from harness.report.analysis.curves import styles_of
from harness.report.analysis.points import comparison_groups, prepare
from harness.report.analysis.recommendations import optimism, optimism_text, recommendations
from harness.report.curve_styles import GREY
from harness.report.plots.all_figures import figures, makers
from harness.report.site.content import SiteChoices, content_of
from harness.report.site.pages import pages_of, write_site
from harness.report.site.payload import dataset_payload

pytestmark = pytest.mark.usefixtures("screen_style")

LOADER = "harness.report.analysis.selecting.load_selected"


@pytest.fixture
def run(table, tmp_path, monkeypatch):
    """A reading verb on the table, in an empty folder; returns what it printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(LOADER, lambda *_, **__: table)

    def run(*arguments):
        done = CliRunner().invoke(app, list(map(str, arguments)))
        if done.exception is not None:
            raise done.exception
        return done.output

    return run


def figure_of(table, name, level=None, **choices):
    (figure,) = dict(figures(table, makers([name], recall=level), **choices)).values()
    return figure


def texts(figure):
    every = [*figure.texts, *(text for axes in figure.axes for text in axes.texts)]
    return "\n".join(text.get_text() for text in every)


@pytest.mark.parametrize("name", ["qps-recall", "latency", "difficulty"])
def test_only_what_is_highlighted_has_a_colour(table, name):
    (axes,) = figure_of(table, name, highlight={"pq"}).axes
    coloured = {line.get_color() for line in axes.lines} - {GREY}
    (group,) = comparison_groups(prepare(table))
    assert coloured == {styles_of([group])["pq"].colour}


def test_grey_of_a_highlight_says_nothing_of_speed(table):
    words = texts(figure_of(table, "qps-recall", highlight={"pq"}))
    assert "In grey: anisotropic-pq, exact, faiss-pq." in words
    assert "nowhere among" not in words


def test_titles_are_replaced_or_left_out(table):
    assert "glove-50-10k: QPS" in texts(figure_of(table, "qps-recall"))
    titled = texts(figure_of(table, "qps-recall", title="Our sample"))
    assert "Our sample" in titled
    assert "AMD EPYC" in titled
    bare = texts(figure_of(table, "qps-recall", title=""))
    assert "glove-50-10k" not in bare
    assert "AMD EPYC" not in bare
    assert "2 failed" in bare


@pytest.mark.parametrize("name", ["at-recall", "latency", "difficulty"])
def test_the_recall_of_figures_can_be_chosen(table, name):
    assert "recall 0.83" in texts(figure_of(table, name, 0.83))


def test_a_recall_adds_the_figure_that_shows_it():
    assert "at-recall" in makers(None, recall=0.9)
    assert "at-recall" not in makers(["latency"], recall=0.9)


def test_the_site_takes_recalls_highlights_and_a_title(table):
    content = content_of(table, SiteChoices([0.7], {"pq"}, "Our sample"))
    front, *_ = pages_of(content)
    assert front.title == "Our sample"
    (section,) = front.values["datasets"]
    assert [column["level"] for column in section["tables"][0]["columns"]] == ["0.7"]
    (name, found), *_ = content.judged.items()
    (group,) = dataset_payload(name, found, content.styles)["groups"]
    colours = {curve["name"]: curve["colour"] for curve in group["curves"]}
    assert {name for name, colour in colours.items() if colour != GREY} == {"pq"}
    assert all(curve["shown"] for curve in group["curves"])


def test_plot_takes_them(run, tmp_path):
    printed = run("plot", "-f", "svg", "-o", "p", "-a", "pq", "-a", "exact", "-d", "glove-50-10k",
                  "--highlight", "pq", "--recall", ".83", "--title", "Our sample")  # fmt: skip
    assert "at-recall.svg" in printed
    told = [line for line in printed.splitlines() if line.endswith(".svg")]
    assert len(list((tmp_path / "p").iterdir())) == len(told)


def test_publish_takes_them(run, tmp_path):
    run("publish", "site", "-a", "pq", "--recall", ".6", "--highlight", "pq", "--title", "Ours")
    front = (tmp_path / "site" / "index.html").read_text()
    assert "<h1>Ours</h1>" in front
    assert '<th scope="col">0.6</th>' in front
    assert "faiss-pq" not in front
    compared = (tmp_path / "site" / "data" / "compare.js").read_text()
    assert json.loads(compared.partition("=")[2].rstrip(";\n"))[0]["levels"] == [0.6]


def test_the_methods_page_is_about_the_chosen_recalls(table, tmp_path):
    write_site(table, tmp_path, choices=SiteChoices(levels=[0.6]))
    (group,) = comparison_groups(prepare(table))
    text = " ".join((tmp_path / "methods.html").read_text().split())
    gap = optimism_text(optimism(recommendations(group, [0.6])))
    assert f"On the tuning queries recall is {gap} on average" in text


def test_export_takes_them(run, tmp_path):
    run("export", "-o", "t.tex", "-a", "pq", "--columns", "algorithm, QPS", "--align", "lr",
        "--caption", "Ours", "--highlight", "pq")  # fmt: skip
    tex = (tmp_path / "t.tex").read_text()
    assert r"\caption{Ours}" in tex
    assert r"\begin{tabular}{lr}" in tex
    assert r"\textbf{pq}" in tex


def test_each_export_has_a_place_of_its_own_by_default(run, tmp_path):
    run("export", "--to", "bencher")
    run("export")
    assert {path.name for path in tmp_path.iterdir()} >= {"bencher.json", "results.csv"}


EXPORT_THEIRS = ["export", "--to", "ann-benchmarks", "-o", "theirs"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["export", "--recommendations", "--to", "ann-benchmarks"], "not go with --to"),
        (["export", "--recommendations", "--per-query"], "not go with --per-query"),
        ([*EXPORT_THEIRS, "--per-query"], "--to does not go with --per-query"),
        ([*EXPORT_THEIRS, "--columns", "QPS"], "--to does not go with --columns"),
        ([*EXPORT_THEIRS, "--caption", "C", "--align", "l"], "with --caption and --align"),
        ([*EXPORT_THEIRS, "--highlight", "pq"], "--to does not go with --highlight"),
        (["export", "--recall", ".8", "--recall", ".9"], "several with --recommendations"),
    ],
)
def test_options_that_would_not_be_heard_are_refused_before_anything_is_read(
    run, tmp_path, monkeypatch, arguments, words
):
    monkeypatch.setattr(
        "harness.report.analysis.selecting.load_selected", lambda *_, **__: pytest.fail("read")
    )
    with pytest.raises(UserError) as refused:
        run(*arguments)
    assert words in refused.value.describe()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["plot", "--highlight", "faiss-p"], "did you mean 'faiss-pq'"),
        (["publish", "site", "--highlight", "faiss-p"], "did you mean 'faiss-pq'"),
        (["export", "-o", "t.tex", "--highlight", "faiss-p"], "did you mean 'faiss-pq'"),
        (["plot", "-d", "glove"], "no results on the dataset 'glove'"),
        (["plot", "--recall", "1.5"], "above 0 and at most at 1"),
        (["plot", "--title", "x", "--no-title"], "both a title and none"),
    ],
)
def test_wrong_choices_are_refused_and_nothing_is_written(run, tmp_path, arguments, words):
    with pytest.raises(UserError) as refused:
        run(*arguments)
    assert words in refused.value.describe()
    assert list(tmp_path.iterdir()) == []
