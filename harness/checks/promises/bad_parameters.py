"""Wrong values."""

from __future__ import annotations

from harness.checks.bench import Bench
from harness.checks.clean_errors import is_clean
from harness.checks.trials import Case, Trial
from harness.checks.verdicts import Failed


def check(bench: Bench, trial: Trial) -> None:
    """A wrong value of a parameter gives a UserError or ValueError, or right answers.

    Values that `require` of the entry refuses never come to the adapter and are not tried.
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
