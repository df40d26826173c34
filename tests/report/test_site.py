"""The site's files: what they hold, that they are equal, and that no name does harm."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from harness.contracts import UserError
from harness.data.plane import Plane
from harness.data.truth.difficulty import quantiles_of
from harness.measures.verdicts import verdict_words
from harness.registry import load_registry
from harness.report.analysis.describing import with_entries
from harness.report.analysis.points import comparison_groups, prepare
from harness.report.analysis.recommendations import LEVELS, recommendations
from harness.report.quantities import human
from harness.report.site.content import SiteChoices, page_name
from harness.report.site.pages import write_site
from harness.report.site.payload import script_safe
from harness.report.site.plane_picture import plane_values
from harness.report.texts import ratio_text

NASTY = '<script>alert("x")</script>\' ../../etc &amp; {{ 7*7 }} \u202ertl \U0001f600 ' + "n" * 300
_MARKS = ("row-dots", "query-crosses")


class Page(HTMLParser):
    """Counts elements and collects links and text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.text = {}, [], []
        self.handlers = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags[tag] = self.tags.get(tag, 0) + 1
        found = dict(attributes)
        self.links += [found[name] for name in ("href", "src") if found.get(name)]
        self.handlers += [name for name in found if name.startswith("on")]

    def handle_data(self, data):
        self.text.append(data)


def read(path):
    return Page(path.read_text())


def test_every_page_is_there_and_every_link_leads_somewhere(table, tmp_path):
    write_site(table, tmp_path)
    names = {path.name for path in tmp_path.glob("*.html")}
    assert {"index.html", "across.html", "compare.html", "failures.html", "methods.html"} < names
    assert "dataset-glove-50-10k.html" in names
    assert "algorithm-anisotropic-pq.html" in names
    for path in tmp_path.glob("*.html"):
        for link in read(path).links:
            if not link.startswith(("#", "data:")):
                assert (tmp_path / link).is_file(), (path.name, link)


def test_the_chart_library_sets_up_only_what_is_drawn(table, tmp_path):
    write_site(table, tmp_path)
    library = (tmp_path / "assets" / "plotly.min.js").read_text()
    assert ".register([])" in library  # else a browser takes a second more; see charts.py


def test_nothing_is_fetched_from_anywhere(table, tmp_path):
    write_site(table, tmp_path / "site")
    write_site(table, tmp_path / "one.html", single_file=True)
    for path in [*tmp_path.glob("site/*.html"), tmp_path / "one.html"]:
        links = read(path).links
        assert not [link for link in links if re.match(r"(https?:)?//", link)]


def test_equal_tables_give_equal_files(table, tmp_path):
    first = write_site(table, tmp_path / "a")
    second = write_site(table, tmp_path / "b")
    assert [p.relative_to(tmp_path / "a") for p in first] == [
        p.relative_to(tmp_path / "b") for p in second
    ]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes(), one


def test_what_is_no_longer_published_is_removed_and_nothing_else(table_maker, tmp_path):
    out, outside = tmp_path / "site", tmp_path / "dataset-outside.html"
    (mine := out / "dataset-of-mine.html").parent.mkdir()
    for path in (mine, outside):
        path.write_text("mine")
    write_site(pd.concat([table_maker(), table_maker(dataset="secret", extra=["hidden"])]), out)
    assert len(list(out.glob("**/*-secret.*"))) == 5
    with (out / "data" / "files.txt").open("a") as listing:
        listing.write("../dataset-outside.html\nCNAME\n")
    write_site(table_maker(), out)
    assert not [*out.glob("**/*secret*"), *out.glob("**/*hidden*")]
    assert mine.exists()
    assert outside.exists()
    assert read(out / "dataset-glove-50-10k.html").tags


def test_recommendations_are_those_of_the_table(table, tmp_path):
    write_site(table, tmp_path)
    front, page = (
        " ".join(" ".join(read(tmp_path / name).text).split())
        for name in ("index.html", "dataset-glove-50-10k.html")
    )
    (group,) = comparison_groups(prepare(table))
    for one in recommendations(group):
        assert f"{one.row['held_out_recall']:.4f}" in page
        for text in (front, page):
            assert f"{one.row['curve']} {one.row['parameters']}".strip() in text
            assert human(one.qps) in text
            assert " ".join(one.equal_names) in text
            for missing, names in one.undecided_names.items():
                assert f"{' '.join(names)} {missing}" in text


def test_recalls_are_columns_and_what_no_point_reaches_says_so(table, tmp_path):
    short = table[table["algorithm"] == "pq"]
    write_site(short, tmp_path, choices=SiteChoices(levels=[0.6, 0.999]))
    front = (tmp_path / "index.html").read_text()
    assert front.count('<table class="by-recall">') == 1
    heads = re.findall(r'<th scope="col">([\d.]+)</th>', front)
    assert heads == ["0.6", "0.999"]
    highest = prepare(short)["recall"].max()
    assert f"no point reaches it; the highest recall is {highest:.3f}, of pq M=25" in front


def test_the_front_page_says_what_was_measured_where_and_when(table_maker, tmp_path):
    table = pd.concat([table_maker(), table_maker(dataset="other")], ignore_index=True)
    days = ["2026-02-01T10:00:00Z", "2026-03-04T10:00:00Z", "no date <b>"]
    table["finished_at"] = [days[n % 3] for n in range(len(table))]
    write_site(with_entries(table, load_registry()), tmp_path)
    text = " ".join(" ".join(read(tmp_path / "index.html").text).split())
    assert "50 points of 4 algorithms on 2 datasets, measured from 2026-02-01 to 2026-03-04" in text
    assert "on AMD EPYC, 2 cores" in text
    assert "add your file by annharness data add NAME FILE --metric METRIC" in text
    assert "The 10,000 most frequent words of GloVe 6B" in text
    front = (tmp_path / "index.html").read_text()
    assert front.count('<svg class="picture"') == 2
    for name in ("glove-50-10k", "other"):
        assert f'<a class="thumbnail" href="dataset-{name}.html"' in front
    families = re.findall(r"<section><h3>(\w+)</h3>", front)
    assert families == ["quantization", "exhaustive"]


def cells_across(path):
    """Level to curve to the texts of its cells."""
    text = path.read_text()
    found = {}
    for level, body in re.findall(r'data-level="([\d.]+)">(.*?)</table>', text, re.S):
        rows = re.findall(r"<tr data-family.*?</tr>", body, re.S)
        cells = [[" ".join(" ".join(Page(c).text).split()) for c in re.findall(r"<t[hd].*?</t[hd]>",
                  row, re.S)] for row in rows]  # fmt: skip
        found[float(level)] = {name.split()[0]: rest for name, _, *rest in cells}
    return found


def test_across_datasets_each_cell_is_the_ratio_and_verdict_of_the_recommendation(
    table_maker, tmp_path
):
    table = pd.concat([table_maker(), table_maker(dataset="other", extra=["lone"])])
    write_site(table, tmp_path)
    shown = cells_across(tmp_path / "across.html")
    assert list(shown) == list(LEVELS)
    for column, group in enumerate(comparison_groups(prepare(table))):
        for one in recommendations(group):
            cells = {name: cells[column] for name, cells in shown[one.level].items()}
            assert cells[one.row["curve"]] == "fastest"
            for name, ratio in one.rivals:
                assert cells[name].startswith(ratio_text(ratio))
                assert (verdict_words(ratio) in cells[name]) == (ratio.verdict != "slower")
    assert shown[0.8]["lone"][0] == "not measured"
    highest = prepare(table).groupby("curve")["recall"].max()
    for name in ("pq", "faiss-pq"):
        assert set(shown[0.99][name]) == {f"cannot reach it highest {highest[name]:.3f}"}


def test_the_page_of_a_dataset_says_what_the_data_are(table, tmp_path):
    about = {
        "about": "Words & <b>.", "licence": "PDDL-1.0", "queries": "200 drawn, seed 42",
        "query_distribution": "differs from the base",
        "duplicates": 3, "zero": 1, "queries_in_base": 2, "norms": (0.5, 4.0, 9.0),
        "contrast": (1.1, 1.5, 2.0),
        "plane": Plane(((-1.0, 0.0), (0.5, 0.25), (0.5, -0.25)), ((0.0, 0.1),), 0.1234),
    }  # fmt: skip
    write_site(table.assign(dataset_about=[about] * len(table)), tmp_path / "known")
    failed = [np.nan, *table["query_difficulty"].iloc[1:]]  # the first point has measured nothing
    write_site(table.assign(query_difficulty=failed), tmp_path / "unknown")
    known, unknown = (
        " ".join(" ".join(read(tmp_path / n / "dataset-glove-50-10k.html").text).split())
        for n in ("known", "unknown")
    )
    for words in (
        "Words & <b>.", "10,000 of 50 dimensions", "200: 200 drawn, seed 42", "PDDL-1.0",
        "query distribution differs from the base", "3 base rows (dots) and 1 queries (crosses)",
        "hold 12 % of their variance",
        "0.5 to 9, median 4", "3 rows, 1 zero rows", "median 1.50, 5 % to 95 %: 1.10 to 2.00",
    ):  # fmt: skip
        assert words in known
        assert words == "10,000 of 50 dimensions" or words not in unknown
    for page in ("index", "across"):  # where readers look for data like theirs
        for name, is_told in (("known", True), ("unknown", False)):
            text = " ".join(read(tmp_path / name / f"{page}.html").text)
            assert ("distribution of queries differs from the base" in text) == is_told
    lid = quantiles_of(table["query_difficulty"].iloc[0])
    for text in (known, unknown):
        assert f"intrinsic dimension (LID) median {lid[1]:.2f}" in text
    page = (tmp_path / "known" / "dataset-glove-50-10k.html").read_text()
    assert page.count('<svg class="picture"') == 3  # difficulty, recall by it, and the data
    counts = [re.search(f'class="{n}" d="([^"]*)"', page)[1].count("M") for n in _MARKS]
    assert counts == [3, 1]
    full = Plane(((-1.0, -1.0), *[(0.123, 1.0)] * 999), ((0.456, 0.789),) * 300, 0.5)
    assert len(plane_values("words", full)["picture"]) < 30_000


def test_the_page_of_an_algorithm_says_its_family_libraries_and_parameters(table, tmp_path):
    write_site(with_entries(table, load_registry()), tmp_path)
    text = " ".join(" ".join(read(tmp_path / "algorithm-pq.html").text).split())
    assert "family quantization" in text
    assert "libraries faiss-cpu 1.15.1 , numpy 2.4.6 All that was loaded with it cffi" in text
    assert "rerank 0 → 400" in text
    assert "Product quantization with k-means codebooks" in text
    assert "against the best" in text


def test_every_picture_is_well_formed_and_names_are_escaped(table, tmp_path):
    nasty = table.assign(label=[NASTY if n == "pq" else n for n in table["algorithm"]])
    write_site(nasty.assign(dataset=NASTY), tmp_path)
    pictures = [
        picture
        for path in tmp_path.glob("*.html")
        for picture in re.findall(r"<svg.*?</svg>", path.read_text(), re.S)
    ]
    assert len(pictures) == 3
    for picture in pictures:
        root = ElementTree.fromstring(picture)
        assert {one.tag for one in root.iter()} <= {
            "svg", "g", "line", "text", "polyline", "polygon", "rect",
        }  # fmt: skip
        assert root.get("aria-label")


def test_intervals_within_one_build_are_marked_and_unknown_ones_said(
    table_maker, respeeded, speeds_maker, tmp_path
):
    write_site(table_maker(builds=1), tmp_path / "one")
    text = " ".join(read(tmp_path / "one" / "index.html").text)
    assert "†" in text
    assert "within one build: ask for 3 builds or more" in text
    alone = respeeded(table_maker(), lambda row: speeds_maker(row["qps"], [""]))
    write_site(alone, tmp_path / "alone")
    text = " ".join(read(tmp_path / "alone" / "index.html").text)
    assert "interval unknown: needs 3 builds" in text
    assert "needs at least 3 builds" in text


def test_methods_explain_both_kinds_of_interval(table, tmp_path):
    write_site(table, tmp_path)
    text = " ".join(" ".join(read(tmp_path / "methods.html").text).split())
    for words in ("Between builds", "Within one build", "cross-fitted", "equal within 5 %"):
        assert words in text


def test_failures_are_told_with_their_reasons(table, tmp_path):
    write_site(table, tmp_path)
    text = " ".join(read(tmp_path / "failures.html").text)
    assert "no answer within 3600 s" in text
    assert "out_of_memory" in text


def test_the_front_page_marks_a_machine_of_grade_c_or_d(table, tmp_path):
    fit = {**table["provenance"].iloc[0], "conditions": {"grade": "B", "findings": []}}
    write_site(table, tmp_path / "c")
    write_site(table.assign(provenance=[fit] * len(table)), tmp_path / "b")
    write_site(table.assign(provenance=[{}] * len(table)), tmp_path / "unknown")
    text, fine, unknown = (
        " ".join(" ".join(read(tmp_path / name / "index.html").text).split())
        for name in ("c", "b", "unknown")
    )
    assert "Grade C. The machine AMD EPYC, 2 cores disturbed what was measured" in text
    assert "noise: varies by 7%. See" in text
    assert "one thread per core" not in text
    assert text.count("grade C") == 1
    assert f"({(table['algorithm'] != 'no-op').sum()} of the points)" in text
    assert "grade" not in (fine + unknown).lower()


def test_the_front_page_tells_one_finding_of_each_topic(table, tmp_path):
    def conditions(n):
        noise = {"topic": "noise", "level": "warning", "found": f"varies by {7 + n % 3}%"}
        load = {"topic": "load", "level": "warning", "found": "busy"}
        return {"grade": "C", "findings": [noise, load]}

    first = table["provenance"].iloc[0]
    given = [{**first, "conditions": conditions(n)} for n in range(len(table))]
    write_site(table.assign(provenance=given), tmp_path)
    text = " ".join(" ".join(read(tmp_path / "index.html").text).split())
    assert text.count("varies by") == 1
    assert "load: busy" in text
    assert "and 2 findings like these" in text


def test_the_front_page_tells_how_hard_each_dataset_is(table, tmp_path):
    write_site(table, tmp_path)
    text = " ".join(" ".join(read(tmp_path / "index.html").text).split())
    assert re.search(r"metric angular · median intrinsic dimension 1[12]", text)


def test_data_given_by_its_path_is_told(table, tmp_path):
    named = table.assign(dataset="vectors-0a1b2c3d")
    write_site(pd.concat([table, named]), tmp_path)
    pages = {name: " ".join(read(tmp_path / f"dataset-{name}.html").text) for name in
             ("vectors-0a1b2c3d", "glove-50-10k")}  # fmt: skip
    assert "a file given by its path" in pages["vectors-0a1b2c3d"]
    assert "a file given by its path" not in pages["glove-50-10k"]


def test_downloads_hold_every_point(table, tmp_path):
    write_site(table, tmp_path)
    data = tmp_path / "data" / "dataset-glove-50-10k"
    assert len(pd.read_parquet(data.with_suffix(".parquet"))) == len(table)
    assert len(json.loads(data.with_suffix(".json").read_text())) == len(table)


def test_names_do_no_harm(table, tmp_path):
    nasty = table.assign(dataset=NASTY, machine=NASTY, label=NASTY)
    nasty.loc[nasty["algorithm"] == "pq", "algorithm"] = NASTY
    nasty["build"] = [{NASTY: NASTY} for _ in range(len(nasty))]
    nasty["name"] = NASTY
    nasty.loc[nasty["status"] != "ok", "reason"] = NASTY
    plain = write_site(table, tmp_path / "plain")
    paths = write_site(nasty, tmp_path / "site")
    assert len(paths) == len(plain)
    for path in paths:
        assert tmp_path / "site" in path.parents
        assert re.fullmatch(r"[A-Za-z0-9.\-]{1,100}", path.name)
    for page in ("index.html", "failures.html", "methods.html"):
        ours, theirs = read(tmp_path / "site" / page), read(tmp_path / "plain" / page)
        assert ours.tags["script"] == theirs.tags["script"]
        assert ours.handlers == theirs.handlers
    write_site(nasty, tmp_path / "one.html", single_file=True)
    write_site(table, tmp_path / "plain.html", single_file=True)
    ours, theirs = read(tmp_path / "one.html"), read(tmp_path / "plain.html")
    assert ours.tags["script"] == theirs.tags["script"]
    assert "{{ 7*7 }}" in " ".join(ours.text)


def test_json_in_scripts_cannot_end_them():
    text = script_safe({"</script>": "<!--\u2028&"})
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == {"</script>": "<!--\u2028&"}


def test_pages_of_different_names_differ():
    names = ["a/b", "a b", "a-b", "A", "..", "", "n" * 300, "n" * 301]
    assert len({page_name("dataset", name) for name in names}) == len(names)


def test_all_failed_and_one_point_make_a_site(table, tmp_path):
    failed = table[table["status"] != "ok"]
    write_site(failed, tmp_path / "failed")
    assert "every point failed" in " ".join(read(tmp_path / "failed" / "index.html").text)
    write_site(table.iloc[:1], tmp_path / "one")


def test_nothing_to_publish_and_nowhere_to_write(table, tmp_path):
    with pytest.raises(UserError, match="no results"):
        write_site(table.iloc[:0], tmp_path / "site")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="folder"):
        write_site(table, tmp_path / "file")


def test_recall_that_its_sender_states_is_said_to_be_so(table, tmp_path):
    stated = "¶ without the answers: recall and latency are as their sender states"
    answerless = table["algorithm"] == "pq"
    for number, one in enumerate((table, table.assign(has_answers=~answerless))):
        write_site(one, tmp_path / str(number))
        page = " ".join(read(tmp_path / str(number) / "dataset-glove-50-10k.html").text)
        data = (tmp_path / str(number) / "data" / "dataset-glove-50-10k.js").read_text()
        assert (stated in data) == (number == 1)
        assert stated not in page
        front = " ".join(read(tmp_path / str(number) / "index.html").text)
        assert (stated in front) == (front.count("¶") > 1)
        across = " ".join(read(tmp_path / str(number) / "across.html").text)
        assert (stated in across) == ("glove-50-10k ¶" in across) == (number == 1)
        compared = (tmp_path / str(number) / "data" / "compare.js").read_text()
        (one,) = json.loads(compared.partition("=")[2].rstrip(";\n"))
        marks = dict(zip(one["curves"], one["marks"], strict=True))
        assert {name for name, mark in marks.items() if mark} == ({"pq"} if number else set())
        assert (stated in one["notes"]) == (number == 1)
        methods = " ".join(" ".join(read(tmp_path / str(number) / "methods.html").text).split())
        assert ("8 points that came without them" in methods) == (number == 1)


def test_a_table_of_recalls_that_are_not_reached_has_no_empty_rows(table, tmp_path):
    low = table.assign(recall=0.1, tuning_recall=0.1, held_out_recall=0.1, held_out_recall_low=0.0)
    curves = [np.full(10, 0.1)] * len(low)
    write_site(low.assign(recall_curve=curves, **{"recall@10": 0.1}), tmp_path)
    text = " ".join(read(tmp_path / "algorithm-pq.html").text)
    assert "no point reaches it" in text
    assert "queries/s" not in text.split("Its fastest points")[1]
