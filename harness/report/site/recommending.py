"""Recommendations and standings in words, for the tables of the pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan

from harness.measures.verdicts import verdict_words
from harness.report.analysis.points import ComparisonGroup, rows_of
from harness.report.analysis.recommendations import Recommendation, why_not_reached
from harness.report.analysis.standings import Rankings, Standing
from harness.report.quantities import human
from harness.report.site.machines import grade_of
from harness.report.texts import (
    level_text,
    mark,
    notes,
    ratio_text,
    size_notes,
    size_text,
    stated_mark,
    stated_notes,
)
from harness.text import Json


def table_of(
    group: ComparisonGroup,
    found: Mapping[float, Recommendation],
    levels: Sequence[float],
    standings: Mapping[float, Standing] | None = None,
) -> Json:
    """Return the recommendations of a group: a column for each level of recall.

    Parameters
    ----------
    group
        The group.
    found
        Its recommendations by level, for the levels that any point reaches.
    levels
        The columns.
    standings
        How the recommended curve stands among all, by level, where the group is of one curve.
    """
    rows = [recommendation_row(one) for one in found.values()]
    return {
        "conditions": group.brief,
        "title": group.conditions,
        "label": f"{group.dataset}, {group.brief}",
        "grade": grade_of_group(group),
        "columns": [
            {
                "level": f"{level:g}",
                "found": recommendation_row(found[level]) if level in found else None,
                "missing": "" if level in found else why_not_reached(group),
                "standing": standing_cell(standings[level]) if standings else None,
            }
            for level in levels
        ],
        "notes": list(dict.fromkeys(note for row in rows for note in row["notes"])),
        "near": any(row["near"] for row in rows),
        "same_build": any(row["report"] != "cross-fitted" for row in rows),
    }


def grade_of_group(group: ComparisonGroup) -> str:
    """Return the worst grade below B of the machines of the points, "" if there is none."""
    rows = rows_of(group.points[["provenance", "commits", "dirty"]])
    return max(map(grade_of, rows), default="")


def recommendation_row(one: Recommendation) -> Json:
    """Return a recommendation as text."""
    row = one.row
    low, high = row["held_out_recall_low"], row["held_out_recall_high"]
    return {
        "reached": one.reached,
        "algorithm": str(row["algorithm"]),
        "curve": str(row["curve"]),
        "parameters": str(row["parameters"]),
        "recall": f"{row['held_out_recall']:.4f}{stated_mark(row['has_answers'])}",
        "mark": stated_mark(row["has_answers"]),
        "recall_bounds": f"{low:.4f} to {high:.4f}",
        "qps": human(one.qps),
        "qps_bounds": _qps_bounds(one),
        "report": one.report,
        "near": bool(row["near_no_op"]),
        "size": size_text(row),
        "build": human(row["build_seconds"], "s"),
        "equal": one.equal_names,
        "undecided": [
            {"names": names, "missing": missing} for missing, names in one.undecided_names.items()
        ],
        "notes": notes([row["qps_scope"], *(ratio.scope for _, ratio in one.equal)])
        + size_notes([row["size_scope"]])
        + stated_notes([row["has_answers"]]),
    }


def standing_cell(one: Standing | None) -> Json:
    """Return how a curve stands at a recall: the figure, its interval, and words.

    `share` is the part of the best QPS, 0 to 1, to draw; None is a curve without any point.
    """
    if one is None:
        return _cell("absent", "not measured")
    if one.kind == "best":
        return _cell("best", "fastest", share=1.0)
    if one.ratio is None:
        return _without_ratio(one)
    figure, _, interval = ratio_text(one.ratio).partition(" ")
    words = verdict_words(one.ratio) if one.kind != "slower" else ""
    share = min(one.ratio.value, 1.0)
    title = f"{level_text(one.ratio.level)} interval"
    return _cell(one.kind, figure, interval, words, share, title)


def ranking_payload(found: Rankings, numbers: Mapping[str, int]) -> Json:
    """Return how the curves stand at every recall, for the scripts of pages.

    `orders` has for each of `levels`, and for recalls beyond them, the number of each curve, in
    order, with that of its cell. Cells hold the texts as shown: no verdict is computed on a page.

    Parameters
    ----------
    found
        The standings.
    numbers
        Curves by name; others are left out.
    """
    cells: dict[tuple[str, ...], int] = {}

    def number(one: Standing) -> int:
        cell = tuple(str(value) for value in standing_cell(one).values())
        return cells.setdefault(cell, len(cells))

    orders = [
        [[numbers[name], number(one)] for name, one in stands.items() if name in numbers]
        for stands in (*found.by_level.values(), found.beyond)
    ]
    ratios = [one.ratio for stands in found.by_level.values() for one in stands.values()]
    return {
        "levels": list(found.by_level),
        "is_exact": found.is_exact,
        "orders": orders,
        "cells": [list(cell) for cell in cells],
        "notes": notes(ratio.scope for ratio in ratios if ratio is not None),
    }


def _without_ratio(one: Standing) -> Json:
    if one.kind == "failed":
        return _cell("failed", one.status or "failed")
    highest = f"highest {one.recall:.3f}"
    words = "cannot reach it" if one.kind == "short" else "not with confidence"
    return _cell(one.kind, words, highest)


def _cell(
    kind: str, figure: str, interval: str = "", words: str = "", share: float = 0.0, title: str = ""
) -> Json:
    shown = {"figure": figure, "interval": interval, "words": words, "title": title}
    return {"kind": kind, **shown, "share": f"{share:.3f}"}


def _qps_bounds(one: Recommendation) -> str:
    if isnan(one.qps_low) or isnan(one.qps_high):
        return "unknown"
    return f"{human(one.qps_low)} to {human(one.qps_high)}{mark(one.row['qps_scope'])}"
