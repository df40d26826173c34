"""Files of summaries: `NAME-KEY.summary.json`, which packages of points alone hold."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.files.replacing import replacing
from harness.results.summary import BuildSummary, Float64, Summary
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
from harness.results.untrusted.summary_checks import check_summary
from harness.text import Json, clean, plain

FORMAT = 1

_MOST_VALUES = 1 << 20


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


_Number = float | int | None
_Levels = list[Annotated[list[_Number], Field(min_length=1)]]


class _Build(_Strict):
    number: Count
    passes: Positive
    facts: dict[str, Any]
    provenance: dict[str, Any]
    block: Text
    log_seconds: float
    levels: _Levels
    reference_levels: _Levels


class _ByFilter(_Strict):
    queries: Count
    below_k: Count
    recall: Annotated[list[_Number], Field(min_length=3, max_length=3)]
    relative_speed: Annotated[list[_Number], Field(min_length=3, max_length=3)]


class _Summary(_Strict):
    format: Annotated[int, Field(ge=FORMAT, le=FORMAT)]
    header: dict[str, Any]
    builds: Annotated[list[_Build], Field(min_length=1)]
    curves: dict[str, list[_Number]]
    numbers: dict[str, _Number]
    warnings: list[Text]
    nondeterministic: bool
    by_filter: dict[str, _ByFilter]


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
        If it is none, or holds impossible figures.
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
            by_filter={name: _class(one) for name, one in checked.by_filter.items()},
        )
        check_summary(summary)
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


def _levels(rows: Sequence[Sequence[float | None]]) -> Float64:
    """The levels of a build; ValueError for rows that are not of one length."""
    return np.array([_array(row) for row in rows]) if rows else np.empty((0, 1))


def _class(one: _ByFilter) -> Json:
    figures = {name: _array(getattr(one, name)).tolist() for name in ("recall", "relative_speed")}
    return {"queries": one.queries, "below_k": one.below_k, **figures}


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _numbers(values: Sequence[float] | Float64) -> list[float | None]:
    return [_number(value) for value in values]


def _float(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _array(values: Sequence[float | None]) -> Float64:
    return np.array([_float(value) for value in values], dtype=np.float64)
