"""What each parameter of an algorithm changes, all others being equal."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from harness.report.analysis.points import ComparisonGroup, known, rows_of
from harness.results.table.columns import Row

_IGNORED = ("seed",)
_COLUMNS = ["curve", "build", "search", "qps", "recall", "bytes_per_vector", "build_seconds"]


@dataclass(frozen=True)
class Effect:
    """What one step of a parameter changes: from a value to the next one that was measured.

    Medians over `pairs` pairs of points of one group that differ in this parameter alone: the
    ratios of QPS, size and build time, and the difference in recall. Descriptions, no verdicts.
    """

    parameter: str
    low: object
    high: object
    qps: float
    recall: float
    bytes: float
    build_seconds: float
    pairs: int


def effects(groups: Sequence[ComparisonGroup], algorithm: str) -> list[Effect]:
    """Return the effects of every parameter of an algorithm of which several values were measured.

    From its least value to its largest; of values that are no numbers, from each to the next in the
    order of their names. The parameter that changes the speed most comes first.
    """
    rows = [
        (number, row)
        for number, group in enumerate(groups)
        for row in rows_of(known(_of(group, algorithm), "recall", "qps")[_COLUMNS])
    ]
    names = {name: None for _, row in rows for part in ("build", "search") for name in row[part]}
    found = [one for name in names if name not in _IGNORED for one in _of_parameter(rows, name)]
    return sorted(found, key=lambda one: -abs(np.log(one.qps)))


def _of(group: ComparisonGroup, algorithm: str) -> pd.DataFrame:
    return group.points[group.points["algorithm"] == algorithm]


def _of_parameter(rows: Sequence[tuple[int, Row]], name: str) -> Iterator[Effect]:
    """The effects of a parameter; none if the points have but one value of it."""
    alike: dict[str, dict[str, Row]] = {}
    values: dict[str, object] = {}
    for number, row in rows:
        settings = {**row["build"], **row["search"]}
        if name in settings:
            value = _text(settings.pop(name))
            values[value] = {**row["build"], **row["search"]}[name]
            alike.setdefault(_text([number, row["curve"], settings]), {})[value] = row
    for low, high in _steps(values):
        pairs = [
            (group[low], group[high]) for group in alike.values() if {low, high} <= group.keys()
        ]
        if pairs:
            yield _effect(name, (values[low], values[high]), pairs)


def _steps(values: Mapping[str, object]) -> list[tuple[str, str]]:
    """The pairs of values to compare, as keys."""
    numbers = {k: v for k, v in values.items() if isinstance(v, (int, float)) and v == v}
    if len(numbers) == len(values) and not any(isinstance(v, bool) for v in values.values()):
        ordered = sorted(numbers, key=lambda key: float(str(numbers[key])))
        return [(ordered[0], ordered[-1])] if len(ordered) > 1 else []
    ordered = sorted(values)
    return list(pairwise(ordered))


def _effect(name: str, step: tuple[object, object], pairs: Sequence[tuple[Row, Row]]) -> Effect:
    def ratio(column: str) -> float:
        logs = [np.log(high[column]) - np.log(low[column]) for low, high in pairs]
        return float(np.exp(np.median(logs)))

    recall = float(np.median([high["recall"] - low["recall"] for low, high in pairs]))
    with np.errstate(divide="ignore", invalid="ignore"):
        figures = [ratio(column) for column in ("qps", "bytes_per_vector", "build_seconds")]
    qps, size, seconds = figures
    return Effect(name, *step, qps, recall, size, seconds, len(pairs))


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=str)
