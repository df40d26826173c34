"""How the site scales: 50 algorithms, 20,000 points on one dataset.

Run by hand: `python -m tests.performance.site_scale`. Prints the seconds to build the folder and
the single file, and their sizes; then medians of some loads of the dataset's page, each in a new
profile of Chromium: seconds until its recommendation and table stand, until its chart is drawn and
until a filter is applied after that, with the Pareto points and with all points drawn.
"""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
import pandas as pd
from playwright.sync_api import Browser, Page, sync_playwright

from harness.report.site.pages import write_site

ALGORITHMS, POINTS, LOADS = 50, 400, 5
_READY = "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"


def table() -> pd.DataFrame:
    """One realistic row, varied."""
    path = Path(__file__).parents[1] / "report" / "conftest.py"
    spec = importlib.util.spec_from_file_location("report_tables", path)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    row = made.make_table(failures=False, nq=1000).iloc[1].to_dict()
    generator = np.random.default_rng(0)
    rows = []
    for algorithm in range(ALGORITHMS):
        for point in range(POINTS):
            recall = float(generator.uniform(0.3, 1))
            qps = float(2e4 * (1.05 - recall) * generator.uniform(0.2, 1) * 1.02**algorithm)
            name = f"algorithm-{algorithm:02d}"
            figures = {"qps": qps, "qps_low": 0.9 * qps, "qps_high": 1.1 * qps}
            curve = np.full(10, recall)
            bounds = {"recall_low_curve": curve - 0.01, "recall_high_curve": curve + 0.01}
            parameters = {"build": {"M": algorithm, "ef": point // 20}, "search": {"ef": point}}
            rows.append(
                {**row, **figures, **bounds, **parameters, "recall_curve": curve,
                 "algorithm": name, "label": name, "key": f"{algorithm}-{point}", "name": "",
                 "build_log_seconds": -np.log(qps * np.array([0.98, 1.0, 1.02])),
                 "tuning_recall": recall, "held_out_recall": recall,
                 "held_out_recall_low": recall - 0.01, "held_out_recall_high": recall + 0.01}
            )  # fmt: skip
    return pd.DataFrame(rows)


class Seconds(NamedTuple):
    """From the request until the recommendation stands and the chart is drawn, and of a filter."""

    answered: float
    drawn: float
    filtered: float


def usable(page: Page, address: str) -> Seconds:
    """Open the page of the dataset, wait for its chart, then ask for a recall."""
    start = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.wait_for_selector(".chart:visible .scatterlayer .trace")
    drawn = time.perf_counter() - start
    answered = page.evaluate(_READY) / 1e3
    start = time.perf_counter()
    page.locator('input[name="floor"]:visible').fill("0.9")
    page.wait_for_function("document.querySelector('.recommendation').textContent.includes('0.9')")
    return Seconds(answered, drawn, time.perf_counter() - start)


def loads(browser: Browser, address: str) -> Iterator[Seconds]:
    """Open the page some times, as one who has not seen it before."""
    for _ in range(LOADS):
        context = browser.new_context()
        yield usable(context.new_page(), address)
        context.close()


def main() -> None:
    points = table()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for label, out, single in (
            ("folder", folder / "site", False), ("single file", folder / "one.html", True)
        ):  # fmt: skip
            start = time.perf_counter()
            paths = write_site(points, out, single_file=single)
            seconds = time.perf_counter() - start
            size = sum(path.stat().st_size for path in paths) / 1e6
            print(f"{label}: {len(points):,} points, {seconds:.1f} s, {size:.1f} MB")
        with sync_playwright() as playwright:
            chromium = shutil.which("chromium")
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            pages = {
                "folder": f"file://{folder}/site/dataset-glove-50-10k.html#",
                "single file": f"file://{folder}/one.html#/dataset-glove-50-10k",
            }
            for label, address in pages.items():
                for words, state in (("Pareto points", ""), ("all points", "?all=1")):
                    found = Seconds(
                        *map(median, zip(*loads(browser, address + state), strict=True))
                    )
                    print(
                        f"{label}, {words}: recommendation in {found.answered:.2f} s, drawn in "
                        f"{found.drawn:.2f} s, filtered in {found.filtered:.2f} s"
                    )
            browser.close()


if __name__ == "__main__":
    main()
