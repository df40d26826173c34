"""A point without its answers and times: what was computed from them by whoever has them.

Packages of points alone hold it, as `NAME-KEY.summary.json`. What can be computed from it is not
in it: QPS and its interval come from the levels of the rounds, sizes from the facts of the builds.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from harness.files.replacing import replacing
from harness.results.point import BuildFacts, PointHeader
from harness.results.untrusted.checks import reading
from harness.results.untrusted.schema import (
    MOST_JSON_CHARACTERS,
    Count,
    Positive,
    Text,
    facts_of,
    header_of,
    provenance_of,
)
from harness.text import Json, clean, plain

Float64 = NDArray[np.float64]

FORMAT = 1

CURVES = ("recall_curve", "recall_low_curve", "recall_high_curve")
CURVES_OF_FIRST = ("first_recall_curve", "first_recall_low_curve", "first_recall_high_curve")
"""Columns of recall@K and recall 1@K with their bounds."""

SHARES = (
    *("tuning_recall", "held_out_recall", "held_out_recall_low", "held_out_recall_high"),
    *("recall_within_1_percent", "recall_within_10_percent", "dropped_share", "late_start_share"),
)
AMOUNTS = (
    *("mean_ms", "p50_ms", "p95_ms", "p99_ms", "p999_ms", "relative_error", "filter_seconds"),
    *("drop_ms", "offered_qps", "achieved_qps", "p99_bound_ms"),
    *("max_rate_qps", "max_rate_qps_low", "max_rate_qps_high"),
)
"""Columns of numbers, of shares from 0 to 1 and of others, that answers and times gave."""

_MOST_VALUES = 1 << 22
_MOST_LEVEL = 50.0  # of a logarithm of seconds
_MOST_NUMBER = 1e12
_ORDERED = (
    ("held_out_recall_low", "held_out_recall", "held_out_recall_high"),
    ("p50_ms", "p95_ms", "p99_ms", "p999_ms"),
    ("max_rate_qps_low", "max_rate_qps", "max_rate_qps_high"),
)
_SLACK = 1e-9


@dataclass(frozen=True)
class BuildSummary:
    """What is known of one build without its answers and times.

    `block` is the id of its block, "" for none. `levels` and `reference_levels` are `(cycles,
    windows)` as in `harness.measures.verdicts.Speeds`, without rows where they are unknown, and
    `log_seconds` is the logarithm of its seconds per query.
    """

    number: int
    passes: int
    facts: BuildFacts
    provenance: Json
    block: str
    log_seconds: float
    levels: Float64
    reference_levels: Float64


@dataclass(frozen=True)
class Summary:
    """A measured point without its answers and times.

    `curves` are `(k,)` and `numbers` figures, both by the column of the results table; NaN where
    unknown. `by_filter` is that column.
    """

    header: PointHeader
    builds: Sequence[BuildSummary]
    curves: Mapping[str, Float64]
    numbers: Mapping[str, float]
    warnings: tuple[str, ...]
    nondeterministic: bool
    late_generator: bool
    by_filter: Mapping[str, Json]

    @cached_property
    def repeats(self) -> int:
        """The smallest number of timed passes of its builds."""
        return min(build.passes for build in self.builds)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


_Number = float | int | None
_Levels = list[list[_Number]]


class _Build(_Strict):
    number: Count
    passes: Positive
    facts: dict[str, Any]
    provenance: dict[str, Any]
    block: Text
    log_seconds: Annotated[float, Field(ge=-_MOST_LEVEL, le=_MOST_LEVEL)]
    levels: _Levels
    reference_levels: _Levels


class _ByFilter(_Strict):
    queries: Count
    below_k: Count
    recall: Annotated[list[_Number], Field(min_length=3, max_length=3)]
    relative_speed: Annotated[list[_Number], Field(min_length=3, max_length=3)]


_Class = Annotated[str, StringConstraints(pattern=r"^[0-9.e-]{1,30} (positive|none|negative)$")]


class _Summary(_Strict):
    format: Literal[1]
    header: dict[str, Any]
    builds: Annotated[list[_Build], Field(min_length=1)]
    curves: dict[str, list[_Number]]
    numbers: dict[str, _Number]
    warnings: list[Text]
    nondeterministic: bool
    late_generator: bool
    by_filter: dict[_Class, _ByFilter]


def write_summary(path: Path, summary: Summary) -> None:
    """Write a summary, atomically; the same one makes the same file."""
    data = {
        "format": FORMAT,
        "header": summary.header.to_json(),
        "builds": [_build_as_json(build) for build in summary.builds],
        "curves": {name: _numbers(curve) for name, curve in summary.curves.items()},
        "numbers": {name: _number(value) for name, value in summary.numbers.items()},
        "warnings": list(summary.warnings),
        "nondeterministic": summary.nondeterministic,
        "late_generator": summary.late_generator,
        "by_filter": {
            name: {key: _numbers(v) if isinstance(v, list) else v for key, v in one.items()}
            for name, one in summary.by_filter.items()
        },
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, durable=True) as temporary:
        temporary.write_text(json.dumps(data, separators=(",", ":")))


def read_summary(path: Path) -> Summary:
    """Read a summary and check it against the schema.

    Raises
    ------
    BrokenResult
        If it is none, or holds figures that cannot be.
    """
    with reading(path), path.open("rb") as file:
        text = file.read(MOST_JSON_CHARACTERS + 1).decode()
        if len(text) > MOST_JSON_CHARACTERS:
            raise ValueError(f"JSON of more than {MOST_JSON_CHARACTERS:,} characters")
        data = plain(json.loads(text), MOST_JSON_CHARACTERS, values=_MOST_VALUES)
        try:
            checked = _Summary.model_validate(data)
        except ValidationError as error:
            fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
            where = ".".join(map(str, fault["loc"])) or "the whole"
            raise ValueError(f"{clean(where, 200)}: {fault['msg']}") from error
        summary = Summary(
            header=header_of(json.dumps(checked.header)),
            builds=[_build(one) for one in checked.builds],
            curves={name: _array(curve) for name, curve in checked.curves.items()},
            numbers={name: _float(value) for name, value in checked.numbers.items()},
            warnings=tuple(checked.warnings),
            nondeterministic=checked.nondeterministic,
            late_generator=checked.late_generator,
            by_filter={name: _class(one) for name, one in checked.by_filter.items()},
        )
        _check(summary)
        return summary


def _build_as_json(build: BuildSummary) -> Json:
    return {
        "number": build.number,
        "passes": build.passes,
        "facts": build.facts.to_json(),
        "provenance": build.provenance,
        "block": build.block,
        "log_seconds": build.log_seconds,
        "levels": [_numbers(row) for row in build.levels],
        "reference_levels": [_numbers(row) for row in build.reference_levels],
    }


def _build(one: _Build) -> BuildSummary:
    return BuildSummary(
        number=one.number,
        passes=one.passes,
        facts=facts_of(json.dumps(one.facts)),
        provenance=provenance_of(json.dumps(one.provenance)),
        block=one.block,
        log_seconds=one.log_seconds,
        levels=_levels(one.levels),
        reference_levels=_levels(one.reference_levels),
    )


def _levels(rows: _Levels) -> Float64:
    """The levels of a build; ValueError for rows that are not of one length."""
    levels = np.array([_array(row) for row in rows]) if rows else np.empty((0, 1))
    known = levels[~np.isnan(levels)]
    _require(levels.ndim == 2 and bool((np.abs(known) <= _MOST_LEVEL).all()), "levels")
    return levels


def _class(one: _ByFilter) -> Json:
    figures = {name: _array(getattr(one, name)) for name in ("recall", "relative_speed")}
    for name, values in figures.items():
        value, low, high = values
        _require_ordered(name, (low, value, high))
    texts = {name: values.tolist() for name, values in figures.items()}
    return {"queries": one.queries, "below_k": one.below_k, **texts}


def _check(summary: Summary) -> None:
    """Raise ValueError for figures that cannot be, or that do not belong to a summary."""
    k = summary.header.identity.k
    _require(summary.curves.keys() == {*CURVES, *CURVES_OF_FIRST}, "other curves")
    for value, low, high in (CURVES, CURVES_OF_FIRST):
        curves = [summary.curves[name] for name in (low, value, high)]
        _require(all(curve.shape == (k,) for curve in curves), f"curves of other than {k} figures")
        for at in zip(*curves, strict=True):
            _require_ordered(value, at)
            _require(all(0 <= figure <= 1 for figure in at if figure == figure), value)
    _require(summary.numbers.keys() <= {*SHARES, *AMOUNTS}, "other numbers")
    for name, number in summary.numbers.items():
        most = 1 if name in SHARES else _MOST_NUMBER
        _require(not (number < 0 or number > most), name)
    for names in _ORDERED:
        _require_ordered(names[0], [summary.numbers.get(name, math.nan) for name in names])
    numbers = [build.number for build in summary.builds]
    _require(numbers == sorted(set(numbers)), "builds that are not in their order")
    for build in summary.builds:
        shapes = (build.levels.shape, build.reference_levels.shape)
        same = shapes[0][1] == shapes[1][1] or 0 in (shapes[0][0], shapes[1][0])
        _require(same, f"levels of the shapes {shapes}")


def _require_ordered(name: str, values: Sequence[float]) -> None:
    known = [value for value in values if value == value]
    ordered = all(b >= a - _SLACK for a, b in pairwise(known))
    _require(ordered, f"{name}: figures that do not ascend")


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(f"a summary with {what} that cannot be")


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _numbers(values: Sequence[float] | Float64) -> list[float | None]:
    return [_number(value) for value in values]


def _float(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _array(values: Sequence[float | None]) -> Float64:
    return np.array([_float(value) for value in values], dtype=np.float64)
