"""As many neighbours as rows."""

from __future__ import annotations

from harness.checks.bench import Bench, Ids
from harness.checks.trials import Trial
from harness.checks.verdicts import Failed


def check(bench: Bench, trial: Trial) -> None:
    """As many neighbours as there are rows can be asked for."""
    case = trial.case
    for ids in bench.require_valid(bench.built(case).algorithm, case):
        if bench.entry.exact_order:
            _require_all(ids, case.rows)


def _require_all(ids: Ids, rows: int) -> None:
    found = int((ids >= 0).sum(axis=1).min())
    if found < rows:
        raise Failed(f"all {rows} rows from an exact search", f"{found}")
