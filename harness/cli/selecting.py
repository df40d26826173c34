"""Which points the reading verbs read: a results folder, less what is not the suite's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import pandas as pd

Suite = Annotated[
    str | None,
    typer.Argument(help="Name of a suite, or path of a suite file. Default: all results."),
]
Stale = Annotated[
    bool, typer.Option("--stale", help="Keep points of which a newer version is stored.")
]


def load_selected(results: Path, suite: str | None, plugins: list[Path] | None) -> pd.DataFrame:
    """Return the table of a results folder, or of the points in it that a suite asks for.

    Raises
    ------
    UserError
        For an unreadable folder, an unknown suite, and if no point is left.
    """
    from harness.contracts import UserError
    from harness.registry.registry import load_registry
    from harness.registry.suites import read_suite
    from harness.report.selection import of_suite
    from harness.results.table import load_results

    registry = load_registry(plugins or ())
    chosen = read_suite(suite, registry.algorithms) if suite else None
    table = load_results(results)
    if chosen is not None:
        return of_suite(table, chosen, registry)
    if table.empty:
        raise UserError("there are no results", where=str(results), hint="annharness run demo")
    return table
