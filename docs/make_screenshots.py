"""Take the pictures of the site in `explanation/site.md`: `make_screenshots.py [RESULTS]`.

Needs Chromium and the results of `annharness run demo`.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Browser, sync_playwright

import harness

PICTURES = Path(__file__).parent / "explanation" / "site"
_CHARTS_MILLISECONDS = 2000


class Shot(NamedTuple):
    """A picture of a page in a window of this size."""

    name: str
    page: str
    width: int
    height: int
    theme: str


SHOTS = (
    Shot("front", "index", 1280, 860, "light"),
    Shot("dataset", "dataset-glove-50-10k", 1280, 1000, "dark"),
    Shot("phone", "dataset-glove-50-10k", 390, 844, "light"),
)


def take(browser: Browser, site: Path, shot: Shot) -> Path:
    """Open a page and write its picture."""
    size = {"width": shot.width, "height": shot.height}
    context = browser.new_context(viewport=size, color_scheme=shot.theme)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(f"file://{site}/{shot.page}.html")
    page.wait_for_timeout(_CHARTS_MILLISECONDS)
    path = PICTURES / f"{shot.name}.png"
    page.screenshot(path=path)
    context.close()
    return path


def main(results: Path) -> None:
    """Publish the results and take all pictures."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        site = Path(name)
        harness.publish(site, "demo", results=results, stale=True)  # old results draw as well
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for shot in SHOTS:
            print(take(chromium, site, shot))
        chromium.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("results"))
