"""Filters of papers: conditions on category, submitter or date, as JSON lines on disk."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from harness.contracts import (
    And,
    Category,
    Contains,
    Equals,
    Filter,
    FilteredQueries,
    Number,
    Range,
    Tags,
    UserError,
)
from harness.contracts.dataset import FilterSource
from harness.data.making_filters import FilterDraft

_COUNT = 1000


def filters(source: FilterSource) -> FilteredQueries:
    """Return the conditions of each of the first 1,000 queries as its filter."""
    papers = _Papers()
    for _, payload in _lines(source.file("payloads.jsonl", None)):
        papers.add(payload)
    draft = FilterDraft(papers.attributes())
    path = source.file("tests.jsonl", None)
    for row, (where, test) in enumerate(islice(_lines(path), _COUNT)):
        draft.add(row, _filter_of(test.get("conditions"), where))
    return draft.finished()


class _Names(dict[str, int]):
    """Codes of names, in the order in which the names are first asked for."""

    def __missing__(self, name: str) -> int:
        self[name] = len(self)
        return self[name]


@dataclass
class _Papers:
    """Collects the attributes of papers; what a paper lacks is an empty name, or no date.

    Dates are in seconds since 1970.
    """

    _labels: _Names = field(default_factory=_Names)
    _submitters: _Names = field(default_factory=_Names)
    _ends: list[int] = field(default_factory=lambda: [0])
    _label_codes: list[int] = field(default_factory=list)
    _submitter_codes: list[int] = field(default_factory=list)
    _dates: list[float] = field(default_factory=list)

    def add(self, payload: Mapping[str, Any]) -> None:
        self._label_codes.extend(self._labels[name] for name in payload.get("labels") or ())
        self._ends.append(len(self._label_codes))
        self._submitter_codes.append(self._submitters[payload.get("submitter") or ""])
        date = payload.get("update_date_ts")
        self._dates.append(np.nan if date is None else date)

    def attributes(self) -> dict[str, Category | Number | Tags]:
        return {
            "labels": Tags(
                np.array(self._ends), np.array(self._label_codes, np.int32), tuple(self._labels)
            ),
            "submitter": Category(
                np.array(self._submitter_codes, np.int32), tuple(self._submitters)
            ),
            "update_date_ts": Number(np.array(self._dates, np.float64)),
        }


def _lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the object on each line, with its place for messages."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            where = f"{path}, line {number:,}"
            try:
                found = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise _broken(where, str(error)) from error
            if not isinstance(found, dict):
                raise _broken(where, type(found).__name__)
            yield where, found


def _filter_of(conditions: object, where: str) -> Filter:
    """Return the filter of `{"and": [{NAME: CONDITION}, ...]}`."""
    match conditions:
        case {"and": [*parts]}:
            return And(tuple(_one(part, where) for part in parts))
    raise _unknown(conditions, where)


def _one(part: object, where: str) -> Filter:
    match part:
        case {"labels": {"match": {"value": str(value)}}}:
            return Contains("labels", value)
        case {"submitter": {"match": {"value": str(value)}}}:
            return Equals("submitter", value)
        case {"update_date_ts": {"range": {"gt": int(after), "lt": int(before)}}}:
            # Dates are whole seconds, and the bounds themselves do not match.
            return Range("update_date_ts", after + 1, before - 1)
    raise _unknown(part, where)


def _unknown(got: object, where: str) -> UserError:
    return UserError(
        "the conditions of the query are of another kind",
        where=where,
        expected="and, with a match of labels or submitter or a range of update_date_ts",
        got=json.dumps(got),
    )


def _broken(where: str, got: str) -> UserError:
    return UserError("cannot read the JSON lines", where=where, expected="an object", got=got)
