"""The front page, and the page across datasets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from harness.contracts.definitions import FAMILIES
from harness.report.analysis.points import rows_of
from harness.report.analysis.standings import REACHING, Standing, by_success
from harness.report.analysis.under_load import settings_under_load
from harness.report.site.about import likeness
from harness.report.site.content import Content, Judged, about_of
from harness.report.site.filter_section import filter_verdicts
from harness.report.site.load_section import load_picture
from harness.report.site.machines import disturbed
from harness.report.site.payload import NO_FAMILY
from harness.report.site.pictures import frontier_picture
from harness.report.site.recommending import ranking_payload, standing_cell, table_of
from harness.report.texts import stated_mark, stated_notes
from harness.text import Json, counted

_DATE = re.compile(r"\d{4}-\d\d-\d\d")


def front_values(content: Content) -> Json:
    """Return what was measured, where and when, and for each dataset its picture and table."""
    return {
        "summary": _summary(content),
        "disturbed": disturbed(content.table),
        "datasets": [_section(content, name, found) for name, found in content.judged.items()],
        "families": _families(content),
    }


def _section(content: Content, dataset: str, found: Sequence[Judged]) -> Json:
    tables = [table_of(one.group, one.found, content.choices.levels) for one in found]
    loaded = content.under_load[dataset]
    rows = content.table[content.table["dataset"] == dataset]
    about = about_of(rows)
    first = found[0].group if found else next(iter(loaded), None)
    if first is None:
        picture = None
    else:
        picture_of = load_picture if first.is_under_load else frontier_picture
        picture = picture_of(first, content.styles)
    return {
        "dataset": dataset,
        "page": content.dataset_pages[dataset],
        "about": about.get("about", ""),
        "title": first.conditions if first is not None else "",
        "likeness": likeness(rows),
        "picture": picture,
        "tables": tables,
        "verdicts": [one for judged in found for one in filter_verdicts(judged.group)],
        "loaded": counted(sum(len(settings_under_load(group)) for group in loaded), "setting")
        if loaded
        else "",
    }


def _summary(content: Content) -> Json:
    table = content.table
    measured = table[(table["status"] == "ok") & table["in_answers"]]
    dates = sorted(d for text in table["finished_at"] if (d := _date(text)))
    return {
        "points": counted(len(measured), "point"),
        "algorithms": counted(measured["algorithm"].nunique(), "algorithm"),
        "datasets": counted(len(content.dataset_pages), "dataset"),
        "machines": sorted({str(name) for name in table["machine"].dropna() if name}),
        "first": dates[0] if dates else "",
        "last": dates[-1] if dates else "",
    }


def _date(text: object) -> str:
    """The day of a time as it is stored; "" if it is none."""
    found = _DATE.match(str(text))
    return found[0] if found else ""


def _families(content: Content) -> list[Json]:
    """The algorithms of each family, with what they are."""
    table = content.table[content.table["in_answers"]].drop_duplicates("algorithm")
    rows = {str(row["algorithm"]): row for row in rows_of(table)}
    groups: dict[str, list[Json]] = {family: [] for family in (*FAMILIES, NO_FAMILY)}
    for name in sorted(rows):
        about = rows[name]["about"]
        groups[content.families.get(name, NO_FAMILY)].append(
            {
                "name": name,
                "page": content.algorithm_pages[name],
                "about": about if isinstance(about, str) else "",
            }
        )
    return [{"family": name, "algorithms": found} for name, found in groups.items() if found]


def across_values(content: Content) -> Json:
    """Return for each level of recall how every curve stands in every group, by track."""
    judged = [one for one in content.every_judged if len(one.group.points)]
    named = content.table.drop_duplicates("curve")
    algorithms = dict(zip(map(str, named["curve"]), map(str, named["algorithm"]), strict=True))
    return {
        "families": sorted({content.families.get(a, NO_FAMILY) for a in algorithms.values()}),
        "datasets": list(dict.fromkeys(one.group.dataset for one in judged)),
        "notes": stated_notes(
            has_answers for one in judged for has_answers in one.group.points["has_answers"]
        ),
        "usual": f"{[*content.choices.levels[:2]][-1]:g}",
        "levels": [
            {
                "level": f"{level:g}",
                "tables": [
                    _standings(content, found, level, algorithms, title)
                    for title, found in _tracks(judged)
                ],
            }
            for level in (content.choices.levels if judged else ())
        ],
    }


def across_payload(content: Content) -> list[Json]:
    """Return for each track how every curve stands in every group at every recall, for the script.

    Tracks and groups are in the order of `across_values`.
    """
    tracks = _tracks([one for one in content.every_judged if len(one.group.points)])
    return [_track_payload(judged) for _, judged in tracks]


def _track_payload(judged: Sequence[Judged]) -> Json:
    names = sorted({name for one in judged for name in one.rankings.beyond})
    numbers = {name: number for number, name in enumerate(names)}
    return {"curves": names, "rankings": [ranking_payload(one.rankings, numbers) for one in judged]}


def _tracks(judged: Sequence[Judged]) -> Iterator[tuple[str, Sequence[Judged]]]:
    """The groups without filters, and those with: what is counted over datasets is of one track."""
    for title, is_filtered in (("", False), ("Filtered search", True)):
        found = [one for one in judged if one.group.is_filtered == is_filtered]
        if found:
            yield title, found


def _standings(
    content: Content,
    judged: Sequence[Judged],
    level: float,
    algorithms: Mapping[str, str],
    title: str,
) -> Json:
    found = [one.standings[level] for one in judged]
    return {
        "title": title,
        "columns": [
            {
                "dataset": one.group.dataset,
                "conditions": one.group.brief,
                "likeness": likeness(one.group.points),
                "page": content.dataset_pages[one.group.dataset],
                "mark": stated_mark(one.group.points["has_answers"].all()),
            }
            for one in judged
        ],
        "rows": [
            {
                "curve": name,
                "page": content.algorithm_pages[algorithms[name]],
                "family": content.families.get(algorithms[name], NO_FAMILY),
                "counts": _counts([group.get(name) for group in found]),
                "cells": [standing_cell(group.get(name)) for group in found],
            }
            for name in by_success(found)
        ],
    }


def _counts(found: Sequence[Standing | None]) -> Json:
    """In how many groups a curve is fastest or equal to it, and reaches the recall at all."""
    kinds = [one.kind for one in found if one is not None]
    return {
        "first": sum(kind in ("best", "equal") for kind in kinds),
        "reached": sum(kind in REACHING for kind in kinds),
        "measured": len(kinds),
    }
