"""The documentation site: built strictly, and opened from disk in Chromium."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from harness.interop.package import pack
from harness.results.store import ResultStore
from harness.results.table.rows import load_results
from tests.results.conftest import TRUTH, make_build, make_header

pytestmark = [
    pytest.mark.browser,
    # Playwright leaves its pipes to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

DOCS = Path(__file__).parents[2] / "docs"
BACKGROUND = "getComputedStyle(document.body).backgroundColor"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("sphinx", reason="the site needs the extra docs: make docs")
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", DOCS, folder]
    packages = packages_in(tmp_path_factory.mktemp("packages"))
    env = os.environ | {"ANNHARNESS_PACKAGES": str(packages)}
    done = subprocess.run(build, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def packages_in(folder):
    """Write a package of one point."""
    store = ResultStore(folder / "results")
    store.add_build(make_header(), make_build(0))
    store.write_truth(make_header().identity, TRUTH)
    (folder / "packages").mkdir()
    pack(load_results(store.root), store.root, folder / "packages" / "one.zip")
    return folder / "packages"


@pytest.fixture
def page(browser):
    """A page that fails the test if anything complains, is missing, or leaves the disk."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light")
    opened = context.new_page()
    complaints = []
    opened.on("console", lambda m: complaints.append(m.text) if m.type != "log" else None)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("requestfailed", lambda request: complaints.append(request.url))
    local = ("file:", "data:", "blob:")
    opened.on("request", lambda r: None if r.url.startswith(local) else complaints.append(r.url))
    yield opened
    assert complaints == []
    context.close()


def pages_of(site: Path) -> list[Path]:
    """The pages but those of the published results, which tests/report/ looks at."""
    return [path for path in sorted(site.rglob("*.html")) if site / "published" not in path.parents]


def test_the_front_page_leads_to_every_page(page, site):
    page.goto((site / "index.html").as_uri())
    shown = page.eval_on_selector_all("article a.internal", "links => links.map(a => a.pathname)")
    written = {
        path.relative_to(DOCS).with_suffix(".html")
        for path in DOCS.rglob("*.md")
        if path.name != "README.md"
    }
    linked = {Path(unquote(path)).relative_to(site) for path in shown}
    assert written - linked == {Path("index.html")}


def test_no_link_is_broken(page, site):
    targets: dict[Path, set[str]] = {}
    links = []
    for path in pages_of(site):
        page.goto(path.as_uri())
        targets[path] = set(page.eval_on_selector_all("[id]", "all => all.map(one => one.id)"))
        found = page.eval_on_selector_all("a[href]", "all => all.map(one => one.href)")
        links += [(path, urlsplit(one)) for one in found]
    assert len(links) > 1_000
    for path, link in links:
        if link.scheme == "file":
            target = Path(unquote(link.path))
            assert target.is_file(), f"{path.name} links to {target}"
            anchor = unquote(link.fragment)
            assert anchor in ("", *targets.get(target, {anchor})), f"{path.name}: {link.geturl()}"


def test_packages_of_results_are_published(page, site):
    page.goto((site / "results" / "published.html").as_uri())
    page.get_by_text("Open the published results").click()
    page.wait_for_selector("h1")
    assert page.locator("h1").inner_text() == "Published results"
    assert make_header().identity.dataset in page.locator("body").inner_text()


def test_search_finds_the_page_of_a_word(page, site):
    page.goto((site / "index.html").as_uri())
    page.locator(".sidebar-search").fill("bootstrap")
    page.keyboard.press("Enter")
    page.wait_for_selector("#search-results li a")
    found = page.locator("#search-results li a").all_inner_texts()
    assert "Figures, intervals and verdicts" in " ".join(found)


def test_dark_mode_is_switched_and_remembered(page, site):
    page.goto((site / "index.html").as_uri())
    light = page.evaluate(BACKGROUND)
    button = page.locator(".theme-toggle:visible").first
    for _ in range(3):  # automatic, light, dark, in an order of the theme's own
        button.click()
        if page.evaluate("document.body.dataset.theme") == "dark":
            break
    dark = page.evaluate(BACKGROUND)
    assert dark != light
    page.reload()
    assert page.evaluate(BACKGROUND) == dark


@pytest.mark.parametrize("width", [390, 1280])
def test_no_page_scrolls_sideways(page, site, width):
    page.set_viewport_size({"width": width, "height": 844})
    for path in pages_of(site):
        page.goto(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
