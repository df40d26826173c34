"""How soon every page of a published site shows its first picture, read from the disk.

Run by hand: `python -m tests.performance.site_paint SITE`. Prints for each page the median seconds
of some loads, each in a new profile of Chromium, from the request until the first text or picture
is drawn, and until the page has all its parts, charts included.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from statistics import median

from playwright.sync_api import Browser, sync_playwright

LOADS = 5
_DRAWN = """() => new Promise((told) => {
  const tell = () => {
    const [paint] = performance.getEntriesByName('first-contentful-paint');
    const loaded = performance.getEntriesByType('navigation')[0].loadEventEnd;
    if (paint && loaded) told([paint.startTime / 1e3, loaded / 1e3]);
    else setTimeout(tell, 20);
  };
  tell();
})"""


def load(browser: Browser, page: Path) -> tuple[float, float]:
    """Return the seconds until the first picture, and until the page is whole."""
    context = browser.new_context()
    opened = context.new_page()
    opened.goto(page.as_uri())
    drawn, whole = opened.evaluate(_DRAWN)
    context.close()
    return drawn, whole


def main() -> None:
    pages = sorted(Path(sys.argv[1]).glob("*.html"))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        print("page: first picture, whole page (s)")
        for page in pages:
            loads = [load(browser, page) for _ in range(LOADS)]
            drawn, whole = (median(values) for values in zip(*loads, strict=True))
            print(f"{page.name}: {drawn:.2f}, {whole:.2f}")
        browser.close()


if __name__ == "__main__":
    main()
