"""The contents of each page, as plain data for the templates."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isnan

import pandas as pd

from harness.data.loading import is_name_of_file
from harness.measures.verdicts import LEAST_BUILDS
from harness.report.analysis.curves import looks_of
from harness.report.analysis.points import Scene, prepare, rows_of, scenes, slug
from harness.report.analysis.recommendations import (
    LEVELS,
    Recommendation,
    optimism,
    optimism_text,
    recommendations,
)
from harness.report.looks import Look
from harness.report.quantities import human
from harness.report.site.machines import disturbed, grade_of, machines_of
from harness.report.site.payload import MOST_COMPARED
from harness.report.texts import mark, notes, size_notes, size_text
from harness.text import Json

_MOST_FAILURES = 2000

Chosen = tuple[Scene, Recommendation]


@dataclass(frozen=True)
class Page:
    """One page: `name` is its file without the ending, `values` go to the template."""

    name: str
    title: str
    template: str
    values: Json = field(default_factory=dict)


@dataclass(frozen=True)
class SiteChoices:
    """The user's choices for a site.

    `levels` are the recalls at which there are recommendations and comparisons; of curves in
    `highlight`, all others are grey; `title` is the heading of the front page.
    """

    levels: Sequence[float] = LEVELS
    highlight: Collection[str] = ()
    title: str = "Which index is fastest?"


USUAL = SiteChoices()


@dataclass(frozen=True)
class Content:
    """A prepared table, its comparison groups by dataset, and the names of their pages."""

    table: pd.DataFrame
    by_dataset: Mapping[str, Sequence[Scene]]
    looks: Mapping[str, Look]
    dataset_pages: Mapping[str, str]
    algorithm_pages: Mapping[str, str]
    choices: SiteChoices


def content_of(table: pd.DataFrame, choices: SiteChoices = USUAL) -> Content:
    """Return the content of a table; stale points are left out."""
    prepared = prepare(table)
    found = list(scenes(prepared))
    by_dataset: dict[str, list[Scene]] = {}
    for scene in found:
        by_dataset.setdefault(scene.dataset, []).append(scene)
    algorithms = sorted({str(name) for name in prepared["algorithm"]}) if len(prepared) else []
    return Content(
        table=prepared,
        by_dataset=by_dataset,
        looks=looks_of(found, choices.highlight),
        dataset_pages={name: page_name("dataset", name) for name in by_dataset},
        algorithm_pages={name: page_name("algorithm", name) for name in algorithms},
        choices=choices,
    )


def page_name(kind: str, name: str) -> str:
    """Return a file name for a page about anything, distinct for distinct names."""
    clean = slug(name, longest=50)
    if clean != name:
        clean += "-" + hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{kind}-{clean}"


def pages_of(content: Content) -> Iterator[Page]:
    """Yield every page, the index first."""
    by_dataset = {name: _chosen(content, found) for name, found in content.by_dataset.items()}
    every = [one for chosen in by_dataset.values() for one in chosen]
    front = {"recommendations": _rows(content, every), "disturbed": disturbed(content.table)}
    yield Page("index", content.choices.title, "index.html.j2", front)
    for dataset, chosen in by_dataset.items():
        values = {
            "dataset": dataset,
            "is_file": is_name_of_file(dataset),
            "recommendations": _rows(content, chosen),
        }
        yield Page(content.dataset_pages[dataset], dataset, "dataset.html.j2", values)
    for algorithm, name in content.algorithm_pages.items():
        yield Page(name, algorithm, "algorithm.html.j2", _algorithm(content, algorithm))
    yield Page("compare", "Compare algorithms", "compare.html.j2", {"most": MOST_COMPARED})
    yield Page("failures", "Failures", "failures.html.j2", _failures(content))
    yield Page("methods", "Methods and machines", "methods.html.j2", _methods(content, every))


def recommendation_row(scene: Scene, one: Recommendation) -> Json:
    """Return a recommendation as text."""
    row = one.row
    low, high = row["held_out_recall_low"], row["held_out_recall_high"]
    return {
        "conditions": scene.brief,
        "dataset": scene.dataset,
        "level": f"{one.level:g}",
        "reached": one.reached,
        "algorithm": str(row["algorithm"]),
        "curve": str(row["curve"]),
        "words": str(row["words"]),
        "recall": f"{row['held_out_recall']:.4f}",
        "recall_bounds": f"{low:.4f} to {high:.4f}",
        "qps": human(one.qps),
        "qps_bounds": _qps_bounds(one),
        "report": one.report,
        "near": bool(row["near_ceiling"]),
        "grade": grade_of(row),
        "size": size_text(row),
        "build": human(row["build_seconds"], "s"),
        "equal": ", ".join(one.equal_names),
        "undecided": one.undecided_text,
        "notes": notes([row["qps_scope"], *(ratio.scope for _, ratio in one.equal)])
        + size_notes([row["size_scope"]]),
    }


def _qps_bounds(one: Recommendation) -> str:
    if isnan(one.qps_low) or isnan(one.qps_high):
        return "unknown"
    return f"{human(one.qps_low)} to {human(one.qps_high)}{mark(one.row['qps_scope'])}"


def _chosen(content: Content, found: Iterable[Scene]) -> list[Chosen]:
    """What is fastest in some scenes at the levels of recall that the reader chose."""
    levels = content.choices.levels
    return [(scene, one) for scene in found for one in recommendations(scene, levels)]


def _rows(content: Content, chosen: Iterable[Chosen]) -> list[Json]:
    """Recommendations in words, with the pages to go to."""
    return [
        recommendation_row(scene, one)
        | {
            "page": content.dataset_pages[scene.dataset],
            "algorithm_page": content.algorithm_pages[one.row["algorithm"]],
        }
        for scene, one in chosen
    ]


def _algorithm(content: Content, algorithm: str) -> Json:
    """The fastest of an algorithm's points at each level of recall, in every group."""
    alone = (
        replace(scene, points=scene.points[scene.points["algorithm"] == algorithm])
        for found in content.by_dataset.values()
        for scene in found
    )
    rows = _rows(content, _chosen(content, alone))
    mine = content.table[content.table["algorithm"] == algorithm]
    counts = mine["status"].value_counts().to_dict()
    return {"algorithm": algorithm, "rows": rows, "counts": sorted(counts.items())}


def _failures(content: Content) -> Json:
    failed = content.table[content.table["status"] != "ok"]
    rows = [
        {
            "dataset": row["dataset"], "k": row["k"], "curve": row["curve"], "words": row["words"],
            "status": row["status"], "reason": row["reason"], "log": row["log_tail"],
        }
        for row in rows_of(failed.head(_MOST_FAILURES))
    ]  # fmt: skip
    return {"rows": rows, "left_out": max(len(failed) - _MOST_FAILURES, 0)}


def _methods(content: Content, chosen: Iterable[Chosen]) -> Json:
    gap = optimism([one for _, one in chosen])
    return {
        "machines": machines_of(content.table),
        "optimism": None if pd.isna(gap) else optimism_text(gap),
        "points": len(content.table),
        "least_builds": LEAST_BUILDS,
    }
