"""The site's sections about filtered search and latency under load, and that tracks do not mix."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

import pytest

from harness.report.analysis.by_filter import at_each_filter, crossings_in_words, filtered_points
from harness.report.analysis.points import comparison_groups, prepare, rows_of
from harness.report.analysis.under_load import (
    LATE,
    bound_text,
    highest_text,
    offered_text,
    settings_under_load,
)
from harness.report.quantities import human
from harness.report.site.about import algorithm_values
from harness.report.site.content import SiteChoices, content_of
from harness.report.site.pages import write_site
from harness.report.texts import plus_minus
from tests.report.test_site import NASTY, Page, read


@pytest.fixture(scope="module")
def mixed(mixed_table):
    return mixed_table()


@pytest.fixture(scope="module")
def site(mixed, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tracks")
    write_site(mixed, folder)
    return folder


@pytest.fixture(scope="module")
def pages(mixed, site):
    """The text of the page of each dataset."""
    return {
        name: (site / f"{page}.html").read_text()
        for name, page in content_of(mixed).dataset_pages.items()
    }


def words(html):
    return " ".join(" ".join(Page(html).text).split())


def group_of(mixed, dataset, under_load=False):
    groups = comparison_groups(prepare(mixed), under_load=under_load)
    return next(one for one in groups if one.dataset == dataset)


def rows_in(html, table):
    """The texts of the cells of each row of the first table of a class."""
    (body,) = re.findall(rf'<table class="{table}">.*?</thead>(.*?)</table>', html, re.S)[:1]
    return [
        [words(cell) for cell in re.findall(r"<t[hd].*?</t[hd]>", row, re.S)]
        for row in re.findall(r"<tr.*?</tr>", body, re.S)
    ]


def test_filtered_search_is_told_by_the_sentences_of_the_terminal(mixed, site, pages):
    points = filtered_points(group_of(mixed, "glove-50-10k+filtered"))
    front, page = words((site / "index.html").read_text()), words(pages["glove-50-10k+filtered"])
    for level in (0.8, 0.9, 0.95, 0.99):
        for sentence in crossings_in_words(points, level):
            assert f"{sentence[1:]}." in page
    for sentence in crossings_in_words(points, 0.9):
        assert f"{sentence[1:]}." in front
    assert "Queries with fewer than k matches: 5" in page
    assert page.index("At a recall of 0.9") < page.index("at a recall of 0.8")


def test_the_table_by_filter_has_every_curve_with_its_bar_and_what_is_undecided(mixed, pages):
    points = filtered_points(group_of(mixed, "glove-50-10k+filtered"))
    curves = sorted({point.curve for point in points})
    shown = rows_in(pages["glove-50-10k+filtered"], "by-filter")
    found = at_each_filter(points, 0.9)
    assert len(shown) == len(found) == 12
    for at, (head, *cells) in zip(found, shown, strict=True):
        assert head == f"{at.filters.selectivity:g} {at.filters.correlation} 40 queries"
        for curve, cell in zip(curves, cells, strict=True):
            point = at.best.get(curve)
            if point is None:
                assert cell.startswith("highest recall 0.")
                continue
            bar = f"{human(point.qps.value)} {plus_minus(*point.qps)}"
            undecided = any(point is one for one in at.undecided)
            is_first = point is at.fastest
            tag = "undecided" if undecided or (is_first and at.undecided) else "fastest"
            assert cell.startswith(f"{bar} {tag} " if undecided or is_first else f"{bar} recall")
            assert f"recall {point.recall.value:.3f}" in cell


def test_pictures_by_filter_have_a_bar_for_every_interval(mixed, pages):
    points = filtered_points(group_of(mixed, "glove-50-10k+filtered"))
    pictures = pictures_in(pages["glove-50-10k+filtered"])
    speeds = [one for one in pictures if one.get("aria-label").startswith("QPS at recall 0.9 ")]
    drawn = sum(len(at.best) for at in at_each_filter(points, 0.9))
    assert len(speeds) == 3
    assert sum(len(of_class(one, "line", "interval-bar")) for one in speeds) == drawn


def pictures_in(html):
    return [ElementTree.fromstring(one) for one in re.findall(r"<svg.*?</svg>", html, re.S)]


def of_class(picture, tag, name):
    return [one for one in picture.iter(tag) if one.get("class") == name]


def test_a_recall_that_nothing_reaches_is_said(mixed, tmp_path):
    slow = mixed[(mixed["dataset"] == "glove-50-10k+filtered") & (mixed["algorithm"] == "pq")]
    few = [
        {name: figures for name, figures in found.items() if name.startswith("0.001")}
        for found in slow["by_filter"]
    ]
    write_site(slow.assign(by_filter=few), tmp_path, choices=SiteChoices(levels=[0.99]))
    (page,) = tmp_path.glob("dataset-*.html")
    assert "No point reaches this recall on any class." in words(page.read_text())


@pytest.mark.parametrize("dataset", ["glove-50-10k", "only-loaded"])
def test_latency_under_load_has_the_words_of_the_terminal(mixed, pages, dataset):
    group = group_of(mixed, dataset, under_load=True)
    shown = iter(rows_in(pages[dataset], "under-load"))
    for setting in settings_under_load(group):
        for number, row in enumerate(rows_of(setting.at_rates)):
            cells = next(shown)
            if number == 0:
                assert cells.pop(0) == f"{setting.curve} {setting.parameters}".strip()
            latencies = [human(row[name], "ms") for name in ("p50_ms", "p95_ms", "p99_ms")]
            rates = [offered_text(row), human(row["achieved_qps"])]
            assert cells[1:] == [*rates, *latencies, "1.0%"]
        for row in rows_of(setting.searched):
            assert next(shown)[1:] == [f"p99 {bound_text(row)}: {highest_text(row)}"]
    assert next(shown, None) is None
    assert LATE in words(pages[dataset])


def test_pictures_under_load_have_percentiles_bounds_and_hollow_marks(mixed, pages):
    settings = settings_under_load(group_of(mixed, "only-loaded", under_load=True))
    overview, *each = pictures_in(pages["only-loaded"])
    assert len(each) == len(settings)
    for one in (overview, *each):
        assert [text.text for text in one.iter("text") if text.text.startswith("bound")] == [
            "bound 1.5 ms"
        ]
    assert len(of_class(overview, "polygon", "hollow")) == len(settings)
    for one in each:
        names = [text.text for text in of_class(one, "text", "name")]
        assert names == ["p99", "p95", "p50"]
        assert len(of_class(one, "line", "span")) == 2


def test_settings_of_one_curve_are_named_by_what_differs(mixed):
    settings = settings_under_load(group_of(mixed, "only-loaded", under_load=True))
    names = [one.name for one in settings]
    assert len(set(names)) == len(names)
    assert "exact" in names  # one setting: no parameters
    assert names[1:5] == [f"pq M=10 rerank={n}" for n in (0, 50, 100, 400)]  # nbits is 4 everywhere


def test_tracks_share_no_chart_no_frontier_and_no_count(mixed, site, pages):
    data = (site / "data" / "dataset-glove-50-10k.js").read_text()
    payload = json.loads(data.partition("=")[2].rstrip(";\n"))
    assert [group["mode"] for group in payload["groups"]] == ["single"]
    plain = mixed[(mixed["mode"] == "single") & (mixed["dataset"] == "glove-50-10k")]
    measured = (plain["status"] == "ok") & plain["in_answers"]
    assert len(payload["groups"][0]["points"]["curve"]) == measured.sum()
    assert "by-filter" not in pages["glove-50-10k"]
    assert "under-load" not in pages["glove-50-10k+filtered"]
    compared = (site / "data" / "compare.js").read_text()
    assert compared.count('"brief"') == 2  # plain and filtered, each alone
    assert "only-loaded" not in compared
    across = (site / "across.html").read_text()
    tables = re.findall(r'<table class="standings">.*?</table>', across, re.S)
    assert len(tables) == 2 * 4
    for one in tables:
        assert len(re.findall(r'<th scope="col"[^>]*><a', one)) == 1


def test_what_parameters_change_is_told_of_one_track(mixed):
    plain = mixed[(mixed["dataset"] == "glove-50-10k") & (mixed["mode"] == "single")]
    every, alone = (algorithm_values(content_of(table), "pq") for table in (mixed, plain))
    assert every["effects"] == alone["effects"] != []


def test_a_dataset_under_load_alone_has_a_page_and_downloads(site, pages):
    page = pages["only-loaded"]
    assert "explorer" not in page
    assert 'href="data/dataset-only-loaded.csv"' in page
    assert 'href="dataset-only-loaded.html"' in (site / "algorithm-pq.html").read_text()
    for path in site.glob("*.html"):
        for link in read(path).links:
            if not link.startswith(("#", "data:")):
                assert (site / link.partition("#")[0]).is_file(), (path.name, link)


def test_names_do_no_harm_in_the_sections(mixed, site, tmp_path):
    nasty = mixed.assign(machine=NASTY, label=NASTY, name=NASTY)
    nasty["build"] = [{NASTY: NASTY} for _ in range(len(nasty))]
    write_site(nasty, tmp_path)
    for path in [*site.glob("dataset-*.html"), site / "index.html"]:
        theirs, ours = read(path), read(tmp_path / path.name)
        assert ours.tags["script"] == theirs.tags["script"]
        assert ours.handlers == theirs.handlers
        assert NASTY.strip()[:40] in " ".join(ours.text)
