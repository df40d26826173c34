"""The data of the pages' scripts, and the library that draws their charts."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from harness.measures.verdicts import verdict_words
from harness.report.analysis.by_query import recall_of_queries
from harness.report.analysis.curves import CurvePoints, curves_of
from harness.report.analysis.points import ComparisonGroup, known, rows_of
from harness.report.analysis.recommendations import block_speeds
from harness.report.comparing.comparison import Comparison, compare_every_pair
from harness.report.curve_styles import COLOURS, CurveStyle, mark_points
from harness.report.quantities import QUANTITIES, human, quantity
from harness.report.site.content import Judged
from harness.report.site.recommending import ranking_payload
from harness.report.texts import (
    UNKNOWN,
    level_text,
    mark,
    notes,
    ratio_text,
    size_mark,
    size_notes,
    stated_mark,
    stated_notes,
)
from harness.results.table.columns import Row
from harness.text import Json

_DIGITS = 6
_DIGITS_OF_LOGARITHMS = 9
_BOUNDS = (
    *("recall_low", "recall_high", "qps_low", "qps_high"),
    *("build_seconds_low", "build_seconds_high"),
    *("cost_per_million_queries_low", "cost_per_million_queries_high"),
)
_SPLIT = ("tuning_recall", "held_out_recall", "held_out_recall_low", "held_out_recall_high")
_LEVEL_SYMBOLS = ("circle", "square", "diamond", "triangle-up")
NO_FAMILY = "other"
"""What algorithms without a family are listed as."""

MOST_COMPARED = 60
"""Curves of a group of which all pairs are compared: any of them can be chosen on the page."""


def dataset_payload(
    dataset: str,
    judged: Sequence[Judged],
    styles: Mapping[str, CurveStyle],
    families: Mapping[str, str] | None = None,
) -> Json:
    """Return everything that the charts and tables of one dataset show.

    `families` maps algorithms to their families, as far as they are known.
    """
    return {
        "dataset": dataset,
        "quantities": quantities_payload(),
        "groups": [_group_payload(one, styles, families or {}) for one in judged],
    }


def quantities_payload() -> list[Json]:
    """Return the quantities that an axis can show."""
    chosen = [quantity(name) for name in QUANTITIES]
    return [
        {
            "column": item.column,
            "title": item.title,
            "brief": item.brief,
            "more": item.more_is_better,
            "scale": item.scale,
            "unit": item.unit,
            "is_size": item.is_size,
        }
        for item in chosen
    ]


def script_safe(value: object) -> str:
    """Return JSON that is safe inside a script element, whatever text it contains."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def comparisons_payload(groups: Sequence[ComparisonGroup], levels: Sequence[float]) -> list[Json]:
    """Return every pair of curves of every group; of many curves, the most competitive."""
    return [_pairs_payload(group, levels) for group in groups if len(group.points)]


def _pairs_payload(group: ComparisonGroup, levels: Sequence[float]) -> Json:
    """`pairs` is keyed by the numbers of the old and the new curve: for each level a cell's number.

    Cells hold the texts as shown: no verdict is computed on the page.
    """
    names = group.ranking.every
    kept = names[:MOST_COMPARED]
    numbers = {name: number for number, name in enumerate(kept)}
    places = {level: place for place, level in enumerate(levels)}
    cells: dict[str, int] = {}
    pairs: dict[str, list[int | None]] = {}
    has_answers = group.points.groupby("curve")["has_answers"].all()
    scopes = set()
    for one in compare_every_pair(group, kept, levels):
        pair = pairs.setdefault(f"{numbers[one.old]},{numbers[one.new]}", [None] * len(levels))
        cell = json.dumps(_cell_payload(one))
        pair[places[one.recall]] = cells.setdefault(cell, len(cells))
        scopes.add(one.ratio.scope)
    return {
        "dataset": group.dataset,
        "brief": group.brief,
        "conditions": group.conditions,
        "curves": kept,
        "marks": [stated_mark(has_answers[name]) for name in kept],
        "left_out": len(names) - len(kept),
        "levels": list(levels),
        "styles": [
            {"colour": COLOURS[n % len(COLOURS)], "symbol": symbol, "mark": mark_points(symbol)}
            for n, symbol in enumerate(_LEVEL_SYMBOLS[n % 4] for n in range(len(levels)))
        ],
        "notes": notes(scopes) + stated_notes(has_answers[kept]),
        "cells": [json.loads(cell) for cell in cells],
        "pairs": pairs,
    }


def _cell_payload(one: Comparison) -> list[object]:
    """The ratio with its interval, the verdict in words and in one word, level, figures to draw."""
    ratio = one.ratio
    return [
        ratio_text(ratio),
        verdict_words(ratio),
        ratio.verdict,
        level_text(ratio.level),
        f"{human(one.new_qps)} against {human(one.old_qps)} queries per second",
        *map(_rounded, (ratio.value, ratio.low, ratio.high)),
    ]


def _group_payload(
    judged: Judged, styles: Mapping[str, CurveStyle], families: Mapping[str, str]
) -> Json:
    group = judged.group
    points = known(group.points, "recall", "qps")
    curves = curves_of(points, quantity("recall"), quantity("qps"), styles)
    numbers = {curve.name: number for number, curve in enumerate(curves)}
    lit = {curve.name for curve in curves if not curve.style.is_grey}
    shown = {*group.ranking.shown, *(lit if len(lit) < len(curves) else ())}
    no_op_qps = group.no_op["qps"].max() if len(group.no_op) else float("nan")
    return {
        "k": group.k,
        "mode": group.mode,
        "threads": group.threads,
        "machine": group.machine,
        "brief": group.brief,
        "conditions": group.conditions,
        "n": int(points["n"].iloc[0]) if len(points) else 0,
        "no_op_qps": _rounded(no_op_qps),
        "notes": notes(points["qps_scope"])
        + size_notes(points["size_scope"])
        + stated_notes(points["has_answers"]),
        "failures": len(group.failures),
        "curves": [
            _curve_payload(curve, families.get(curve.algorithm, NO_FAMILY), curve.name in shown)
            for curve in curves
        ],
        "points": _points_payload(points, numbers),
        "ranking": ranking_payload(judged.rankings, numbers),
    }


def _curve_payload(curve: CurvePoints, family: str, shown: bool) -> Json:
    return {
        "name": curve.name,
        "algorithm": curve.algorithm,
        "colour": curve.style.colour,
        "symbol": curve.style.symbol,
        "dash": curve.style.dash,
        "mark": mark_points(curve.style.symbol),
        "family": family,
        "shown": shown,
    }


def _points_payload(points: pd.DataFrame, numbers: Mapping[str, int]) -> Json:
    """Columns of equal length; build and search parameters are written once for many points."""
    columns: Json = {
        name: [_rounded(value) for value in points[name]]
        for name in (*QUANTITIES, *_BOUNDS, *_SPLIT)
        if points[name].notna().any()
    }
    columns["block_speeds"] = [
        [_rounded(speed, _DIGITS_OF_LOGARITHMS) for speed in row] for row in block_speeds(points)
    ]
    columns["unknown"] = UNKNOWN
    columns["mark"] = [mark(scope) for scope in points["qps_scope"]]
    columns["size_scope"] = [str(scope) for scope in points["size_scope"]]
    columns["size_marks"] = {scope: size_mark(scope) for scope in columns["size_scope"]}
    columns["curve"] = [numbers[name] for name in points["curve"]]
    for name in ("build", "search"):
        columns[f"{name}_settings"], columns[name] = _once([_finite(v) for v in points[name]])
    columns["library_sets"], columns["libraries"] = _once(_libraries(points))
    columns["parameters"] = [str(one) for one in points["parameters"]]
    columns["by_query"] = [_by_query(row) for row in rows_of(points[["query_recall", "k"]])]
    columns["recall_mark"] = [stated_mark(one) for one in points["has_answers"]]
    columns["near"] = [int(near) for near in points["near_no_op"]]
    for name in ("builds", "repeats"):
        columns[name] = [int(value) for value in points[name]]
    return columns


def _by_query(row: Row) -> list[object] | None:
    """How recall is spread over the queries: counts, the lowest, those that have it."""
    stored = row["query_recall"]
    if not isinstance(stored, np.ndarray) or not stored.size:
        return None
    found = recall_of_queries(stored, int(row["k"]))
    return [found.counts, _rounded(found.lowest), found.worst]


def _libraries(points: pd.DataFrame) -> list[list[str]]:
    """What each was measured with, such as "faiss 1.15.1", without what all have in common."""
    found = [[f"{name} {version}" for name, version in one.items()] for one in points["libraries"]]
    common = set(found[0]).intersection(*found) if found else set()
    return [sorted(set(one) - common) for one in found]


def _finite(value: object) -> object:
    """A parameter as JSON can hold it: numbers that are not finite become text as in YAML."""
    if isinstance(value, Mapping):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    return value


def _once(values: Sequence[object]) -> tuple[list[object], list[int]]:
    """The distinct values, and for each value its position among them."""
    texts = [json.dumps(value, sort_keys=False, default=str) for value in values]
    distinct = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    return [json.loads(text) for text in distinct], [distinct[text] for text in texts]


def _rounded(value: object, digits: int = _DIGITS) -> float | None:
    """A number with enough digits to distinguish it from others; None if unknown."""
    number = float(value) if isinstance(value, (int, float, np.number)) else float("nan")
    return float(f"{number:.{digits}g}") if np.isfinite(number) else None


# At its end, Plotly's bundle sets up and registers some fifty trace types, such as maps and 3D.
# "scatter", the only type that our pages draw, is in its core.
_REGISTERING = re.compile(r"(\.register\(\[)(?:[\w$]+\(\),?)+(\]\))")


def chart_library() -> str:
    """Return Plotly's script without the set-up of trace types that no page of ours draws.

    Their set-up takes a browser as long as our own chart. A bundle of an unknown form is returned
    unchanged, and works as well.
    """
    from plotly.offline import get_plotlyjs

    return _REGISTERING.sub(r"\1\2", get_plotlyjs(), count=1)
