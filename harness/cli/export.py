"""`annharness export`: stored results as a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import AS_PATH, DEFAULT_RESULTS, Plugins, Results
from harness.cli.selecting import (
    Algorithms,
    Datasets,
    Highlight,
    MaxBytes,
    Stale,
    Suite,
    recalls_of,
    selected,
)
from harness.cli.terminal import say
from harness.contracts import UserError

if TYPE_CHECKING:
    import pandas as pd


def export(
    suite: Suite = None,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            **AS_PATH,
            help="The file; its ending says the format: csv, parquet, json, md, tex.",
        ),
    ] = Path("results.csv"),
    to: Annotated[
        str | None,
        typer.Option("--to", help="ann-benchmarks: lay results/ and data/ out below --out for it."),
    ] = None,
    per_query: Annotated[
        bool, typer.Option("--per-query", help="Parquet only: a row for each point and query.")
    ] = False,
    recommendations: Annotated[
        bool,
        typer.Option(
            "--recommendations",
            "--answers",
            help="What is fastest at each --recall, by default at .8, .9, .95 and .99.",
        ),
    ] = False,
    recall: Annotated[
        list[float] | None,
        typer.Option(
            "--recall",
            help="Only points that reach it with confidence, as `recommend` asks for it. "
            "Repeatable with --recommendations.",
        ),
    ] = None,
    max_bytes: MaxBytes = None,
    dataset: Datasets = None,
    algorithm: Algorithms = None,
    highlight: Highlight = None,
    columns: Annotated[
        str | None,
        typer.Option("--columns", help="Of .tex and .md, in this order: algorithm,recall@k,QPS."),
    ] = None,
    caption: Annotated[
        str | None, typer.Option("--caption", help="Of .tex, which becomes a float: plain text.")
    ] = None,
    align: Annotated[
        str | None, typer.Option("--align", help="Of .tex: a letter l, r or c for each column.")
    ] = None,
    stale: Stale = False,
    results: Results = DEFAULT_RESULTS,
    plugins: Plugins = None,
) -> None:
    """Write one row per point: parameters, recall, QPS and latency with intervals, sizes, status.

    Examples:

      annharness export demo -o demo.csv

      annharness export -o queries.parquet --per-query

      annharness export -o fastest.tex --recommendations --recall .95 --max-bytes 300

      annharness export -o t.tex --columns algorithm,recall@k,QPS --caption Sample --highlight pq

      annharness export demo --to ann-benchmarks -o their-folder
    """
    from harness.report.export import export as write
    from harness.report.export import export_recommendations
    from harness.report.limits import Limits, curves_named, reaching
    from harness.report.tables import TableStyle

    if to not in (None, "ann-benchmarks"):
        raise UserError("no other harness by this name", where="--to", expected="ann-benchmarks")
    levels = recalls_of(recall)
    limits = Limits(dataset or (), algorithm or (), max_bytes)
    table = selected(results, suite, plugins, stale=stale, limits=limits)
    style = TableStyle(
        columns=[name.strip() for name in columns.split(",")] if columns else (),
        caption=caption or "",
        alignment=align or "",
        highlight=curves_named(table, highlight or ()),
    )
    if recommendations:
        export_recommendations(table, out, levels, style)
        say(out)
        return
    if recall:
        table = reaching(table, levels[0])
    if to is None:
        write(table, out, per_query=per_query, style=style)
    else:
        _lay_out(table, results, out)
    say(out)


def _lay_out(table: pd.DataFrame, results: Path, out: Path) -> None:
    """Vectors are linked where the dataset lies in the cache; nothing is fetched for them."""
    from harness.data.cache import cache_subfolder
    from harness.report.ann_benchmarks import lay_out

    cached = {
        name: path
        for name in sorted(set(table["dataset"]))
        for folder in ("datasets", "files")
        if (path := cache_subfolder(folder) / f"{name}.hdf5").is_file()
    }
    lay_out(table, results, out, cached)
