"""The site as people use it: opened from disk in Chromium, hovered, filtered, copied, switched."""

from __future__ import annotations

import json
import shlex

import numpy as np
import pandas as pd
import pytest

from harness.measures.frontier import pareto_frontier
from harness.measures.verdicts import verdict_words
from harness.report.analysis.points import comparison_groups, prepare
from harness.report.analysis.recommendations import LEVELS, recommendations
from harness.report.analysis.standings import standings
from harness.report.comparing.comparison import compare_every_pair
from harness.report.quantities import human
from harness.report.site.pages import write_site
from harness.report.site.recommending import standing_cell
from harness.report.texts import ratio_text

pytestmark = [
    pytest.mark.browser,
    # Playwright leaves its pipes to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

NASTY = (
    '<img src=x onerror=alert(1)>\' ~ <script>alert("x")</script> \u202ertl \U0001f600 ' + "n" * 300
)


@pytest.fixture(scope="module", params=["folder", "single file"])
def address(request, table_maker, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    if request.param == "folder":
        write_site(table_maker(), folder / "site")
        return f"file://{folder}/site/dataset-glove-50-10k.html#"
    write_site(table_maker(), folder / "one.html", single_file=True)
    return f"file://{folder}/one.html#/dataset-glove-50-10k"


@pytest.fixture
def page(opened):
    return opened()


def rows(page):
    visible = page.locator("table.points:visible tbody tr")
    return [[cell.inner_text() for cell in row.locator("th,td").all()] for row in visible.all()]


def pareto(table, floor=-1.0, memory=np.inf):
    """The frontier of each curve by all queries, of the points within the limits for sure."""
    (group,) = comparison_groups(prepare(table))
    points = group.points[group.points["bytes_per_vector"] <= memory]
    sure = (points["tuning_recall"] >= floor) & (points["held_out_recall_low"] >= floor)
    found = [
        rows.iloc[pareto_frontier(rows["recall"], rows["qps"])]
        for _, rows in points[sure].groupby("curve")
    ]
    return pd.concat(found).sort_values("qps", ascending=False)


def test_numbers_shown_are_those_of_the_table(page, address, table):
    page.goto(address)
    shown = rows(page)
    expected = pareto(table)
    assert [row[4] for row in shown] == [human(qps) for qps in expected["qps"]]
    assert [row[2] for row in shown] == [f"{recall:.4f}" for recall in expected["recall"]]
    assert [row[0] for row in shown] == list(expected["curve"])


def test_filters_by_recall_and_memory_and_keeps_them_in_the_url(page, address, table):
    page.goto(address)
    page.locator('input[name="floor"]:visible').fill("0.8")
    page.locator('input[name="memory"]:visible').fill("10")
    expected = pareto(table, 0.8, 10)
    assert 0 < len(expected) < 10
    assert [row[4] for row in rows(page)] == [human(qps) for qps in expected["qps"]]
    small = table[table["bytes_per_vector"] <= 10]
    (chosen,) = recommendations(next(comparison_groups(prepare(small))), [0.8])
    answer = page.locator(".recommendation:visible").inner_text()
    assert human(chosen.qps) in answer
    assert f"{human(chosen.qps_low)} to {human(chosen.qps_high)}" in answer
    assert f"{chosen.row['held_out_recall']:.4f}" in answer
    assert "of the held-out queries" in answer
    saved = page.url
    assert "floor=0.8" in saved
    assert "memory=10" in saved
    page.goto("about:blank")
    page.goto(saved)
    assert page.locator('input[name="floor"]:visible').input_value() == "0.8"
    assert len(rows(page)) == len(expected)


@pytest.mark.parametrize(
    ("name", "text", "limits"),
    [
        ("floor", "0.95", {"floor": 0.95}),
        ("floor", ".8", {"floor": 0.8}),
        ("floor", "1.5", {}),
        ("memory", "13.05", {"memory": 13.05}),
        ("memory", "1e1", {"memory": 10}),
        ("memory", "-3", {}),
    ],
)
def test_a_number_stands_as_it_is_typed(page, address, table, name, text, limits):
    """At each key the box was written to: "13.5" became 513, and "0.95" nothing."""
    page.goto(address)
    control = page.locator(f'input[name="{name}"]:visible')
    control.press_sequentially(text)
    assert control.input_value() == text
    assert [row[4] for row in rows(page)] == [human(qps) for qps in pareto(table, **limits)["qps"]]


@pytest.mark.parametrize(
    ("query", "recall"),
    [
        ("floor=abc", "0.9"),
        ("floor=2", "0.9"),
        ("memory=abc", "0.9"),
        ("memory=-3", "0.9"),
        ("per=abc", "0.9"),
        ("group=abc&x=abc", "0.9"),
        ("floor=0.5&at=abc", "0.5"),
    ],
)
def test_what_no_control_can_hold_is_no_limit(browser, address, table, query, recall):
    """An address with letters for the memory hid all points, while the box was empty."""
    page = browser.new_page()  # not `opened`: Chromium itself complains of such an address
    page.goto(f"{address}?{query}")
    floor = page.locator('input[name="floor"]:visible').input_value()
    assert floor == ("" if recall == "0.9" else recall)
    assert page.locator('input[name="memory"]:visible').input_value() == ""
    assert page.locator('select[name="per"]:visible').input_value() == "vector"
    expected = pareto(table, float(floor or -1))
    assert [row[4] for row in rows(page)] == [human(qps) for qps in expected["qps"]]
    assert f"recall of at least {recall}:" in page.locator(".recommendation:visible").inner_text()
    assert order(page)[0] == recall
    page.close()


def test_an_address_that_was_cut_within_a_character_opens(page, table, tmp_path):
    write_site(table, tmp_path / "one.html", single_file=True)
    page.goto(f"file://{tmp_path}/one.html#/dataset-glove-50-10k?floor=0.9&only=%5B%2")
    page.wait_for_selector("table.points:visible tbody tr")
    assert "of the chosen algorithms" in page.locator(".count:visible").first.inner_text()


@pytest.mark.parametrize("floor", [0.5, 0.7, 0.85])
def test_the_headline_is_in_the_table_beneath(
    page, table_maker, respeeded, speeds_maker, tmp_path, floor
):
    """It named another algorithm than the table, or a dominated point that was not in it."""
    blocks = [f"b{number}" for number in range(5)]
    table = respeeded(
        table_maker(),
        lambda row: speeds_maker(
            1e4 * (2 - row["tuning_recall"]), blocks, noise=0.3, seed=int(row["key"], 16)
        ),
    )
    write_site(table, tmp_path)
    page.goto(f"file://{tmp_path}/dataset-glove-50-10k.html#?floor={floor}")
    (one,) = recommendations(next(comparison_groups(prepare(table))), [floor])
    headline = page.locator(".recommendation").inner_text()
    assert f"{one.row['curve']} {one.row['parameters']}".strip() in headline
    assert f"{human(one.qps)} queries per second" in headline
    first = rows(page)[0]
    assert (first[0], first[1]) == (one.row["curve"], one.row["parameters"])


def test_the_headline_considers_what_is_not_drawn(
    page, table_maker, respeeded, speeds_maker, tmp_path
):
    """The ninth curve alone was small and good enough, and the page said that no point was."""
    table = table_maker(extra=[f"fast-{number}" for number in range(9)])
    slower = {"pq": 900.0}
    table = respeeded(
        table, lambda row: speeds_maker(row["qps"] / slower.get(row["algorithm"], 1.0))
    )
    table.loc[table["algorithm"] == "pq", "bytes_per_vector"] = 1.0
    write_site(table, tmp_path)
    page.goto(f"file://{tmp_path}/dataset-glove-50-10k.html#?floor=0.8&memory=2")
    assert not page.locator('.names input[value="pq"]').is_checked()
    assert "Fastest with recall of at least 0.8 and at most 2 bytes per vector: pq" in (
        page.locator(".recommendation").inner_text()
    )
    assert rows(page)[0][0] == "pq"


def test_without_a_recall_the_headline_is_at_a_usual_one(page, table, tmp_path):
    """It named the fastest of all, which may find next to nothing."""
    write_site(table, tmp_path)
    page.goto(f"file://{tmp_path}/dataset-glove-50-10k.html")
    (one,) = recommendations(next(comparison_groups(prepare(table))), [0.9])
    assert one.reached
    headline = page.locator(".recommendation").inner_text()
    assert headline.startswith("Fastest with recall of at least 0.9: ")
    assert f"{one.row['curve']} {one.row['parameters']}".strip() in headline


def test_a_measured_size_wins_no_budget_unmarked(page, table, tmp_path):
    """The adapter of another harness claimed 10.2 bytes per vector for rows of 200 bytes."""
    foreign = table["algorithm"] == "faiss-pq"
    table.loc[foreign, ["bytes_per_vector", "size_scope"]] = [10.2, "measured, below the rows"]
    write_site(table, tmp_path)
    page.goto(f"file://{tmp_path}/dataset-glove-50-10k.html#?memory=11&x=bytes_per_vector")
    headline = page.locator(".recommendation").inner_text()
    assert "faiss-pq" in headline
    assert "~10.2? bytes per vector, measured as growth of memory and less than" in headline
    assert {row[8] for row in rows(page) if row[0] == "faiss-pq"} == {"~10.2?"}
    assert "not computed" in page.locator(".count").inner_text()
    page.wait_for_selector(".chart .scatterlayer .trace")
    symbols = page.evaluate("document.querySelector('.chart').data.map((t) => t.marker.symbol)")
    hollow = {str(symbol).endswith("-open") for found in symbols for symbol in found}
    assert hollow == {True, False}


def test_a_recall_that_is_not_reached_with_confidence_is_named_so(page, table, tmp_path):
    unsure = table[table["algorithm"] == "pq"].assign(held_out_recall_low=0.5)
    write_site(unsure, tmp_path)
    page.goto(f"file://{tmp_path}/dataset-glove-50-10k.html#?floor=0.9")
    answer = page.locator(".recommendation").inner_text()
    assert answer.startswith("Not reached with confidence: recall of at least 0.9.")
    assert rows(page)[0][0] == "pq"


def test_builds_that_do_not_reach_the_recall_are_hollow_on_an_axis_of_build_time(
    page, table, tmp_path
):
    write_site(table, tmp_path)
    page.goto(f"file://{tmp_path}/dataset-glove-50-10k.html#?floor=0.95&x=build_seconds")
    page.wait_for_selector(".chart .scatterlayer .trace")
    (group,) = comparison_groups(prepare(table))
    reaching = (group.points["tuning_recall"] >= 0.95) & (
        group.points["held_out_recall_low"] >= 0.95
    )
    builds = ["curve", "build_parameters"]
    reached = set(group.points[reaching].groupby(builds).groups)
    hollow = set(group.points.groupby(builds).groups) - reached
    assert reached
    assert hollow

    def drawn():
        return page.evaluate(
            "document.querySelector('.chart').data.filter((t) => [].concat(t.marker.symbol)"
            ".some((s) => s.endsWith('-open'))).map((t) => t.x.length)"
        )

    assert drawn() == [len(hollow)]
    told = page.locator(".hollow-told")
    assert told.inner_text().startswith("Hollow: the point of highest recall of builds none of")
    assert told.inner_text().endswith(f"reaches 0.95 ({len(hollow)}).")
    page.locator('[name="floor"]').fill("")
    assert drawn() == []
    assert told.inner_text() == ""
    page.locator('[name="floor"]').fill("0.95")
    page.locator('[name="x"]').select_option("recall")
    assert drawn() == []


def test_an_empty_chart_shows_no_impossible_recall(page, table, tmp_path):
    write_site(table, tmp_path)
    page.goto(f"file://{tmp_path}/dataset-glove-50-10k.html#?memory=0.1")
    page.wait_for_selector(".chart .xtick text")
    ticks = [float(text) for text in page.locator(".chart .xtick text").all_text_contents()]
    assert (min(ticks), max(ticks)) == (0, 1)
    assert "no point to draw" in page.locator(".chart").text_content()
    assert "No measured point has at most 0.1 bytes" in page.locator(".recommendation").inner_text()


def test_hover_tells_parameters_intervals_and_click_gives_the_command(page, address):
    page.goto(address)
    point = page.locator(".chart:visible .scatterlayer .trace .points path").first
    box = point.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_selector(".hoverlayer .hovertext")
    words = page.locator(".hoverlayer").first.text_content()
    assert "recall" in words
    assert "queries/s" in words
    assert " to " in words
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_selector(".picked:visible pre")
    assert "annharness run" in page.locator(".picked:visible pre").inner_text()


def test_the_copied_command_asks_for_that_point(page, address, table):
    page.goto(address)
    page.locator("table.points:visible tbody button").first.click()
    page.wait_for_function("document.querySelector('table.points button').textContent != ''")
    copied = page.evaluate("navigator.clipboard.readText()")
    words = shlex.split(copied)
    suite = json.loads(words[2])
    first = pareto(table).iloc[0]
    assert suite["datasets"] == [first["dataset"]]
    assert suite["algorithms"] == {
        first["algorithm"]: {
            "build": {name: [value] for name, value in first["build"].items()},
            "search": {name: [value] for name, value in first["search"].items()},
        }
    }
    assert words[3:] == [">", "point.yml", "&&", "annharness", "run", "point.yml"]


def test_the_recall_of_single_queries_of_a_point_is_told(page, address, table):
    page.goto(address)
    first = pareto(table).iloc[0]
    page.locator("table.points:visible tbody tr").first.get_by_text("recall of queries").press(
        "Enter"
    )
    panel = page.locator(".picked:visible")
    assert page.evaluate("document.activeElement.className") == "picked"
    counts = [int(cell.get_attribute("title").split()[0]) for cell in panel.locator("td").all()]
    recall = first["query_recall"]
    edges = [0.1 * n for n in range(11)] + [1.1]
    assert counts == np.histogram(recall, edges)[0].tolist()
    assert f"such as of query {int(recall.argmin())}" in panel.inner_text()


def test_theme_switches_and_is_remembered(page, address):
    page.goto(address)
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.locator("#theme").click()
    after = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert before != after
    page.reload()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == after


def test_algorithms_axes_and_scales_can_be_chosen(page, address):
    page.goto(address)
    page.locator('.names:visible input[value="pq"]').uncheck()
    assert "pq" not in {row[0] for row in rows(page)}
    page.locator('select[name="y"]:visible').select_option("p99_ms")
    page.locator('select[name="ys"]:visible').select_option("linear")
    page.locator('input[name="all"]:visible').check()
    title = page.locator(".chart:visible .ytitle").text_content()
    assert "99th percentile" in title
    assert "less is better" in title


def test_phone_width_has_no_sideways_scroll(page, address, tmp_path):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(address)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.screenshot(path=tmp_path / "phone.png")
    page.set_viewport_size({"width": 1280, "height": 900})
    page.screenshot(path=tmp_path / "desktop.png")


def test_the_keyboard_reaches_everything(page, address):
    page.goto(address)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.name || document.activeElement.id"))
    assert {"jump", "theme", "group", "floor", "memory", "x", "y", "all"} <= reached


def test_single_file_turns_pages_and_downloads(page, table, tmp_path):
    write_site(table, tmp_path / "one.html", single_file=True)
    page.goto(f"file://{tmp_path}/one.html")
    assert page.locator("h1:visible").inner_text() == "Which index is fastest?"
    page.goto(f"file://{tmp_path}/one.html#/dataset-glove-50-10k")
    assert saved_files(page) == files_of_the_folder(table, tmp_path, "glove-50-10k")


def test_a_single_file_holds_the_downloads_of_latency_under_load(page, mixed_table, tmp_path):
    table = mixed_table()
    write_site(table, tmp_path / "one.html", single_file=True)
    for dataset in ("glove-50-10k", "only-loaded"):
        page.goto(f"file://{tmp_path}/one.html#/dataset-{dataset}")
        assert saved_files(page) == files_of_the_folder(table, tmp_path, dataset)


def saved_files(page):
    """What the buttons of the page that is shown save, by the names of the files."""
    found = {}
    for button in page.locator("[data-download]:visible").all():
        with page.expect_download() as download:
            button.click()
        found[download.value.suggested_filename] = download.value.path().read_bytes()
    return found


def files_of_the_folder(table, tmp_path, dataset):
    write_site(table, tmp_path / "site")
    return {path.name: path.read_bytes() for path in tmp_path.glob(f"site/data/dataset-{dataset}.*")
            if path.suffix != ".js"}  # fmt: skip


def test_memory_in_all_is_bytes_per_vector_times_the_vectors(page, address):
    page.goto(address)
    page.locator('input[name="memory"]:visible').fill("10")
    by_vector = rows(page)
    page.locator('select[name="per"]:visible').select_option("MB")
    page.locator('input[name="memory"]:visible').fill("0.1")  # of 10,000 vectors
    assert rows(page) == by_vector
    saved = page.url
    page.goto("about:blank")
    page.goto(saved)
    assert rows(page) == by_vector


def test_points_can_be_chosen_by_the_library_that_they_were_measured_with(page, table, tmp_path):
    """What all points were measured with is no choice; without a choice there is no control."""
    write_site(table, tmp_path / "one")
    page.goto(f"file://{tmp_path}/one/dataset-glove-50-10k.html")
    assert not page.locator('select[name="library"]').is_visible()
    by_faiss = table["algorithm"] == "faiss-pq"
    libraries = [{"numpy": "2.4.6", **({"faiss-cpu": "1.15.1"} if one else {})} for one in by_faiss]
    table["libraries"] = libraries
    write_site(table, tmp_path / "two")
    page.goto(f"file://{tmp_path}/two/dataset-glove-50-10k.html")
    library = page.locator('select[name="library"]:visible')
    assert library.locator("option").all_inner_texts() == ["all", "faiss-cpu 1.15.1"]
    library.select_option("faiss-cpu 1.15.1")
    assert {row[0] for row in rows(page)} == {"faiss-pq"}
    assert "measured with faiss-cpu 1.15.1" in page.locator(".recommendation:visible").inner_text()
    saved = page.url
    page.goto("about:blank")
    page.goto(saved)
    assert {row[0] for row in rows(page)} == {"faiss-pq"}


def compared(page):
    """Algorithm to the cells of its levels."""
    found = page.locator("table.comparisons:visible tbody tr")
    cells = [[c.inner_text() for c in row.locator("th,td").all()] for row in found.all()]
    return {name: levels for name, *levels in cells}


def counts_of(shown, base):
    """The sentence that counts the cells of the table, each of them once."""
    cells = [cell for row in shown.values() for cell in row]
    counts = {word: sum(word in cell for cell in cells) for word in
              ("faster", "slower", "equal", "undecided", "not reached by both")}  # fmt: skip
    assert sum(counts.values()) == len(cells) == len(shown) * len(LEVELS)
    words = ", ".join(f"{n} {word}" for word, n in counts.items() if n or "not" not in word)
    about = f"({len(shown)} algorithms, {len(LEVELS)} recalls)"
    return f"{len(cells)} comparisons with {base} {about}: {words}."


@pytest.mark.parametrize("single", [False, True])
def test_any_algorithms_can_be_compared_with_any(page, table_maker, tmp_path, single):
    table = table_maker(extra=[f"more-{i:02d}" for i in range(8)])
    write_site(table, tmp_path / "site", single_file=single)
    address = f"file://{tmp_path}/site/" + ("index.html#/compare" if single else "compare.html#")
    page.goto(address)
    page.wait_for_selector(".comparing .chart .scatterlayer .trace")
    assert len(compared(page)) == 7
    page.locator('.comparing select[name="base"]').select_option("pq")
    for name in ("more-00", "faiss-pq"):
        page.locator(f'.comparing .names input[value="{name}"]').check()
    shown = compared(page)
    assert {"more-00", "faiss-pq", "exact"} <= shown.keys()
    (group,) = comparison_groups(prepare(table))
    pairs = list(compare_every_pair(group, ["pq", "faiss-pq", "exact", "more-00"]))
    for base in ("pq", "faiss-pq"):
        page.locator('.comparing select[name="base"]').select_option(base)
        page.locator('.comparing .names input[value="pq"]').check()
        shown = compared(page)
        for one in (one for one in pairs if one.old == base):
            cell = shown[one.new][LEVELS.index(one.recall)]
            assert cell == f"{ratio_text(one.ratio)} {verdict_words(one.ratio)}"
        assert page.locator(".comparing .count").inner_text().startswith(counts_of(shown, base))
    saved, before = page.url, compared(page)
    page.goto("about:blank")
    page.goto(saved)
    assert compared(page) == before


def order(page):
    """The order of the algorithms: the recall, and the place, name and standing of each."""
    level = page.locator(".ranking:visible output").inner_text()
    found = page.locator(".order:visible tbody tr").all()
    cells = [[cell.inner_text() for cell in row.locator("th,td").all()] for row in found]
    return level, [(cell[0], cell[1].strip(), " ".join(cell[2].split())) for cell in cells]


def expected_order(group, level):
    """The same as the pages across datasets have it, but for the order of what is no faster."""
    found = next(iter(recommendations(group, [level])), None)
    words = ("figure", "interval", "words")
    return {
        name: " ".join(filter(None, map(standing_cell(one).get, words)))
        for name, one in standings(group, found, level).items()
        if one.kind != "failed"
    }


def test_all_algorithms_are_ordered_at_any_recall(page, address, table):
    (group,) = comparison_groups(prepare(table))
    page.goto(address)
    assert order(page)[0] == "0.9"
    for level in (0.61, 0.733, 0.8, 0.9, 0.951, 0.97, 0.985, 1):
        page.locator('input[name="floor"]:visible').fill(str(level))
        told, shown = order(page)
        assert float(told) == level
        assert {name: words for _, name, words in shown} == expected_order(group, level)
        places = [place for place, _, _ in shown if place]
        assert places == [str(n + 1) for n in range(len(places))]
    assert "cannot reach it" in shown[-1][2]
    page.locator('input[name="memory"]:visible').fill("10")
    assert "clear memory" in page.locator(".ranking:visible .limited").inner_text()
    assert page.locator(".order:visible").count() == 0


def test_a_recall_is_pointed_at_kept_and_reached_by_the_keyboard(page, address):
    page.goto(address)
    page.wait_for_selector(".chart:visible .scatterlayer .trace")
    data = page.locator(".chart:visible .nsewdrag").first.bounding_box()
    page.mouse.move(data["x"] + 0.3 * data["width"], data["y"] + 0.9 * data["height"])
    page.wait_for_function("document.querySelector('.ranking output').textContent !== '0.9'")
    pointed, _ = order(page)
    assert page.locator(".level-line:visible").inner_text() == pointed
    page.mouse.click(data["x"] + 0.3 * data["width"], data["y"] + 0.9 * data["height"])
    page.mouse.move(2, 2)
    page.wait_for_timeout(50)
    assert order(page)[0] == pointed
    saved = page.url
    slider = page.locator(".ranking:visible input")
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert float(order(page)[0]) > float(pointed)
    page.goto("about:blank")
    page.goto(saved)
    assert order(page)[0] == pointed


def test_where_very_many_recalls_change_the_order_the_nearest_above_is_told(
    page, table, tmp_path, monkeypatch
):
    monkeypatch.setattr("harness.report.analysis.standings.MOST_LEVELS", 4)
    write_site(table, tmp_path)
    (group,) = comparison_groups(prepare(table))
    page.goto(f"file://{tmp_path}/dataset-glove-50-10k.html#?floor=0.83")
    told, shown = order(page)
    assert float(told) >= 0.83
    assert told != "0.83"
    assert {name: words for _, name, words in shown} == expected_order(group, float(told))


def box(page, selector):
    return page.locator(selector).first.bounding_box()


@pytest.mark.parametrize("name", ["dataset-glove-50-10k", "compare"])
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_lies_over_the_data_or_the_axis_title(browser, table, tmp_path, name, width):
    """On a touch screen the tools never hide; the legend lay under the title of the axis."""
    write_site(table, tmp_path)
    context = browser.new_context(
        viewport={"width": width, "height": 900}, has_touch=True, is_mobile=True
    )
    page = context.new_page()
    page.goto(f"file://{tmp_path}/{name}.html")
    page.wait_for_selector(".chart .scatterlayer .trace")
    tools, data = box(page, ".modebar-container .modebar"), box(page, ".chart .nsewdrag")
    assert tools["height"] > 0
    assert tools["y"] + tools["height"] <= data["y"]
    title = box(page, ".chart .xtitle")
    assert title["y"] >= data["y"] + data["height"]
    if name == "compare":
        legend = box(page, ".comparing .legend")
        assert legend["y"] + legend["height"] <= tools["y"]
        assert page.locator(".comparing .legend .swatch polygon").count() == len(LEVELS)
    context.close()


def test_the_legend_shows_colour_mark_and_dash(page, table_maker, tmp_path):
    write_site(table_maker(extra=[f"more-{i:02d}" for i in range(8)]), tmp_path)
    page.goto(f"file://{tmp_path}/dataset-glove-50-10k.html")
    page.wait_for_selector(".chart .scatterlayer .trace")
    drawn = page.evaluate(
        "document.querySelector('.chart').data.map((t) => t.line && t.line.color)"
    )
    assert len(set(drawn)) == len(drawn) >= 8
    swatches = page.locator(".names .swatch").all()
    assert len(swatches) == 12
    shapes = {s.locator("polygon").get_attribute("points") for s in swatches}
    colours = {s.locator("polygon").get_attribute("fill") for s in swatches}
    dashes = {s.locator("line").get_attribute("stroke-dasharray") for s in swatches}
    assert (len(shapes), len(colours)) == (12, 12)
    assert len(dashes) == 4


def test_bars_do_not_fill_the_charts(page, table, respeeded, speeds_maker, tmp_path):
    wild = respeeded(
        table, lambda row: speeds_maker(row["qps"], noise=1.5, seed=int(row["key"], 16))
    )
    write_site(wild, tmp_path)
    for name in ("dataset-glove-50-10k", "compare"):
        page.goto(f"file://{tmp_path}/{name}.html")
        page.wait_for_selector(".chart .errorbars path", state="attached")
        data = box(page, ".chart .nsewdrag")
        for bar in page.locator(".chart .errorbars path").all():
            size = bar.bounding_box()
            assert size["width"] <= 0.25 * data["width"]
            assert size["height"] <= 0.25 * data["height"]


def test_points_near_the_limit_are_ringed_and_marked(page, table, tmp_path):
    write_site(table.assign(near_no_op=table["algorithm"] == "exact"), tmp_path / "site")
    page.goto(f"file://{tmp_path}/site/dataset-glove-50-10k.html")
    marked = [row for row in rows(page) if row[4].endswith("*")]
    assert {row[0] for row in marked} == {"exact"}
    assert "within a factor of 2" in page.locator(".limit").inner_text()
    page.wait_for_selector(".chart .scatterlayer .trace")
    symbols = page.evaluate("document.querySelector('.chart').data.map((t) => t.marker.symbol)")
    assert symbols.count("circle-open") == 1


def test_recommendations_and_tables_stand_before_the_chart_is_read(page, table, tmp_path):
    write_site(table, tmp_path / "site")
    (tmp_path / "site" / "assets" / "plotly.min.js").write_text("")  # as if it took for ever
    page.goto(f"file://{tmp_path}/site/dataset-glove-50-10k.html")
    page.locator('input[name="floor"]').fill("0.9")
    assert "Fastest with recall" in page.locator(".recommendation").inner_text()
    assert len(rows(page)) > 0


def test_machines_are_told_in_full(page, address):
    page.goto(address.replace("dataset-glove-50-10k", "methods"))
    text = page.locator("table.facts:visible").inner_text()
    for words in ("performance", "L3 Unified", "1.5 cores", "openblas 0.3.30", "c0ffee", "6.1.0"):
        assert words in text
    assert "noise: varies by 7%" in text
    assert "alice" not in text


def test_nasty_names_are_shown_as_text(page, table, tmp_path):
    nasty = table.copy()
    nasty["label"] = [NASTY if name == "pq" else name for name in nasty["algorithm"]]
    nasty["machine"] = NASTY
    write_site(nasty, tmp_path / "one.html", single_file=True)
    page.goto(f"file://{tmp_path}/one.html#/dataset-glove-50-10k")
    assert NASTY.strip() in {row[0] for row in rows(page)}
    for point in page.locator(".chart:visible .scatterlayer .trace .points path").all()[:30:5]:
        point.hover(force=True)
    page.locator(".names:visible input").last.uncheck()
    assert NASTY.strip() not in {row[0] for row in rows(page)}
    page.reload()
    assert page.locator("img").count() == 0
    page.goto(f"file://{tmp_path}/one.html#/compare")
    page.locator('.comparing select[name="base"]').select_option(NASTY)
    assert "exact" in compared(page)
    page.locator('.comparing select[name="base"]').select_option("exact")
    assert NASTY.strip() in compared(page)
    for point in page.locator(".chart:visible .scatterlayer .trace .points path").all()[:6]:
        point.hover(force=True)
    assert page.locator("img").count() == 0
    assert page.evaluate("document.scripts.length") == 8  # ours: no name became one
