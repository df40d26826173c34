"""Checks of what an adapter does with its arguments and parameters."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np

from harness.checks.bench import Bench, Ids
from harness.checks.catalog import rule
from harness.checks.rules.answers import require_alike
from harness.checks.sample import Rows
from harness.checks.trials import Case, Failed, Trial
from harness.contracts import UserError


def require_right_or_refused(
    bench: Bench, case: Case, change: Callable[[Rows], Rows], name: str
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


def _by_base(bench: Bench, case: Case, change: Callable[[Rows], Rows]) -> Ids:
    return bench.ask(bench.fit(case, change(bench.base(case))), case)


def _by_queries(bench: Bench, case: Case, change: Callable[[Rows], Rows]) -> Ids:
    return bench.ask(bench.built(case).algorithm, case, change(bench.queries(case)))


@rule
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


@rule
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


@rule
def read_only_inputs(bench: Bench, trial: Trial) -> None:
    """Read-only rows and queries mapped from a file, as in a run, give the same neighbours."""
    case = trial.case
    usual = bench.ask(bench.built(case).algorithm, case)
    mapped = bench.ask(bench.fit(case, bench.base(case)), case, bench.queries(case))
    require_alike(bench, case, usual, mapped, "the same answers from read-only arrays")


@rule
def strided_inputs(bench: Bench, trial: Trial) -> None:
    """Arrays that are not C-contiguous (never passed in a run) are refused or handled correctly."""
    require_right_or_refused(bench, trial.case, _strided, "non-contiguous rows")


def _strided(rows: Rows) -> Rows:
    """The same values with gaps between them; the values in the gaps are far from any row."""
    wide = np.full((len(rows), 2 * rows.shape[1]), 1e3, dtype=rows.dtype)
    wide[:, ::2] = rows
    return wide[:, ::2]


@rule
def float64_inputs(bench: Bench, trial: Trial) -> None:
    """Float64 arrays (never passed in a run) are refused or handled correctly."""
    require_right_or_refused(
        bench, trial.case, lambda rows: rows.astype(np.float64), "float64 rows"
    )


_CLEAN = (
    UserError,
    ValueError,
    TypeError,
    KeyError,
    RuntimeError,  # raised by libraries written in C++
    OverflowError,
    OSError,
)
_NAME = "no_such_parameter"


def is_clean(error: Exception) -> bool:
    """Whether an exception is a refusal with a message."""
    return isinstance(error, _CLEAN) and bool(str(error).strip())


@rule
def unknown_parameter(bench: Bench, trial: Trial) -> None:
    """`set_search` refuses an unknown parameter."""
    algorithm = bench.built(trial.case).algorithm
    try:
        algorithm.set_search(**{**trial.case.search, _NAME: 1})
    except Exception as error:
        if is_clean(error):
            return
        raise
    raise Failed(f"a TypeError for set_search({_NAME}=1)", "it was taken without a word")


@rule
def bad_parameters(bench: Bench, trial: Trial) -> None:
    """A wrong parameter value gives a `UserError` or `ValueError`, or a correct index.

    Values that the entry's `require` refuses never reach the adapter and are not tried.
    """
    for case in trial.cases:
        bench.note(case.note)
        _try(bench, case)


def _try(bench: Bench, case: Case) -> None:
    try:
        bench.ask(bench.built(case).algorithm, case)
    except Exception as error:
        if not is_clean(error):
            what = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            raise Failed(
                f"a UserError or ValueError for {case.note}, or `require` in the entry", what
            ) from error


@rule
def group_builds(bench: Bench, trial: Trial) -> None:
    """The first setting of each group builds and answers queries."""
    bench.ask(bench.built(trial.case).algorithm, trial.case)
