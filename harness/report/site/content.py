"""What each page says, as plain data for the templates."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from harness.report.fastest import LEVELS, Answer, answers, optimism
from harness.report.looks import Look, looks
from harness.report.points import Scene, prepare, rows_of, scenes, slug
from harness.report.quantities import human
from harness.report.site.machines import machines_of
from harness.report.site.payload import MOST_COMPARED

_MOST_FAILURES = 2000


@dataclass(frozen=True)
class Page:
    """One page: `name` is its file without the ending, `values` go to the template."""

    name: str
    title: str
    template: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Content:
    """A prepared table, its scenes by dataset, and the names of the pages about them."""

    table: pd.DataFrame
    by_dataset: Mapping[str, Sequence[Scene]]
    looks: Mapping[str, Look]
    dataset_pages: Mapping[str, str]
    algorithm_pages: Mapping[str, str]


def content_of(table: pd.DataFrame) -> Content:
    """Return the content of a table; stale points are left out."""
    prepared = prepare(table)
    by_dataset: dict[str, list[Scene]] = {}
    for scene in scenes(prepared):
        by_dataset.setdefault(scene.dataset, []).append(scene)
    algorithms = sorted({str(name) for name in prepared["algorithm"]}) if len(prepared) else []
    return Content(
        table=prepared,
        by_dataset=by_dataset,
        looks=looks(algorithms),
        dataset_pages={name: page_name("dataset", name) for name in by_dataset},
        algorithm_pages={name: page_name("algorithm", name) for name in algorithms},
    )


def page_name(kind: str, name: str) -> str:
    """Return a file name for a page about anything, distinct for distinct names."""
    clean = slug(name, longest=50)
    if clean != name:
        clean += "-" + hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{kind}-{clean}"


def pages_of(content: Content) -> Iterator[Page]:
    """Yield every page, the index first."""
    yield Page("index", "Which index is fastest?", "index.html.j2", {"answers": _answers(content)})
    for dataset, found in content.by_dataset.items():
        values = {"dataset": dataset, "answers": _dataset_answers(content, found), "scenes": found}
        yield Page(content.dataset_pages[dataset], dataset, "dataset.html.j2", values)
    for algorithm, name in content.algorithm_pages.items():
        yield Page(name, algorithm, "algorithm.html.j2", _algorithm(content, algorithm))
    yield Page("compare", "Compare algorithms", "compare.html.j2", {"most": MOST_COMPARED})
    yield Page("failures", "Failures", "failures.html.j2", _failures(content))
    yield Page("methods", "Methods and machines", "methods.html.j2", _methods(content))


def answer_row(scene: Scene, answer: Answer) -> dict[str, Any]:
    """Return an answer in words."""
    row = answer.row
    return {
        "conditions": scene.brief,
        "dataset": scene.dataset,
        "level": f"{answer.level:g}",
        "algorithm": str(row["algorithm"]),
        "curve": str(row["curve"]),
        "words": str(row["words"]),
        "recall": f"{row['reporting_recall']:.4f}",
        "recall_bounds": _bounds(row, "reporting_recall", lambda value: f"{value:.4f}"),
        "qps": human(row["reporting_qps"]),
        "qps_bounds": _bounds(row, "reporting_qps", human),
        "near": bool(row["near_ceiling"]),
        "size": human(row["bytes_per_vector"]),
        "build": human(row["build_seconds"], "s"),
        "tied": list(answer.tied),
    }


def _bounds(row: Mapping[str, Any], name: str, words: Any) -> str:
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    return "" if pd.isna(low) or pd.isna(high) else f"{words(low)} to {words(high)}"


def _answers(content: Content) -> list[dict[str, Any]]:
    return [
        row for found in content.by_dataset.values() for row in _dataset_answers(content, found)
    ]


def _dataset_answers(content: Content, found: Sequence[Scene]) -> list[dict[str, Any]]:
    rows = [answer_row(scene, answer) for scene in found for answer in answers(scene, LEVELS)]
    return [
        row
        | {
            "page": content.dataset_pages[row["dataset"]],
            "algorithm_page": content.algorithm_pages[row["algorithm"]],
        }
        for row in rows
    ]


def _algorithm(content: Content, algorithm: str) -> dict[str, Any]:
    """The fastest of an algorithm's points at each level of recall, in every scene."""
    rows = []
    for found in content.by_dataset.values():
        for scene in found:
            own = scene.points[scene.points["algorithm"] == algorithm]
            alone = replace(scene, points=own)
            for answer in answers(alone, LEVELS):
                page = content.dataset_pages[scene.dataset]
                rows.append(answer_row(scene, answer) | {"page": page})
    mine = content.table[content.table["algorithm"] == algorithm]
    counts = mine["status"].value_counts().to_dict()
    return {"algorithm": algorithm, "rows": rows, "counts": sorted(counts.items())}


def _failures(content: Content) -> dict[str, Any]:
    failed = content.table
    failed = failed[failed["status"] != "ok"] if len(failed) else failed
    rows = [
        {
            "dataset": row["dataset"], "k": row["k"], "curve": row["curve"], "words": row["words"],
            "status": row["status"], "reason": str(row.get("reason") or ""),
            "log": str(row.get("log_tail") or ""),
        }
        for row in rows_of(failed.head(_MOST_FAILURES))
    ]  # fmt: skip
    return {"rows": rows, "left_out": max(len(failed) - _MOST_FAILURES, 0)}


def _optimism(gaps: Sequence[float]) -> str | None:
    if not gaps:
        return None
    mean = sum(gaps) / len(gaps)
    return f"{abs(mean):.4f} {'higher' if mean >= 0 else 'lower'}"


def _methods(content: Content) -> dict[str, Any]:
    every = [scene for found in content.by_dataset.values() for scene in found]
    gaps = [gap for scene in every if len(scene.points) and not pd.isna(gap := optimism(scene))]
    return {
        "machines": machines_of(content.table),
        "optimism": _optimism(gaps),
        "points": len(content.table),
    }
