"""`annharness export`: stored results as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import (
    AS_PATH,
    DEFAULT_RESULTS,
    Algorithms,
    Datasets,
    Highlight,
    MaxBytes,
    Plugins,
    Price,
    Results,
    Stale,
    Suite,
)
from harness.cli.progress import shown_work
from harness.cli.terminal import say
from harness.contracts import UserError

if TYPE_CHECKING:
    import pandas as pd

_OUT = {None: "results.csv", "ann-benchmarks": "for-ann-benchmarks", "bencher": "bencher.json"}
"""What is written by default, by the tool that it is for."""

_EXCLUDED = {
    "--recommendations": ("--to", "--per-query"),
    "--to": ("--per-query", "--columns", "--caption", "--align", "--highlight", "--price"),
}
"""Options of one kind of export, each with those of the others."""


def export(
    suite: Suite = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            **AS_PATH,
            help="File to write; its ending is the format: csv, parquet, json, md, tex. "
            "Default: results.csv; with --to, the folder for-ann-benchmarks, or bencher.json.",
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            help="ann-benchmarks: write its results/ and data/ into a folder; bencher: its JSON.",
        ),
    ] = None,
    per_query: Annotated[
        bool,
        typer.Option("--per-query", help="Write a row for each point and query (parquet only)."),
    ] = False,
    recommendations: Annotated[
        bool,
        typer.Option(
            "--recommendations",
            "--answers",
            help="Write the fastest points at each --recall. Default: .8, .9, .95, .99.",
        ),
    ] = False,
    recall: Annotated[
        list[float] | None,
        typer.Option(
            "--recall",
            help="Only points that reach this recall with confidence, as in `recommend`. "
            "May be repeated with --recommendations.",
        ),
    ] = None,
    max_bytes: MaxBytes = None,
    dataset: Datasets = None,
    algorithm: Algorithms = None,
    highlight: Highlight = None,
    columns: Annotated[
        str | None,
        typer.Option(
            "--columns", help="Columns of .tex and .md, in order, such as algorithm,recall@k,QPS."
        ),
    ] = None,
    caption: Annotated[
        str | None,
        typer.Option("--caption", help="Caption of .tex as plain text; makes the table a float."),
    ] = None,
    align: Annotated[
        str | None,
        typer.Option("--align", help="Alignment in .tex: a letter l, r or c for each column."),
    ] = None,
    stale: Stale = False,
    price: Price = None,
    results: Results = DEFAULT_RESULTS,
    plugins: Plugins = None,
) -> None:
    """Write one row per point: parameters, recall, QPS and latency with intervals, sizes, status.

    The rows are those of stored results; nothing is measured.

    Examples:

      annharness export demo -o demo.csv

      annharness export -o queries.parquet --per-query

      annharness export -o fastest.tex --recommendations --recall .95 --max-bytes 300

      annharness export -o t.tex --columns algorithm,recall@k,QPS --caption Sample --highlight pq

      annharness export demo --to ann-benchmarks -o their-folder

      annharness export demo --to bencher -o bencher.json
    """
    from harness.interop.bencher import write_bencher
    from harness.report.analysis.limits import curves_named, reaching
    from harness.report.analysis.pricing import prices_of
    from harness.report.analysis.selecting import Selection, recalls_of, selected
    from harness.report.export.exporting import export as write
    from harness.report.export.exporting import export_recommendations
    from harness.report.export.tables import TableStyle

    if to not in _OUT:
        expected = " or ".join(filter(None, _OUT))
        raise UserError("no other tool by this name", where="--to", expected=expected)
    out = out or Path(_OUT[to])
    levels = recalls_of(recall or ())
    given = {
        "--recommendations": recommendations, "--to": to, "--per-query": per_query,
        "--columns": columns, "--caption": caption, "--align": align, "--highlight": highlight,
        "--price": price,
    }  # fmt: skip
    _require_use_of_all(given, levels if recall else ())
    names, prices = (dataset or (), algorithm or ()), prices_of(price or ())
    selection = Selection(suite, *names, max_bytes, stale, prices)
    with shown_work("reading results and writing"):
        table = selected(results, plugins or (), selection)
        style = TableStyle(
            columns=[name.strip() for name in columns.split(",")] if columns else (),
            caption=caption or "",
            alignment=align or "",
            highlight=curves_named(table, highlight or ()),
        )
        if recall and not recommendations:
            table = reaching(table, levels[0])
        if recommendations:
            export_recommendations(table, out, levels, style)
        elif to == "bencher":
            write_bencher(table, out)
        elif to is None:
            write(table, out, per_query=per_query, style=style)
        else:
            _lay_out(table, results, out)
    say(out)


def _require_use_of_all(given: Mapping[str, object], levels: Sequence[float]) -> None:
    """Raise a `UserError` if an option would be left unheard beside another one."""
    for option, others in _EXCLUDED.items():
        unheard = [other for other in others if given[option] and given[other]]
        if unheard:
            raise UserError(
                f"{option} does not go with {' and '.join(unheard)}",
                where="export",
                hint=f"two exports, one with {option}",
            )
    if len(levels) > 1 and not given["--recommendations"]:
        raise UserError(
            "points are of one recall",
            where="--recall",
            expected="one level, or several with --recommendations",
            got=", ".join(f"{level:g}" for level in levels),
        )


def _lay_out(table: pd.DataFrame, results: Path, out: Path) -> None:
    """Write ann-benchmarks' layout; vectors are linked if cached, and never fetched."""
    from harness.data.cache.cached import cached_by_name
    from harness.interop.ann_benchmarks import lay_out

    names = sorted(set(table["dataset"]))
    cached = {name: path for name in names if (path := cached_by_name(name)) is not None}
    lay_out(table, results, out, cached)
