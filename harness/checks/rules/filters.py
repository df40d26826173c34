"""Checks of adapters that search with filters."""

from __future__ import annotations

import numpy as np

from harness.checks.bench import Bench, Ids
from harness.checks.catalog import rule
from harness.checks.trials import Case, Failed, Trial
from harness.contracts import (
    Algorithm,
    And,
    Category,
    Contains,
    Equals,
    Filter,
    In,
    Number,
    Range,
    Tags,
)
from harness.contracts.filters import Attribute, matching
from harness.measures.distances import answer_distances

_FEW = 3
_NONE = Range("row", -2.0, -1.0)
_ODD = 'it\'s "odd"'  # what a language of filters may have to quote
_HALF = Equals("Parity", "even")
_SOME = (_HALF, In("Parity", (_ODD,)), Contains("tags", "a"))
_ALL = (And(()), In("Parity", ("even", _ODD)), Contains("tags", "every row"))


def attributes_of(rows: int) -> dict[str, Attribute]:
    """Return a column of each kind, in arrays that can be written to."""
    numbers = np.arange(rows)
    tags = np.stack([np.zeros(rows), 1 + numbers % 5], axis=1).astype(np.uint8)
    return {
        "Parity": Category((numbers % 2).astype(np.uint8), ("even", _ODD)),
        "row": Number(numbers.astype(np.float64)),
        "tags": Tags(2 * np.arange(rows + 1), tags.ravel(), ("every row", *"abcde")),
    }


def _built(bench: Bench, case: Case) -> Algorithm:
    return bench.fit_filtered(case, attributes_of(case.rows))


def _ask(bench: Bench, algorithm: Algorithm, case: Case, one: Filter) -> Ids:
    """The neighbours `(nq, k)`, checked but for whether they match."""
    return bench.ask_filtered(algorithm, case, one, attributes_of(case.rows))


def _require_matching(case: Case, one: Filter, ids: Ids) -> None:
    matches = matching(one, attributes_of(case.rows))
    wrong = (ids >= 0) & ~matches[np.maximum(ids, 0)]
    if wrong.any():
        query = int(np.argmax(wrong.any(axis=1)))
        shown = ", ".join(map(str, ids[query][wrong[query]][:6].tolist()))
        raise Failed("matching rows alone", f"query {query}: {shown} do not match")


@rule
def filter_matches(bench: Bench, trial: Trial) -> None:
    """A search with a filter never returns a row that does not match."""
    case = trial.case
    algorithm = _built(bench, case)
    for one in (*_SOME, And((_HALF, Range("row", 0.0, case.rows / 4)))):
        _require_matching(case, one, _ask(bench, algorithm, case, one))


@rule
def filter_recall(bench: Bench, trial: Trial) -> dict[str, str]:
    """Of half of the rows, a filtered search finds the nearest as the floor says."""
    case = trial.case
    algorithm = _built(bench, case)
    matches = np.flatnonzero(matching(_HALF, attributes_of(case.rows)))
    queries = bench.queries(case)
    every = np.tile(matches, (len(queries), 1))
    distances = answer_distances(case.metric, bench.base(case), queries, every)
    most = min(case.k, len(matches))
    limits = np.sort(distances, axis=1)[:, most - 1 : most]
    best = 0.0
    for one in trial.cases:
        bench.note(f"search {dict(one.search)}")
        ids = _ask(bench, bench.ready(algorithm, one), one, _HALF)
        found = bench.distances(one, ids)
        hits = found <= limits + 1e-6 * np.maximum(1, np.abs(limits))
        best = max(best, float(hits.sum()) / (most * len(queries)))
    if best < bench.entry.floor:
        raise Failed(f"recall@{case.k} of at least {bench.entry.floor:g}", f"{best:.3f}")
    return {"why": f"{best:.3f}, floor {bench.entry.floor:g}"}


@rule
def filter_empty(bench: Bench, trial: Trial) -> None:
    """A filter that no row matches gives an empty answer, padded with -1."""
    ids = _ask(bench, _built(bench, trial.case), trial.case, _NONE)
    if (ids >= 0).any():
        raise Failed("-1 alone: no row matches", f"the ids {ids[ids >= 0][:6].tolist()}")


@rule
def filter_full(bench: Bench, trial: Trial) -> None:
    """A filter that all rows match gives k rows."""
    algorithm = _built(bench, trial.case)
    for one in _ALL:
        ids = _ask(bench, algorithm, trial.case, one)
        short = (ids < 0).any(axis=1)
        if short.any():
            query = int(np.argmax(short))
            raise Failed(f"{trial.case.k} rows", f"query {query}: {int((ids[query] >= 0).sum())}")


@rule
def filter_few(bench: Bench, trial: Trial) -> None:
    """If fewer than k rows match, the rest is padded with -1."""
    case, one = trial.case, Range("row", 0.0, _FEW - 1.0)
    ids = _ask(bench, _built(bench, case), case, one)
    _require_matching(case, one, ids)
    if (ids[:, _FEW:] >= 0).any():
        raise Failed(f"at most {_FEW} ids, then -1", str(ids[0].tolist()))


@rule
def attributes_not_written(bench: Bench, trial: Trial) -> None:
    """Neither `fit_filtered` nor a search writes to the attributes."""
    case = trial.case
    attributes = attributes_of(case.rows)
    algorithm = bench.fit_filtered(case, attributes)
    bench.ask_filtered(algorithm, case, _HALF, attributes)
    for name, column in attributes_of(case.rows).items():
        for part, values in vars(column).items():
            if not np.array_equal(values, getattr(attributes[name], part)):
                raise Failed("the attributes as they were", f"the {part} of {name} changed")
