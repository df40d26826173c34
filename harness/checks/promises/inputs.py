"""Checks of what an adapter does with its arguments."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.checks.bench import Bench, Ids
from harness.checks.catalog import promise
from harness.checks.likeness import require_alike
from harness.checks.sample import Rows
from harness.checks.trials import Case, Trial
from harness.checks.verdicts import Failed


def require_right_or_refused(
    bench: Bench, case: Case, change: Callable[[Rows], NDArray[Any]], name: str
) -> None:
    """Fail if changed rows or changed queries are accepted and give other neighbours.

    Base and queries are changed one at a time, so that a refusal of one does not hide the other.
    """
    usual = bench.ask(bench.built(case).algorithm, case)
    for part, answers in (("base", _by_base), ("queries", _by_queries)):
        bench.note(f"{name} as {part}")
        try:
            found = answers(bench, case, change)
        except Exception:
            continue
        require_alike(bench, case, usual, found, f"{name} as {part}: the usual answers or an error")


def _by_base(bench: Bench, case: Case, change: Callable[[Rows], NDArray[Any]]) -> Ids:
    return bench.ask(bench.fit(case, change(bench.base(case))), case)


def _by_queries(bench: Bench, case: Case, change: Callable[[Rows], NDArray[Any]]) -> Ids:
    return bench.ask(bench.built(case).algorithm, case, change(bench.queries(case)))


@promise
def base_not_written(bench: Bench, trial: Trial) -> None:
    """Neither `fit` nor a search writes to the base."""
    algorithm, base = bench.built(trial.case)
    queries = bench.queries(trial.case).copy()
    for query in queries:
        algorithm.query(query, trial.case.k)
    algorithm.query_batch(queries, trial.case.k)
    changed = (base != bench.base(trial.case)).any(axis=1)
    if changed.any():
        raise Failed("the base as it was", f"{int(changed.sum())} rows of it changed")


@promise
def arguments_kept(bench: Bench, trial: Trial) -> None:
    """The adapter writes neither to queries nor to parameters."""
    case = trial.case
    _require_parameters_kept(bench, trial)
    algorithm = bench.built(case).algorithm
    queries = bench.queries(case).copy()
    algorithm.warm_up(queries, case.k)
    _require_kept(queries, bench.queries(case), "warm_up")
    for query in queries:
        algorithm.query(query, case.k)
    _require_kept(queries, bench.queries(case), "query")
    algorithm.query_batch(queries, case.k)
    _require_kept(queries, bench.queries(case), "query_batch")


def _require_parameters_kept(bench: Bench, trial: Trial) -> None:
    parameters = bench.parameters(trial.case)
    given = copy.deepcopy(parameters)
    bench.adapter(trial.case.metric)(trial.case.metric, **parameters)
    if parameters != given:
        raise Failed(f"build parameters {given} as they were", f"the constructor made {parameters}")


def _require_kept(queries: np.ndarray, given: np.ndarray, who: str) -> None:
    if not np.array_equal(queries, given):
        raise Failed("queries as they were", f"{who} wrote to them")


@promise
def read_only_inputs(bench: Bench, trial: Trial) -> None:
    """Read-only rows and queries mapped from a file, as in a run, give the same neighbours."""
    case = trial.case
    usual = bench.ask(bench.built(case).algorithm, case)
    mapped = bench.ask(bench.fit(case, bench.base(case)), case, bench.queries(case))
    require_alike(bench, case, usual, mapped, "the same answers from read-only arrays")


@promise
def strided_inputs(bench: Bench, trial: Trial) -> None:
    """Arrays that are not C-contiguous (never passed in a run) are refused or handled correctly."""
    require_right_or_refused(bench, trial.case, _strided, "non-contiguous rows")


def _strided(rows: Rows) -> Rows:
    """The same values with gaps between them; the values in the gaps are far from any row."""
    wide = np.full((len(rows), 2 * rows.shape[1]), 1e3, dtype=rows.dtype)
    wide[:, ::2] = rows
    return wide[:, ::2]


@promise
def float64_inputs(bench: Bench, trial: Trial) -> None:
    """Float64 arrays (never passed in a run) are refused or handled correctly."""
    require_right_or_refused(
        bench, trial.case, lambda rows: rows.astype(np.float64), "float64 rows"
    )
