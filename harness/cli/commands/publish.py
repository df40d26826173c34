"""`annharness publish`: a static site of the stored results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness import api
from harness.cli.options import (
    AS_PATH,
    DEFAULT_RESULTS,
    Algorithms,
    Datasets,
    Highlight,
    KnownSteps,
    Plugins,
    Price,
    Results,
    Stale,
    Suite,
    given_path,
)
from harness.cli.progress import shown_work
from harness.cli.terminal import say


def publish(
    out: Annotated[
        Path,
        typer.Argument(
            parser=given_path, metavar="OUT", help="Folder of the site, or file with --single-file."
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
    commit_url: Annotated[
        str | None,
        typer.Option(
            "--commit-url",
            help="Address of commits for links, such as https://github.com/you/repo/commit/{commit}.",
        ),
    ] = None,
    stale: Stale = False,
    price: Price = None,
    history: Annotated[
        list[Path] | None,
        typer.Option(
            "--history",
            **AS_PATH,
            help="Results folder for the page of the history, as of a night; may be repeated.",
        ),
    ] = None,
    known_steps: KnownSteps = None,
    results: Results = DEFAULT_RESULTS,
    plugins: Plugins = None,
) -> None:
    """Write a static site: recommendations, charts, comparisons, history, failures, methods.

    The site needs no server and no network: open OUT/index.html.

    Examples:

      annharness publish site

      annharness publish demo.html demo --single-file

      annharness publish site -d glove-100 --recall .9 --recall .97 --highlight pq

      annharness publish site --results night-2 --history night-1
    """
    from harness.report.analysis.pricing import prices_of

    with shown_work("reading results and writing pages"):
        page = api.publish(
            out,
            suite,
            single_file=single_file,
            recalls=recall or (),
            highlight=highlight or (),
            title=title,
            commit_url=commit_url,
            datasets=dataset or (),
            algorithms=algorithm or (),
            stale=stale,
            prices=prices_of(price or ()),
            history=history or (),
            known_steps=known_steps,
            results=results,
            plugins=plugins or (),
        )
    say(page)
