"""A forgotten parameter must not be lost in silence."""

from __future__ import annotations

from harness.checks.bench import Bench
from harness.checks.clean_errors import is_clean
from harness.checks.trials import Trial
from harness.checks.verdicts import Failed

_NAME = "no_such_parameter"


def check(bench: Bench, trial: Trial) -> None:
    """set_search refuses a parameter that it does not know."""
    algorithm = bench.built(trial.case).algorithm
    try:
        algorithm.set_search(**{**trial.case.search, _NAME: 1})
    except Exception as error:
        if is_clean(error):
            return
        raise
    raise Failed(f"a TypeError for set_search({_NAME}=1)", "it was taken without a word")
