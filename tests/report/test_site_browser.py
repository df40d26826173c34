"""The site as people use it: opened from disk in Chromium, hovered, filtered, copied, switched."""

from __future__ import annotations

import json
import shlex
import shutil

import pytest

from harness.report.fastest import pareto_points
from harness.report.points import prepare, scenes
from harness.report.quantities import human
from harness.report.site.writing import write_site

pytestmark = [
    pytest.mark.browser,
    # Playwright leaves its pipes to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
NASTY = (
    '<img src=x onerror=alert(1)>\' ~ <script>alert("x")</script> \u202ertl \U0001f600 ' + "n" * 300
)


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.fail("Chromium is not installed: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(params=["folder", "single file"])
def address(request, table, tmp_path):
    if request.param == "folder":
        write_site(table, tmp_path / "site")
        return f"file://{tmp_path}/site/dataset-glove-50-10k.html#"
    write_site(table, tmp_path / "one.html", single_file=True)
    return f"file://{tmp_path}/one.html#/dataset-glove-50-10k"


@pytest.fixture
def page(browser):
    """A page that fails the test if anything complains or leaves the disk."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    opened = context.new_page()
    complaints = []
    opened.on("console", lambda m: complaints.append(m.text) if m.type != "log" else None)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
    local = ("file:", "data:", "blob:")
    opened.on("request", lambda r: None if r.url.startswith(local) else complaints.append(r.url))
    yield opened
    assert complaints == []
    context.close()


def rows(page):
    visible = page.locator("table.points:visible tbody tr")
    return [[cell.inner_text() for cell in row.locator("th,td").all()] for row in visible.all()]


def pareto(table):
    (scene,) = scenes(prepare(table))
    return pareto_points(scene).sort_values("qps", ascending=False)


def test_numbers_shown_are_those_of_the_table(page, address, table):
    page.goto(address)
    shown = rows(page)
    expected = pareto(table)
    assert [row[4] for row in shown] == [human(qps) for qps in expected["qps"]]
    assert [row[2] for row in shown] == [f"{recall:.4f}" for recall in expected["recall"]]
    assert [row[0] for row in shown] == list(expected["curve"])


def test_filters_by_recall_and_memory_and_keeps_them_in_the_url(page, address, table):
    page.goto(address)
    page.locator('input[name="floor"]:visible').fill("0.9")
    page.locator('input[name="memory"]:visible').fill("10")
    expected = pareto(table).query("recall >= 0.9 and bytes_per_vector <= 10")
    assert 0 < len(expected) < 10
    assert [row[4] for row in rows(page)] == [human(qps) for qps in expected["qps"]]
    answer = page.locator(".answer:visible").inner_text()
    assert human(expected["qps"].max()) in answer
    saved = page.url
    assert "floor=0.9" in saved
    page.goto("about:blank")
    page.goto(saved)
    assert page.locator('input[name="floor"]:visible').input_value() == "0.9"
    assert len(rows(page)) == len(expected)


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
    assert {"jump", "theme", "scene", "floor", "memory", "x", "y", "all"} <= reached


def test_single_file_turns_pages_and_compares(page, table, tmp_path):
    write_site(table, tmp_path / "one.html", single_file=True)
    page.goto(f"file://{tmp_path}/one.html")
    assert page.locator("h1:visible").inner_text() == "Which index is fastest?"
    page.locator("nav").get_by_text("compare").click()
    page.wait_for_selector("#comparing:visible")
    page.locator('#comparing select[name="old"]').select_option("exact")
    visible = page.locator("table.comparisons tbody tr:visible")
    assert visible.count() > 0
    assert {row.get_attribute("data-old") for row in visible.all()} == {"exact"}
    with page.expect_download() as download:
        page.goto(f"file://{tmp_path}/one.html#/dataset-glove-50-10k")
        page.locator('[data-download="csv"]:visible').click()
    lines = download.value.path().read_text().splitlines()
    assert len(lines) == 1 + (table["in_answers"] & (table["status"] == "ok")).sum()


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
