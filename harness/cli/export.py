"""`annharness export`: stored results as a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import DEFAULT_RESULTS, Plugins, Results
from harness.cli.selecting import Stale, Suite, load_selected


def export(
    suite: Suite = None,
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", help="The file; its ending says the format: csv, parquet, json, md, tex."
        ),
    ] = Path("results.csv"),
    per_query: Annotated[
        bool, typer.Option("--per-query", help="Parquet only: a row for each point and query.")
    ] = False,
    stale: Stale = False,
    results: Results = DEFAULT_RESULTS,
    plugins: Plugins = None,
) -> None:
    """Write one row per point: parameters, recall, QPS and latency with intervals, sizes, status.

    Examples:

      annharness export demo -o demo.csv

      annharness export -o queries.parquet --per-query
    """
    from harness.report.export import export as write

    table = load_selected(results, suite, plugins)
    if not stale:
        table = table[~table["stale"].astype(bool)]
    write(table, out, per_query=per_query)
    print(out)
