"""Checks of parameters: wrong ones are refused, and the groups of the entry build."""

from __future__ import annotations

from harness.checks.bench import Bench
from harness.checks.catalog import promise
from harness.checks.trials import Case, Trial
from harness.checks.verdicts import Failed
from harness.contracts import UserError

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


@promise
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


@promise
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


@promise
def group_builds(bench: Bench, trial: Trial) -> None:
    """The first setting of each group builds and answers queries."""
    bench.ask(bench.built(trial.case).algorithm, trial.case)
