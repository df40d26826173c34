"""The section about filtered search: QPS at a recall by selectivity and correlation of filters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from markupsafe import Markup

from harness.measures.filtering import CORRELATIONS, Correlation, FilterClass
from harness.measures.interval import Interval
from harness.report.analysis.by_filter import (
    KINDS,
    LEAST_QUERIES,
    LEVEL,
    AtFilter,
    FilteredPoint,
    at_each_filter,
    below_k,
    crossings_in_words,
    filtered_points,
    fixed_points,
    share_text,
)
from harness.report.analysis.points import ComparisonGroup
from harness.report.curve_styles import CurveStyle
from harness.report.quantities import Quantity, human, quantity
from harness.report.scales import choose_scale, limits
from harness.report.site.pictures import (
    Axis,
    Line,
    Picture,
    axis_of,
    drawn,
    height_of,
    with_bounds,
)
from harness.report.site.recommending import grade_of_group
from harness.report.texts import plus_minus
from harness.text import Json

_POWERS = range(-9, 1)
_MOST_SHARES = 4  # labels of the axis that do not touch each other

Lines = Mapping[str, Sequence[FilteredPoint]]


def filter_values(
    group: ComparisonGroup, styles: Mapping[str, CurveStyle], levels: Sequence[float]
) -> Json | None:
    """Return pictures, tables and sentences of a group; None if its queries have no filters.

    A part for each level of recall. The first is the level of the terminal, if it is among them.
    """
    points = filtered_points(group)
    if not at_each_filter(points, LEVEL):
        return None
    ordered = sorted(levels, key=lambda level: (level != LEVEL, level))
    return {
        "conditions": group.conditions,
        "grade": grade_of_group(group),
        "levels": [_at_level(group, points, level, styles) for level in ordered],
        "below_k": f"{below_k(points):,}",
        "least_queries": LEAST_QUERIES,
    }


def filter_verdicts(group: ComparisonGroup) -> list[str]:
    """Return where the exact scan stops being the fastest, as the terminal says it."""
    return _sentences(filtered_points(group), LEVEL)


def _sentences(points: list[FilteredPoint], level: float) -> list[str]:
    return [f"{one[:1].upper()}{one[1:]}." for one in crossings_in_words(points, level)]


def _at_level(
    group: ComparisonGroup,
    points: list[FilteredPoint],
    level: float,
    styles: Mapping[str, CurveStyle],
) -> Json:
    found = at_each_filter(points, level)
    curves = sorted({point.curve for point in points})
    return {
        "level": f"{level:g}",
        "sentences": _sentences(points, level),
        "speeds": _speed_pictures(group, found, level, styles),
        "recalls": _recall_pictures(group, fixed_points(group, points, level), found, styles),
        "curves": curves,
        "rows": [_row(at, points, curves) for at in found],
    }


# ---- the table -----------------------------------------------------------------------------------


def _row(at: AtFilter, points: list[FilteredPoint], curves: Sequence[str]) -> Json:
    highest: dict[str, float] = {}
    for point in points:
        if point.filters == at.filters:
            known = highest.get(point.curve, point.recall.value)
            highest[point.curve] = max(known, point.recall.value)
    return {
        "selectivity": share_text(at.filters.selectivity),
        "correlation": at.filters.correlation,
        "queries": f"{at.queries:,}",
        "cells": [_cell(at, curve, highest.get(curve)) for curve in curves],
    }


def _cell(at: AtFilter, curve: str, highest: float | None) -> Json:
    """The fastest point of a curve in words, or its highest recall if none reaches the level."""
    point = at.best.get(curve)
    if point is None:
        missing = "not measured" if highest is None else f"highest recall {highest:.3f}"
        return {"qps": "", "missing": missing}
    return {
        "qps": human(point.qps.value),
        "interval": plus_minus(*point.qps),
        "recall": f"{point.recall.value:.3f}",
        "parameters": point.parameters,
        "tag": _tag(at, point),
    }


def _tag(at: AtFilter, point: FilteredPoint) -> str:
    if point is at.fastest:
        return "undecided" if at.undecided else "fastest"
    return "undecided" if any(point is one for one in at.undecided) else ""


# ---- the pictures --------------------------------------------------------------------------------


def _speed_pictures(
    group: ComparisonGroup,
    found: Sequence[AtFilter],
    level: float,
    styles: Mapping[str, CurveStyle],
) -> list[Json]:
    """QPS at the recall against selectivity, a picture for each correlation, all on one scale."""
    title = f"QPS at recall {level:g}"
    by_kind = {
        kind: _lines([at for at in found if at.filters.correlation == kind])
        for kind in CORRELATIONS
    }
    up = _axis_up(title, quantity("qps"), _ends(_all(by_kind.values()), "qps"))
    return _pictures(group, by_kind, [at.filters for at in found], up, "qps", styles)


def _recall_pictures(
    group: ComparisonGroup,
    fixed: Lines,
    found: Sequence[AtFilter],
    styles: Mapping[str, CurveStyle],
) -> list[Json]:
    """Recall of one setting of each curve against selectivity, a picture for each correlation."""
    shown = [at.filters for at in found]
    by_kind = {
        kind: {
            curve: sorted(own, key=lambda point: point.filters)
            for curve, points in fixed.items()
            if (own := [p for p in points if p.filters in shown and p.filters.correlation == kind])
        }
        for kind in CORRELATIONS
    }
    up = axis_of(f"recall@{group.k}, one setting", "linear", (-0.03, 1.03))
    return _pictures(group, by_kind, shown, up, "recall", styles)


def _lines(found: Iterable[AtFilter]) -> dict[str, list[FilteredPoint]]:
    """The points of each curve, by selectivity."""
    lines: dict[str, list[FilteredPoint]] = {}
    for at in found:
        for curve, point in at.best.items():
            lines.setdefault(curve, []).append(point)
    return lines


def _pictures(
    group: ComparisonGroup,
    by_kind: Mapping[Correlation, Lines],
    classes: Sequence[FilterClass],
    up: Axis,
    column: str,
    styles: Mapping[str, CurveStyle],
) -> list[Json]:
    across = _axis_of_shares(classes)
    return [
        {
            "caption": KINDS[kind].capitalize(),
            "picture": _picture(
                f"{up.title} against the share of rows that match on {group.dataset}, "
                f"{KINDS[kind]}: the table below holds the figures",
                [_line(lines[curve], column, styles[curve]) for curve in sorted(lines)],
                across,
                up,
            ),
        }
        for kind, lines in by_kind.items()
        if lines
    ]


def _picture(label: str, lines: Sequence[Line], x: Axis, y: Axis) -> Markup:
    return drawn(Picture(label, lines, x, y, height=height_of(len(lines))))


def _line(points: Sequence[FilteredPoint], column: str, style: CurveStyle) -> Line:
    values: list[Interval] = [getattr(point, column) for point in points]
    return Line(
        points[0].curve,
        style,
        np.array([point.filters.selectivity for point in points]),
        np.array([value.value for value in values]),
        bounds=[(value.low, value.high) for value in values],
    )


def _all(parts: Iterable[Lines]) -> list[FilteredPoint]:
    return [point for lines in parts for line in lines.values() for point in line]


def _ends(points: Sequence[FilteredPoint], column: str) -> list[float]:
    found: list[Interval] = [getattr(point, column) for point in points]
    bounds = (bound for one in found for bound in (one.low, one.high))
    return with_bounds([one.value for one in found], bounds)


def _axis_up(title: str, up: Quantity, values: Sequence[float]) -> Axis:
    scale = choose_scale(up, values)
    return axis_of(title, scale, limits(np.array(values), scale, up), up.unit)


def _axis_of_shares(classes: Sequence[FilterClass]) -> Axis:
    shares = [one.selectivity for one in classes]
    low, high = min(shares) / 1.5, max(shares) * 1.5
    ticks = [10.0**power for power in _POWERS if low <= 10.0**power <= high]
    kept = ticks[:: -(-len(ticks) // _MOST_SHARES) or 1]
    texts = [(share, f"{100 * share:g} %") for share in (kept if len(kept) > 1 else set(shares))]
    return Axis("share of rows that match", "log", low, high, texts)
