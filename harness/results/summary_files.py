"""Files of summaries: `NAME-KEY.summary.json`, which packages of points alone hold.

Nearly all of a summary are the levels of its rounds, hundreds for each build. They are stored in
steps of a thousandth: less than a hundredth of what the rounds of one build differ by.
"""

from __future__ import annotations

import base64
import binascii
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
from harness.text import Json, clean, plain_json

FORMAT = 2  # 1 had the levels as numbers of 17 digits

LEVEL_STEP = 1e-3
"""Levels, logarithms of seconds, are stored as multiples of it: times change by .05 % at most."""

_UNKNOWN_LEVEL = 0xFFFF
_MOST_STEPS = 50_000  # the lowest level
_MOST_VALUES = 1 << 16


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


_Number = float | int | None


class _Levels(_Strict):
    """`(cycles, windows)` levels in steps above the lowest, unsigned 16-bit numbers in base64.

    All low bytes come before all high ones, which are nearly alike and take little space in a zip.
    """

    cycles: Count
    windows: Positive
    lowest: Annotated[int, Field(ge=-_MOST_STEPS, le=_MOST_STEPS)]
    steps: str


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
        data = plain_json(text, MOST_JSON_CHARACTERS, values=_MOST_VALUES)
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
        "levels": _levels_as_json(build.levels),
        "reference_levels": _levels_as_json(build.reference_levels),
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


def _levels_as_json(levels: Float64) -> Json:
    known = np.isfinite(levels)
    rounded = np.rint(np.where(known, levels, 0.0) / LEVEL_STEP).astype(np.int64)
    lowest = int(rounded[known].min()) if known.any() else 0
    steps = np.where(known, rounded - lowest, _UNKNOWN_LEVEL)
    if (steps > _UNKNOWN_LEVEL).any() or (steps[known] == _UNKNOWN_LEVEL).any():
        raise ValueError("rounds of one build with speeds that differ by more than any can")
    planes = steps.astype("<u2").reshape(-1, 1).view(np.uint8).T
    cycles, windows = levels.shape
    text = base64.b64encode(planes.tobytes()).decode()
    return {"cycles": cycles, "windows": windows, "lowest": lowest, "steps": text}


def _levels(stored: _Levels) -> Float64:
    """The levels of a build; ValueError if they are not as many as it says."""
    shape = (stored.cycles, stored.windows)
    try:
        data = base64.b64decode(stored.steps, validate=True)
    except binascii.Error as error:
        raise ValueError(f"levels: {error}") from error
    if len(data) != 2 * math.prod(shape):
        raise ValueError(f"levels of the shape {shape} in {len(data):,} bytes")
    planes = np.frombuffer(data, np.uint8).reshape(2, -1)
    steps = np.ascontiguousarray(planes.T).view("<u2").reshape(shape)
    levels = (steps.astype(np.int64) + stored.lowest) * LEVEL_STEP
    return np.where(steps == _UNKNOWN_LEVEL, np.nan, levels)


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
