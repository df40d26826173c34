"""`annharness plot`: figures of stored results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import DEFAULT_RESULTS, Plugins, Results
from harness.cli.selecting import Stale, Suite, selected
from harness.report.plots.style import StyleName
from harness.report.quantities import Scale

Formats = Annotated[
    list[str] | None,
    typer.Option("--format", "-f", help="png, svg or pdf; may be repeated. Default: png and svg."),
]


def plot(
    suite: Suite = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder for the figures. Default: RESULTS/plots."),
    ] = None,
    formats: Formats = None,
    figure: Annotated[
        list[str] | None,
        typer.Option(
            "--figure",
            help="qps-recall, recall-1-at-n, build-costs, training-loss (these four by default), "
            "at-recall, recall-bits, recall-distortion, latency, difficulty, all, "
            "or Y:X for two quantities, such as p99_ms:recall.",
        ),
    ] = None,
    style: Annotated[
        StyleName, typer.Option("--style", help="For a screen, a paper's column or a slide.")
    ] = "screen",
    x_scale: Annotated[
        Scale | None, typer.Option("--x-scale", help="Of qps-recall and Y:X; else by the values.")
    ] = None,
    y_scale: Annotated[Scale | None, typer.Option("--y-scale", help="Likewise.")] = None,
    stale: Stale = False,
    results: Results = DEFAULT_RESULTS,
    plugins: Plugins = None,
) -> None:
    """Draw recall against QPS with the Pareto frontier, recall 1@N, build costs, training loss.

    Examples:

      annharness plot demo

      annharness plot --style paper --format pdf --out figures

      annharness plot demo --figure latency --figure p99_ms:recall --y-scale linear
    """
    from harness.report.plots.writing import write_plots  # matplotlib takes a second to load

    table = selected(results, suite, plugins, stale=stale)
    paths = write_plots(
        table,
        out or results / "plots",
        formats=formats or ("png", "svg"),
        names=figure,
        style=style,
        stale=stale,
        x_scale=x_scale,
        y_scale=y_scale,
    )
    for path in paths:
        print(path)
