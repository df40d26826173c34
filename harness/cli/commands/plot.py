"""`annharness plot`: figures of stored results."""

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
    Plugins,
    Price,
    Results,
    Stale,
    Suite,
)
from harness.cli.progress import shown_work
from harness.cli.terminal import say
from harness.contracts import UserError
from harness.report.plots.style import StyleName
from harness.report.quantities import Scale

Formats = Annotated[
    list[str] | None,
    typer.Option(
        "--format",
        "-f",
        help="png, svg, pdf, or tex (pgfplots, of qps-recall and Y:X); may be repeated. Default: "
        "png and svg.",
    ),
]


def plot(
    suite: Suite = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", **AS_PATH, help="Folder for the figures. Default: RESULTS/plots."
        ),
    ] = None,
    formats: Formats = None,
    figure: Annotated[
        list[str] | None,
        typer.Option(
            "--figure",
            help="qps-recall, recall-1-at-n, build-costs, training-loss, filtered, load (by "
            "default, where there are such points); at-recall, recall-bytes, recall-distortion, "
            "latency, difficulty; all; or Y:X for two quantities, such as p99_ms:recall. May be "
            "repeated.",
        ),
    ] = None,
    style: Annotated[
        StyleName, typer.Option("--style", help="Size: screen, paper (one column) or slide.")
    ] = "screen",
    x_scale: Annotated[
        Scale | None,
        typer.Option("--x-scale", help="Scale of qps-recall and Y:X. Default: by the values."),
    ] = None,
    y_scale: Annotated[Scale | None, typer.Option("--y-scale", help="As --x-scale.")] = None,
    dataset: Datasets = None,
    algorithm: Algorithms = None,
    recall: Annotated[
        float | None,
        typer.Option(
            "--recall",
            help="Recall of at-recall, latency, difficulty, filtered and build-costs, where bars "
            "of builds that do not reach it are hollow; draws at-recall if none is named.",
        ),
    ] = None,
    highlight: Highlight = None,
    title: Annotated[
        str | None, typer.Option("--title", help="Title of every figure, instead of its own.")
    ] = None,
    no_title: Annotated[
        bool,
        typer.Option(
            "--no-title", help="Leave out title and conditions, for a figure with a caption."
        ),
    ] = False,
    stale: Stale = False,
    price: Price = None,
    results: Results = DEFAULT_RESULTS,
    plugins: Plugins = None,
) -> None:
    """Draw recall against QPS with the Pareto frontier, recall 1@N, build costs, training loss.

    Figures are drawn from stored results; nothing is measured.

    Examples:

      annharness plot demo

      annharness plot --style paper --format pdf --out figures

      annharness plot demo --figure latency --figure p99_ms:recall --y-scale linear

      annharness plot -d glove-100 --highlight pq --recall .9 --no-title

      annharness plot --figure cost_per_million_queries:recall --price 0.34
    """
    from harness.report.analysis.pricing import prices_of

    if title is not None and no_title:
        raise UserError("both a title and none", where="--title, --no-title")
    with shown_work("reading results and drawing"):
        drawn = api.plot(
            suite,
            figures=figure or (),
            style=style,
            x_scale=x_scale,
            y_scale=y_scale,
            recall=recall,
            highlight=highlight or (),
            title="" if no_title else title,
            out=out or results / "plots",
            formats=formats or ("png", "svg"),
            datasets=dataset or (),
            algorithms=algorithm or (),
            stale=stale,
            prices=prices_of(price or ()),
            results=results,
            plugins=plugins or (),
        )
    for path in drawn.paths:
        say(path)
