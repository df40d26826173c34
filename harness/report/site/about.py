"""The page about a dataset, and the page about an algorithm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from harness.data.loading import is_name_of_file
from harness.data.parts import DISTRIBUTIONS
from harness.data.truth.difficulty import Quantiles, quantiles_of, quantiles_text
from harness.registry.grid import format_value
from harness.report.analysis.by_query import difficulty_of_queries, recall_by_difficulty
from harness.report.analysis.describing import DatasetAbout
from harness.report.analysis.parameters import Effect, effects
from harness.report.analysis.points import ComparisonGroup
from harness.report.analysis.recommendations import recommendations
from harness.report.analysis.sweeps import Sweep, sweep_of
from harness.report.quantities import human
from harness.report.site.content import Content, Judged, about_of
from harness.report.site.filter_section import filter_values
from harness.report.site.load_section import load_values
from harness.report.site.payload import NO_FAMILY
from harness.report.site.pictures import difficulty_picture, lid_picture
from harness.report.site.plane_picture import plane_values
from harness.report.site.recommending import table_of
from harness.text import Json, counted

_MOST_VALUES = 12
_SAME = "\N{EN DASH}"


def dataset_values(content: Content, dataset: str) -> Json:
    """Return what the data are, how hard their queries are, the recommendations and the tracks."""
    found = content.judged[dataset]
    styles = content.styles
    filtered = [filter_values(one.group, styles, content.choices.levels) for one in found]
    rows = content.table[content.table["dataset"] == dataset]
    about = about_of(rows)
    families = {content.families.get(str(name), NO_FAMILY) for name in rows["algorithm"]}
    return {
        "dataset": dataset,
        "is_file": is_name_of_file(dataset),
        "about": about.get("about", ""),
        "facts": list(_facts(rows)),
        "families": sorted(families),
        "tables": [table_of(g.group, g.found, content.choices.levels) for g in found],
        "difficulty": _difficulty(content, [one.group for one in found]),
        "plane": plane_values(dataset, about["plane"]) if "plane" in about else None,
        "filtered": [one for one in filtered if one is not None],
        "loads": [load_values(group, styles) for group in content.under_load[dataset]],
    }


def _facts(rows: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """The facts of a dataset, each with a title; what nobody here knows is left out."""
    about = about_of(rows)
    first = rows.iloc[0]
    queries = f"{first['nq']:,}"
    yield "rows", f"{first['n']:,} of {first['d']} dimensions"
    yield "metric", str(first["metric"]).replace("_", " ")
    yield "queries", f"{queries}: {about['queries']}" if "queries" in about else queries
    if "query_distribution" in about:
        yield "query distribution", about["query_distribution"]
    if "licence" in about:
        yield "licence", about["licence"]
    yield from _facts_of_rows(about)
    if (spread := _lid(rows)) is not None:
        yield "intrinsic dimension (LID)", f"{quantiles_text(spread)}; higher is harder"
    if "contrast" in about:
        yield "relative contrast", f"{quantiles_text(about['contrast'])}; lower is harder"


def _lid(rows: pd.DataFrame) -> Quantiles | None:
    known = rows[[isinstance(one, np.ndarray) for one in rows["query_difficulty"]]]
    lid = difficulty_of_queries(known) if len(known) else None
    return None if lid is None else quantiles_of(lid)


def other_distribution(about: DatasetAbout) -> str:
    """Return a note if the queries of a dataset are known to be distributed unlike its base."""
    known = about.get("query_distribution")
    return f"distribution of queries {known}" if known == DISTRIBUTIONS["other"] else ""


def likeness(rows: pd.DataFrame) -> str:
    """Return the facts of a dataset by which readers find the one most like their own."""
    facts = [f"metric {str(rows.iloc[0]['metric']).replace('_', ' ')}"]
    if (spread := _lid(rows)) is not None:
        facts.append(f"median intrinsic dimension {spread[1]:.3g}")
    if "contrast" in (about := about_of(rows)):
        facts.append(f"median relative contrast {about['contrast'][1]:.3g}")
    return " · ".join([*facts, *filter(None, [other_distribution(about)])])


def _facts_of_rows(about: DatasetAbout) -> Iterator[tuple[str, str]]:
    if "norms" in about:
        low, middle, high = about["norms"]
        yield "norms", f"{low:.4g} to {high:.4g}, median {middle:.4g}"
    if "duplicates" in about:
        yield "duplicates", f"{about['duplicates']:,} rows, {about['zero']:,} zero rows"
        yield "queries in the base", f"{about['queries_in_base']:,}"


def _difficulty(content: Content, groups: Sequence[ComparisonGroup]) -> Json | None:
    """Pictures of the difficulty of the queries, and of recall by it, in the first group."""
    for group in groups:
        found = recall_by_difficulty(group)
        if found is not None:
            lid = difficulty_of_queries(group.points)
            return {
                "conditions": group.brief,
                "level": f"{found.level:g}",
                "is_defined": found.difficulty is not None,
                "recalls": difficulty_picture(group, found, content.styles),
                "lid": lid_picture(group, lid) if lid is not None else None,
            }
    return None


def algorithm_values(content: Content, algorithm: str) -> Json:
    """Return what an algorithm is, what its parameters change, and how it stands everywhere."""
    mine = content.table[content.table["algorithm"] == algorithm]
    about = mine["about"].iloc[0]
    return {
        "algorithm": algorithm,
        "about": about if isinstance(about, str) else "",
        "family": content.families.get(algorithm, ""),
        "libraries": _versions(mine["libraries"]),
        "loaded": _versions(mine["versions"]),
        "counts": sorted(mine["status"].value_counts().to_dict().items()),
        "effects": [_effect(one) for one in effects(_of_one_track(content, algorithm), algorithm)],
        "datasets": [
            {"dataset": dataset, "page": content.dataset_pages[dataset], "tables": tables}
            for dataset, found in content.judged.items()
            if (tables := [one for judged in found for one in _tables(content, judged, algorithm)])
        ],
        "loads": [
            {"dataset": dataset, "page": content.dataset_pages[dataset]}
            for dataset, found in content.under_load.items()
            if any(algorithm in group.algorithms for group in found)
        ],
    }


def _of_one_track(content: Content, algorithm: str) -> list[ComparisonGroup]:
    """The groups in which an algorithm was measured; filtered ones only if there are no others."""
    groups = [one.group for one in content.every_judged if algorithm in one.group.algorithms]
    return [group for group in groups if not group.is_filtered] or groups


def _tables(content: Content, judged: Judged, algorithm: str) -> Iterator[Json]:
    """A table for each curve of the algorithm in a group: its fastest points at each recall."""
    levels = content.choices.levels
    points = judged.group.points[judged.group.points["algorithm"] == algorithm]
    for curve, rows in points.groupby("curve", sort=True):
        alone = replace(judged.group, points=rows)
        found = {one.level: one for one in recommendations(alone, levels)}
        stands = {
            level: standing
            for level in levels
            if (standing := judged.standings[level].get(str(curve)))
        }
        table = table_of(alone, found, levels, stands)
        sweep = _sweep_words(sweep_of(rows))
        label = f"{curve} on {table['label']}"
        yield {**table, "label": label, "curve": str(curve), "sweep": sweep}


def _sweep_words(sweep: Sweep) -> str:
    build, search = (human(seconds, "s") for seconds in (sweep.build_seconds, sweep.search_seconds))
    return f"{counted(sweep.builds, 'build')} took {build} in all, the timed searches {search}"


def _versions(of_points: Iterable[Mapping[str, str]]) -> list[tuple[str, str]]:
    """Libraries with their versions, those of most points first."""
    counts: dict[str, Counter[str]] = {}
    for versions in of_points:
        for name, version in versions.items():
            counts.setdefault(str(name), Counter())[str(version)] += 1
    return [
        (name, ", ".join(version for version, _ in found.most_common(_MOST_VALUES)))
        for name, found in sorted(counts.items())
    ]


def _effect(one: Effect) -> Json:
    """An effect as text; what it leaves as it is, is a dash."""
    return {
        "parameter": one.parameter,
        "step": f"{format_value(one.low)} → {format_value(one.high)}",
        "qps": _factor(one.qps),
        "recall": f"{one.recall:+.4f}" if abs(one.recall) >= 0.00005 else _SAME,
        "bytes": _factor(one.bytes),
        "build": _factor(one.build_seconds),
        "pairs": one.pairs,
    }


def _factor(ratio: float) -> str:
    if ratio != ratio:
        return "n/a"
    return _SAME if abs(ratio - 1) < 0.0005 else f"{human(ratio)} times"
