"""Every page of the site, in the order of its navigation."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from harness.measures.verdicts import LEAST_BUILDS
from harness.report.analysis.points import rows_of
from harness.report.analysis.recommendations import optimism, optimism_text
from harness.report.site.about import algorithm_values, dataset_values
from harness.report.site.changes import history_values
from harness.report.site.content import Content, Page
from harness.report.site.machines import machines_of
from harness.report.site.overview import across_values, front_values
from harness.report.site.payload import MOST_COMPARED
from harness.text import Json

_MOST_FAILURES = 2000


def pages_of(content: Content) -> Iterator[Page]:
    """Yield every page, the index first."""
    yield Page("index", content.choices.title, "index.html.j2", front_values(content))
    yield Page("across", "Across datasets", "across.html.j2", across_values(content))
    yield Page("compare", "Compare algorithms", "compare.html.j2", {"most": MOST_COMPARED})
    for dataset, name in content.dataset_pages.items():
        yield Page(name, dataset, "dataset.html.j2", dataset_values(content, dataset))
    for algorithm, name in content.algorithm_pages.items():
        yield Page(name, algorithm, "algorithm.html.j2", algorithm_values(content, algorithm))
    yield Page("history", "History", "history.html.j2", history_values(content))
    yield Page("failures", "Failures", "failures.html.j2", _failures(content))
    yield Page("methods", "Methods and machines", "methods.html.j2", _methods(content))


def _failures(content: Content) -> Json:
    failed = content.table[content.table["status"] != "ok"]
    rows = [
        {
            "dataset": row["dataset"], "k": row["k"], "curve": row["curve"],
            "parameters": row["parameters"], "status": row["status"],
            "reason": row["reason"], "log": row["log_tail"],
        }
        for row in rows_of(failed.head(_MOST_FAILURES))
    ]  # fmt: skip
    return {"rows": rows, "left_out": max(len(failed) - _MOST_FAILURES, 0)}


def _methods(content: Content) -> Json:
    gap = optimism([one for judged in content.every_judged for one in judged.found.values()])
    return {
        "machines": machines_of(content.table),
        "optimism": None if pd.isna(gap) else optimism_text(gap),
        "points": len(content.table),
        "least_builds": LEAST_BUILDS,
        "has_filters": any(one.group.is_filtered for one in content.every_judged),
        "has_loads": any(content.under_load.values()),
    }
