"""Every page of the site in Chromium: at three widths, light and dark, by keyboard and by name."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe

from harness.data.plane import Plane
from harness.measures.verdicts import verdict_words
from harness.registry import load_registry
from harness.report.analysis.describing import with_entries
from harness.report.analysis.points import comparison_groups, prepare, title_of
from harness.report.analysis.recommendations import recommendations
from harness.report.analysis.standings import standings
from harness.report.comparing.history import histories
from harness.report.site.changes import anchor_of
from harness.report.site.content import SiteChoices, content_of
from harness.report.site.pages import write_site
from harness.report.site.recommending import standing_cell
from harness.report.texts import ratio_text

pytestmark = [
    pytest.mark.browser,
    # Playwright leaves its pipes to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

PAGES = [
    "index", "across", "compare", "history", "failures", "methods", "dataset-glove-50-10k",
    "algorithm-pq",
]  # fmt: skip
LONG = "a-name-that-goes-on-" * 4


@pytest.fixture(scope="module")
def table(table_maker):
    first = table_maker(extra=["hnswlib", "annoy", LONG])
    other = table_maker(dataset=f"another-{LONG}", extra=["hnswlib"], k=20)
    told = with_entries(pd.concat([first, other], ignore_index=True), load_registry())
    plane = Plane(((-1.0, 0.5), (0.2, -0.5)), ((0.1, 0.0),), 0.5)
    return told.assign(dataset_about=[{**one, "plane": plane} for one in told["dataset_about"]])


@pytest.fixture(scope="module")
def older(table, respeeded, speeds_maker):
    """The same points, measured a month before on slower blocks; pq was half as fast."""

    def speeds(row):
        qps = row["qps"] / (2 if row["algorithm"] == "pq" else 1)
        blocks = [f"old{n}" for n in range(4)]
        return speeds_maker(qps, blocks, noise=0.002, slow=dict.fromkeys(blocks, 0.2))

    return respeeded(table, speeds).assign(finished_at="2026-01-01T00:00:00Z")


@pytest.fixture(scope="module")
def history(table, older):
    named = [
        each.assign(question=each["key"] + each["dataset"] + each["label"])
        for each in (table, older)
    ]
    return histories([named[0].assign(finished_at="2026-02-01T00:00:00Z"), named[1]])


@pytest.fixture(scope="module")
def site(table, history, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    assert any(one.steps for one in history)
    write_site(table, folder / "site", history=history)
    return f"file://{folder}/site"


@pytest.fixture(scope="module")
def addresses(site, mixed_table, tmp_path_factory):
    """Every kind of page, and those on which filtered search and load have sections."""
    folder = tmp_path_factory.mktemp("tracks")
    table = with_entries(mixed_table(), load_registry())
    labels = [LONG if name == "faiss-pq" else name for name in table["algorithm"]]
    mixed = table.assign(label=labels)
    write_site(mixed, folder, choices=SiteChoices(levels=[0.9, 0.95]))
    pages = content_of(mixed).dataset_pages
    names = ("index", "across", pages["glove-50-10k"], pages["glove-50-10k+filtered"])
    tracks = [f"file://{folder}/{name}.html" for name in names]
    return [*(f"{site}/{name}.html" for name in PAGES), *tracks]


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_no_page_is_wider_than_the_screen_and_nothing_complains(opened, addresses, width):
    """Every other page opens in the dark; then each changes its theme."""
    page = opened(width=width)
    themes = ["light", "dark"]
    for name in addresses:
        page.goto(name)
        for theme in themes:
            page.emulate_media(color_scheme=theme)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (name, theme)
            require_contrast(page, (name, theme))
        themes.reverse()


def require_contrast(page, what):
    colours = page.evaluate(
        "[...document.querySelectorAll('h1, p, td, th, a')].filter((e) => e.checkVisibility())"
        ".map((e) => getComputedStyle(e).color)"
    )
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    for colour in set(colours):
        assert contrast(colour, paper) >= 4.5, (what, colour, paper)


def contrast(one, other):
    """Of WCAG 2, from 1 to 21."""
    light, dark = sorted(map(luminance, (one, other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour):
    shares = [int(part) / 255 for part in colour.partition("(")[2].rstrip(")").split(",")[:3]]
    linear = [s / 12.92 if s <= 0.03928 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_can_be_read_by_a_screen_reader_and_by_keyboard(opened, addresses, theme):
    """By axe-core's rules, those of WCAG 2.1 AA and its best practices among them.

    A theme changes colours alone.
    """
    rules = {"runOnly": ["color-contrast"]} if theme == "dark" else {}
    page = opened(theme=theme)
    for name in addresses:
        page.goto(name)
        page.evaluate(
            "for (const one of document.querySelectorAll('.track details')) one.open = true"
        )
        if page.locator(".chart").count():
            page.wait_for_selector(".chart .scatterlayer .trace")
        # Its look at style sheets would fetch them again, which a file may not.
        found = Axe().run(page, options={"preload": False, **rules}).response["violations"]
        faults = [(one["id"], one["impact"], one["nodes"][0]["html"][:200]) for one in found]
        assert faults == [], name


def test_from_the_front_page_to_ones_own_limits_in_three_clicks(opened, site, table):
    """Which index for recall .8 in 15 bytes, on data like these?"""
    page = opened()
    page.goto(f"{site}/index.html")
    page.locator("a.thumbnail").last.click()
    page.locator('input[name="floor"]').fill("0.8")
    page.locator('input[name="memory"]').fill("15")
    small = table[(table["bytes_per_vector"] <= 15) & (table["dataset"] == "glove-50-10k")]
    (one,) = recommendations(next(comparison_groups(prepare(small))), [0.8])
    assert title_of(one.row) in page.locator(".recommendation").inner_text()


def shown(page, selector):
    return [one.inner_text().split()[0] for one in page.locator(selector).all() if one.is_visible()]


@pytest.mark.parametrize("single", [False, True])
def test_across_datasets_shows_a_recall_and_a_family_and_keeps_them(
    opened, table, tmp_path, single
):
    write_site(table, tmp_path / "site", single_file=single)
    address = f"file://{tmp_path}/site/" + ("index.html#/across" if single else "across.html")
    page = opened()
    page.goto(address)
    heads = ".level:visible h2"
    assert page.locator(heads).all_inner_texts() == ["Recall of at least 0.9"]
    page.locator('.filtered:visible input[name="level"]').fill("0.8")
    assert page.locator(heads).all_inner_texts() == ["Recall of at least 0.8"]
    every = shown(page, ".level:visible tbody tr")
    page.locator('.filtered:visible select[name="family"]').select_option("graph")
    assert shown(page, ".level:visible tbody tr") == ["hnswlib"]
    assert len(every) == 7
    saved = page.url
    page.goto("about:blank")
    page.goto(saved)
    assert shown(page, ".level:visible tbody tr") == ["hnswlib"]


def test_across_datasets_any_recall_can_be_typed_or_chosen(opened, table, tmp_path):
    """Each cell is what `standings` tells of that recall."""
    approximate = table[table["algorithm"] != "exact"]
    write_site(approximate, tmp_path)
    page = opened()
    page.goto(f"file://{tmp_path}/across.html")
    judged = content_of(approximate).every_judged
    highest = max(max(one.group.highest_recalls.values()) for one in judged)

    def cells():
        rows = page.locator(".level:visible tbody tr").all()
        return {
            row.get_attribute("data-curve"): [
                " ".join(cell.inner_text().split()) for cell in row.locator("[data-kind]").all()
            ]
            for row in rows
        }

    def expected(level):
        found = []
        for one in judged:
            best = next(iter(recommendations(one.group, [level])), None)
            stands = standings(one.group, best, level)
            texts = {name: standing_cell(each) for name, each in stands.items()}
            parts = ("figure", "interval", "words")
            found.append({n: " ".join(c[p] for p in parts if c[p]) for n, c in texts.items()})
        names = {name for one in found for name in one}
        return {name: [one.get(name, "not measured") for one in found] for name in names}

    written = cells()
    assert written == expected(0.9)
    for level in (0.8, 0.9137, 0.95, highest + 0.0002):
        page.locator('input[name="level"]').fill(f"{level:.4f}")
        shown_now = cells()
        assert shown_now == expected(round(level, 4)), level
        assert page.locator(".level:visible h2").inner_text().endswith(f"{round(level, 4):g}")
    assert all(text.startswith(("cannot", "not")) for row in shown_now.values() for text in row)
    page.reload()
    assert cells() == shown_now
    page.locator('input[name="level"]').fill("")  # none yet
    assert cells() == written
    slider = page.locator(".recalls input")
    before = slider.input_value()
    slider.press("ArrowLeft")
    chosen = float(page.locator('input[name="level"]').input_value())
    assert int(slider.input_value()) == int(before) - 1
    assert chosen < 0.9
    assert cells() == expected(chosen)
    assert slider.get_attribute("aria-valuetext") == f"recall {chosen:g}"


@pytest.mark.parametrize("single", [False, True])
def test_datasets_can_be_chosen_across_them(opened, table, tmp_path, single):
    """Counts and order are those of a site of the chosen datasets alone."""

    def standings(page):
        rows = page.locator(".level:visible tbody tr").all()
        return [" ".join(row.inner_text().split()) for row in rows if row.is_visible()]

    def written(rows, name):
        write_site(rows, tmp_path / name, single_file=single)
        return f"file://{tmp_path}/{name}/" + ("index.html#/across" if single else "across.html")

    page = opened()
    page.goto(written(table[table["dataset"] == "glove-50-10k"], "alone"))
    assert not page.locator(".datasets:visible").count()
    alone = standings(page)
    page.goto(written(table, "both"))
    every = standings(page)
    other = page.locator(".datasets:visible input").first
    assert other.get_attribute("value") != "glove-50-10k"
    other.focus()
    page.keyboard.press("Space")
    assert standings(page) == alone != every
    saved = page.url
    page.goto("about:blank")
    page.goto(saved)
    assert standings(page) == alone
    page.locator(".datasets:visible input").first.check()
    assert standings(page) == every


def test_a_family_limits_the_chart_the_table_and_the_recommendation(opened, site):
    page = opened()
    page.goto(f"{site}/dataset-glove-50-10k.html")
    page.locator('select[name="family"]').select_option("tree")
    assert set(shown(page, "table.points tbody tr")) == {"annoy"}
    assert "Fastest of the family tree: annoy" in page.locator(".recommendation").inner_text()
    page.wait_for_selector(".chart .scatterlayer .trace")
    names = page.evaluate("document.querySelector('.chart').data.map((t) => t.name)")
    assert [name for name in names if name] == ["\u2068annoy\u2069"]
    page.reload()
    assert set(shown(page, "table.points tbody tr")) == {"annoy"}


@pytest.mark.parametrize("single", [False, True])
def test_two_states_of_the_history_can_be_compared(opened, table, older, tmp_path, single):
    """Whichever is chosen first: the newer over the older, as steps are judged."""

    def night(rows, commit, day):
        question = rows["key"] + rows["dataset"] + rows["label"]
        commits = [(commit * 40,)] * len(rows)
        return rows.assign(question=question, finished_at=f"{day}T00:00:00Z", commits=commits)

    found = histories([night(older, "a", "2026-01-01"), night(table, "b", "2026-02-01")])
    steps = [step for one in found for step in one.steps]
    assert steps
    write_site(table, tmp_path / "site", single_file=single, history=found)
    page = opened()
    name = "index.html#/history" if single else "history.html"
    page.goto(f"file://{tmp_path}/site/{name}")
    section = page.locator(".states:visible")
    old, new = (section.locator(f'[name="{name}"]') for name in ("old", "new"))
    words = ["choose", "commit bbbbbbbbbb, 2026-02-01", "commit aaaaaaaaaa, 2026-01-01"]
    assert old.locator("option").all_inner_texts() == words
    old.select_option(label=words[1])
    new.select_option(label=words[2])
    told = section.locator(".told-states").inner_text()
    start = f"{words[1]} over {words[2]}: {len(steps)} of {len(found)} points differ"
    assert told.startswith(start)
    rows = section.locator("tbody tr").all()
    shown_steps = [row.locator("td").nth(1).inner_text() for row in rows]
    ratios = {f"{ratio_text(step.ratio)} {verdict_words(step.ratio)}" for step in steps}
    assert set(shown_steps) == ratios
    saved = page.url
    page.goto("about:blank")
    page.goto(saved)
    assert section.locator(".told-states").inner_text() == told
    section.locator("tbody a").first.click()
    assert page.locator("article").first.is_visible()
    assert page.url == saved
    new.select_option(label=words[1])
    assert section.locator(".told-states").inner_text() == "Choose two different states."
    assert not section.locator("table").is_visible()


def test_a_step_of_the_history_can_be_reached_from_the_feed(opened, site, history):
    page = opened()
    page.goto(f"{site}/history.html")
    steps = sum(len(one.steps) for one in history)
    assert page.locator("p.change").count() == page.locator(".picture line.step").count() == steps
    article = page.locator("article", has=page.locator("p.change")).first
    article.locator("summary").press("Enter")
    assert article.locator("tbody tr").count() == 2
    page.goto(f"{site}/history.html#{article.get_attribute('id')}")
    page.locator('select[name="family"]').select_option("exhaustive")
    assert set(shown(page, "article h3")) == {"exact"}


def test_the_history_has_the_filters_of_the_page_of_a_dataset(opened, table, older, tmp_path):
    """By machine and threads, library version, memory (of the newest state) and family."""

    def run(rows, day, faiss):
        question = rows["key"] + rows["dataset"] + rows["label"]
        by_faiss = rows["algorithm"] == "faiss-pq"
        libraries = [{"faiss-cpu": faiss} if one else {"numpy": "2.4.6"} for one in by_faiss]
        ours, n = rows["algorithm"] != "annoy", 10_000
        return rows.assign(
            question=question, finished_at=f"{day}T00:00:00Z", libraries=libraries,
            machine=rows["machine"].where(ours, "another machine"), n=n,
        )  # fmt: skip

    found = histories([run(older, "2026-01-01", "1.14"), run(table, "2026-02-01", "1.15")])
    write_site(table, tmp_path / "site", history=found)
    page = opened()
    page.goto(f"file://{tmp_path}/site/history.html")

    def control(name):
        return page.locator(f'[name="{name}"]')

    def seen():
        return {one.algorithm for one in found if page.locator(f"#{anchor_of(one)}").is_visible()}

    everything = seen()
    control("library").select_option("faiss-cpu 1.14")
    assert seen() == {"faiss-pq"}
    control("library").select_option("")
    control("group").select_option("k = 10, another machine")
    assert seen() == {"annoy"}
    assert page.locator("h2.name:visible").count() == 1
    control("group").select_option("")
    small = {one.algorithm for one in found if one.states[-1].bytes_per_vector <= 20}
    control("memory").fill("20")
    assert seen() == small != everything
    control("per").select_option("MB")  # 20 bytes of 10,000 rows
    control("memory").fill("0.2")
    assert seen() == small
    assert f" of {len(found)} points." in page.locator(".count").inner_text()
    page.reload()
    assert seen() == small
    control("memory").fill("")
    assert seen() == everything
    assert page.locator(".count").inner_text() == ""


@pytest.mark.parametrize(
    ("text", "most"), [("13.05", 13.05), ("0.25", 0.25), ("1e1", 10), ("-3", float("inf"))]
)
def test_a_memory_stands_as_it_is_typed_on_the_page_of_the_history(
    opened, site, history, text, most
):
    """At each key the box was written to: "13.5" became 513."""
    page = opened()
    page.goto(f"{site}/history.html")
    control = page.locator('[name="memory"]')
    control.press_sequentially(text)
    assert control.input_value() == text
    small = [one for one in history if one.states[-1].bytes_per_vector <= most]
    assert page.locator("article:visible").count() == len(small)


@pytest.mark.parametrize("name", ["from", "to"])
def test_a_day_stands_as_it_is_typed(opened, site, name):
    page = opened()
    page.goto(f"{site}/history.html")
    control = page.locator(f'[name="{name}"]')
    control.press_sequentially("01152026")  # month, day and year in the browser's English
    assert control.input_value() == "2026-01-15"
    assert f"{name}=2026-01-15" in page.url
    article = page.locator("article:visible").first
    assert "1 of 2 states" in article.locator(".picture").inner_html()


def test_the_history_counts_the_points_that_all_limits_leave(opened, site, history):
    """It said both "3 of 10 points" and that 0 of 10 had states in this time."""
    page = opened()
    page.goto(f"{site}/history.html")
    counts = set()
    for name, value in (("memory", "20"), ("from", "2026-01-15"), ("to", "2025-01-01")):
        page.locator(f'[name="{name}"]').fill(value)
        visible = page.locator("article:visible").count()
        counts.add(visible)
        assert page.locator(".count").inner_text() == f"{visible} of {len(history)} points."
        assert "points" not in page.locator(".zoomed").inner_text()
    assert 0 in counts
    assert len(counts) == 2
    page.locator("button.whole").click()
    assert page.locator('[name="to"]').input_value() == ""
    assert page.locator("article:visible").count() == max(counts)


@pytest.mark.parametrize(
    "query",
    ["memory=abc", "memory=-3", "from=abc", "to=2026-13-01", "group=abc", "family=abc&library=abc"],
)
def test_what_no_control_can_hold_limits_no_history(browser, site, history, query):
    """An address with letters for the memory hid all points, while the box was empty."""
    page = browser.new_page()  # not `opened`: Chromium itself complains of such an address
    page.goto(f"{site}/history.html#?{query}")
    assert page.locator("article:visible").count() == len(history)
    assert page.locator(".count").inner_text() == page.locator(".zoomed").inner_text() == ""
    assert [one.input_value() for one in page.locator(".controls input").all()] == [""] * 3
    page.close()


def test_what_no_control_can_hold_is_the_default_of_the_other_pages(opened, site):
    page = opened()
    for name, query in (("across", "level=2&family=abc"), ("compare", "group=abc&base=abc")):
        page.goto(f"{site}/{name}.html")
        usual = page.locator("main table:visible").all_inner_texts()
        page.goto("about:blank")
        page.goto(f"{site}/{name}.html#?{query}")
        assert page.locator("main table:visible").all_inner_texts() == usual


@pytest.mark.parametrize("name", ["dataset-glove-50-10k", "compare", "across"])
def test_names_in_an_address_that_are_not_there_are_told(opened, site, name):
    page = opened()

    def chosen(query):
        page.goto("about:blank")
        page.goto(f"{site}/{name}.html{query}")
        told = page.locator(".names .unknown")
        words = told.inner_text() if told.count() else ""
        return [e.get_attribute("value") for e in page.locator(".names input:checked").all()], words

    usual, words = chosen("")
    assert len(usual) > 1
    assert words == ""
    assert chosen("#?only=abc") == (usual, "Not among them: abc.")
    assert chosen('#?only=["abc"]') == (usual, "Not among them: abc.")
    both = json.dumps([usual[1], "abc"])
    assert chosen(f"#?only={both}") == ([usual[1]], "Not among them: abc.")
    assert chosen("#?only=[]") == ([], "")


@pytest.mark.parametrize("single", [False, True])
def test_the_history_can_be_looked_at_from_one_day_to_another(
    opened, table, older, tmp_path, single
):
    def night(rows, day):
        question = rows["key"] + rows["dataset"] + rows["label"]
        return rows.assign(question=question, finished_at=f"{day}T00:00:00Z")

    nights = [("2025-12-01", older), ("2026-01-01", older), ("2026-02-01", table)]
    nights.append(("2026-03-01", table))
    found = histories([night(rows, day) for day, rows in nights])
    write_site(table, tmp_path / "site", single_file=single, history=found)
    page = opened()
    page.goto(f"file://{tmp_path}/site/" + ("index.html#/history" if single else "history.html"))
    article = page.locator("article:visible").first
    article.locator("summary").click()

    def days():
        rows = article.locator("tbody tr").all()
        return [row.locator("th").inner_text() for row in rows if row.is_visible()]

    def marks():
        every = article.locator(".curve polygon").all()
        return [round(one.bounding_box()["x"]) for one in every if one.is_visible()]

    def ticks():
        return article.locator('.tick[text-anchor="middle"]').all_text_contents()

    whole = marks()
    assert ticks() == ["2025-12-01", "2026-03-01"]
    assert days() == ["2026-03-01", "2026-02-01", "2026-01-01", "2025-12-01"]
    page.locator('input[name="from"]:visible').fill("2026-01-01")
    page.locator('input[name="to"]:visible').fill("2026-02-15")
    assert days() == ["2026-02-01", "2026-01-01"]
    assert ticks() == ["2026-01-01", "2026-02-01"]
    assert marks() == [whole[0], whole[-1]]  # as wide as the whole
    assert "2 of 4 states" in article.locator(".picture").inner_html()
    assert "newest over first, of all states" in article.inner_text()
    saved = page.url
    page.goto("about:blank")
    page.goto(saved)
    article.locator("summary").click()
    assert ticks() == ["2026-01-01", "2026-02-01"]
    page.locator('input[name="to"]:visible').fill("2026-01-01")
    assert ticks() == ["2026-01-01", ""]
    assert marks() == whole[:1]
    page.locator('input[name="from"]:visible').fill("2026-03-02")
    assert not page.locator("article:visible").count()
    assert page.locator(".count:visible").inner_text() == f"0 of {len(found)} points."
    page.locator("button.whole:visible").press("Enter")
    assert marks() == whole
    assert "from=" not in page.url


def test_the_history_can_be_looked_at_within_a_day(opened, table, older, tmp_path):
    def run(rows, time):
        question = rows["key"] + rows["dataset"] + rows["label"]
        return rows.assign(question=question, finished_at=f"2026-01-{time}:30Z")

    times = ("01T03:00", "01T09:00", "01T12:00", "02T03:00")
    rows = (older, older, table, table)
    found = histories([run(*one) for one in zip(rows, times, strict=True)])
    write_site(table, tmp_path / "site", history=found)
    page = opened()
    page.goto(f"file://{tmp_path}/site/history.html")
    ticks = page.locator("article").first.locator('.tick[text-anchor="middle"]')
    assert ticks.all_text_contents() == ["2026-01-01 03:00", "2026-01-02 03:00"]
    page.locator('input[name="from"]').fill("2026-01-01T09:00")
    page.locator('input[name="to"]').fill("2026-01-01T12:00")
    assert ticks.all_text_contents() == ["2026-01-01 09:00", "2026-01-01 12:00"]
    page.goto(page.url.replace("09%3A00", "12%3A00").replace("09:00", "12:00"))
    page.reload()
    assert ticks.all_text_contents() == ["2026-01-01 12:00", ""]
    page.goto(f"file://{tmp_path}/site/history.html#?from=2026-01-01&to=2026-01-01")
    page.reload()  # an address from when each day had one state
    assert ticks.all_text_contents() == ["2026-01-01 03:00", "2026-01-01 12:00"]
    assert page.locator('input[name="to"]').input_value() == "2026-01-01T23:59"


def test_curves_are_named_in_the_chart_and_names_do_not_cover_each_other(opened, site):
    page = opened()
    page.goto(f"{site}/dataset-glove-50-10k.html")
    page.wait_for_selector(".chart .textpoint text")
    boxes = [one.bounding_box() for one in page.locator(".chart .textpoint text").all()]
    assert len(boxes) >= 2
    for n, one in enumerate(boxes):
        for other in boxes[n + 1 :]:
            apart = (
                one["x"] + one["width"] <= other["x"] or other["x"] + other["width"] <= one["x"]
                or one["y"] + one["height"] <= other["y"]
                or other["y"] + other["height"] <= one["y"]
            )  # fmt: skip
            assert apart, json.dumps([one, other])


def test_the_keyboard_opens_and_filters(opened, site):
    page = opened()
    page.goto(f"{site}/across.html")
    reached = set()
    for _ in range(20):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.name || document.activeElement.id"))
    assert {"level", "family", "jump", "theme"} <= reached


@pytest.mark.parametrize("single", [False, True])
def test_a_link_leads_down_to_the_latency_under_load(opened, mixed_table, tmp_path, single):
    write_site(mixed_table(), tmp_path, single_file=single)
    name = "dataset-glove-50-10k"
    page = opened()
    page.goto(f"file://{tmp_path}/" + (f"index.html#/{name}" if single else f"{name}.html"))
    page.locator(".to-part:visible").click()
    heading = page.locator("h2:visible", has_text="Latency under load")
    top = heading.bounding_box()["y"]
    assert 0 <= top < 900  # on the screen
    assert page.locator("h1:visible").inner_text() == "glove-50-10k"
