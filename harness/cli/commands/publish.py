"""`annharness publish`: a static site of the stored results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import DEFAULT_RESULTS, Plugins, Results
from harness.cli.selecting import (
    Algorithms,
    Datasets,
    Highlight,
    Stale,
    Suite,
    recalls_of,
    selected,
)
from harness.cli.terminal import say
from harness.files.paths import user_path


def publish(
    out: Annotated[
        Path,
        typer.Argument(
            parser=user_path, metavar="OUT", help="Folder of the site, or file with --single-file."
        ),
    ],
    suite: Suite = None,
    single_file: Annotated[
        bool, typer.Option("--single-file", help="Write one HTML file that can be mailed.")
    ] = False,
    dataset: Datasets = None,
    algorithm: Algorithms = None,
    recall: Annotated[
        list[float] | None,
        typer.Option(
            "--recall",
            help="Recall to recommend and compare at; may be repeated. Default: .8, .9, .95, .99.",
        ),
    ] = None,
    highlight: Highlight = None,
    title: Annotated[str | None, typer.Option("--title", help="Heading of the front page.")] = None,
    stale: Stale = False,
    results: Results = DEFAULT_RESULTS,
    plugins: Plugins = None,
) -> None:
    """Write a static site: recommendations, interactive charts, comparisons, failures, methods.

    The site needs no server and no network: open OUT/index.html.

    Examples:

      annharness publish site

      annharness publish demo.html demo --single-file

      annharness publish site -d glove-100 --recall .9 --recall .97 --highlight pq
    """
    from harness.report.analysis.limits import curves_named
    from harness.report.site.content import USUAL, SiteChoices
    from harness.report.site.pages import write_site

    levels = recalls_of(recall)
    table = selected(results, suite, plugins, dataset, algorithm, stale=stale)
    choices = SiteChoices(levels, curves_named(table, highlight or ()), title or USUAL.title)
    if stale:
        table = table.assign(stale=False)  # shown like the others
    paths = write_site(table, out, single_file=single_file, choices=choices)
    say(paths[0] if single_file else out / "index.html")
