"""`annharness publish`: a site that people read, share and can check."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import DEFAULT_RESULTS, Plugins, Results
from harness.cli.selecting import Stale, Suite, selected


def publish(
    out: Annotated[Path, typer.Argument(help="Folder of the site, or file with --single-file.")],
    suite: Suite = None,
    single_file: Annotated[
        bool, typer.Option("--single-file", help="One HTML file that can be mailed.")
    ] = False,
    stale: Stale = False,
    results: Results = DEFAULT_RESULTS,
    plugins: Plugins = None,
) -> None:
    """Write a static site: recommendations, interactive charts, comparisons, failures, methods.

    It needs no server and no network: open OUT/index.html.

    Examples:

      annharness publish site

      annharness publish demo.html demo --single-file
    """
    from harness.report.site.writing import write_site

    table = selected(results, suite, plugins, stale=stale)
    if stale:
        table = table.assign(stale=False)  # shown like the others
    paths = write_site(table, out, single_file=single_file)
    print(paths[0] if single_file else out / "index.html")
