"""Tables for people: Markdown and LaTeX, with chosen columns."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from harness.contracts import UserError
from harness.errors import did_you_mean
from harness.report.analysis.points import prepare, rows_of
from harness.report.export.cells import flat
from harness.report.quantities import SIZES, human
from harness.report.texts import mark, notes, size_notes, size_text, stated_mark, stated_notes
from harness.results.table.columns import Row


@dataclass(frozen=True)
class TableStyle:
    """The layout of a table; empty fields mean the default.

    `columns` are names of columns, in their order. `caption` and `alignment` (letters l, r and c
    for the columns, bars between them) are for LaTeX. Rows of the curves in `highlight` are bold.
    """

    columns: Sequence[str] = ()
    caption: str = ""
    alignment: str = ""
    highlight: Collection[str] = ()


PLAIN = TableStyle()


@dataclass(frozen=True)
class Table:
    """Headings and rows of text, each row with whether it is bold, and notes below."""

    headings: Sequence[str]
    rows: Sequence[tuple[Sequence[str], bool]]
    alignment: str
    notes: Sequence[str] = ()


def table_of_points(table: pd.DataFrame, style: TableStyle) -> Table:
    """Return a table of points, figures with their intervals, without `no-op`.

    Columns are those of `_COLUMNS`, which are the usual ones, and any other of the table.

    Raises
    ------
    UserError
        If a chosen column is unknown.
    """
    answers = table[table["in_answers"]]
    prepared = prepare(table if answers.empty else answers, stale=True)
    below = [
        *notes(prepared["qps_scope"]),
        *size_notes(prepared["size_scope"]),
        *stated_notes(prepared["has_answers"] | (prepared["status"] != "ok")),
    ]
    return laid_out(list(rows_of(prepared)), _COLUMNS, prepared.columns, style, below)


def laid_out(
    rows: Sequence[Row],
    usual: Mapping[str, Callable[[Row], str]],
    known: Iterable[str],
    style: TableStyle,
    below: Sequence[str] = (),
) -> Table:
    """Return the chosen columns of rows as text.

    Parameters
    ----------
    rows
        Their `curve` or `label` is what `highlight` names.
    usual
        The columns that are there by default, and their words.
    known
        Further columns that may be chosen.
    """
    names = list(style.columns) or list(usual)
    for name in names:
        if name not in usual and name not in known:
            raise UserError(
                f"the table has no column {name!r}",
                where="--columns",
                hint=did_you_mean(name, {*usual, *known}),
            )
    words = {name: usual.get(name) or words_of(name) for name in names}
    bold = [row.get("curve", row.get("label")) in style.highlight for row in rows]
    cells = [[words[name](row) for name in names] for row in rows]
    letters = "".join("r" if _is_figure(name, rows) else "l" for name in names)
    alignment = _checked(style.alignment, names) or letters
    return Table(names, list(zip(cells, bold, strict=True)), alignment, below)


def markdown_text(table: Table) -> str:
    """Return a Markdown table, notes below it."""
    rows = [
        [f"**{cell}**" if bold and cell.strip() else cell for cell in map(_markdown, row)]
        for row, bold in table.rows
    ]
    lines = [list(map(_markdown, table.headings)), ["---"] * len(table.headings), *rows]
    text = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return text + "".join(f"\n{note}\n" for note in table.notes)


def markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table of any text."""
    return markdown_text(Table(headings, [(row, False) for row in rows], ""))


def latex_text(table: Table, caption: str = "") -> str:
    r"""Return a LaTeX table; needs `\usepackage{booktabs}`.

    With a caption, which is plain text, it is a float with the notes below; without, the notes are
    comments.
    """
    rows = [
        [rf"\textbf{{{cell}}}" if bold and cell else cell for cell in map(latex, row)]
        for row, bold in table.rows
    ]
    lines = [" & ".join(row) + r" \\" for row in (list(map(latex, table.headings)), *rows)]
    tabular = "\n".join(
        [
            rf"\begin{{tabular}}{{{table.alignment}}}",
            *(r"\toprule", lines[0], r"\midrule", *lines[1:], r"\bottomrule"),
            r"\end{tabular}",
        ]
    )
    if not caption:
        return "".join(f"{line}\n" for line in (tabular, *(f"% {note}" for note in table.notes)))
    below = ". ".join(map(latex, table.notes))
    return "".join(
        f"{line}\n"
        for line in (
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{latex(caption)}}}",
            tabular,
            *([rf"\par\footnotesize {below}"] if below else []),
            r"\end{table}",
        )
    )


def latex(text: str) -> str:
    """Return text with LaTeX's special characters escaped."""
    special = {
        "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
        "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
        "\n": " ", "\r": " ",
    }  # fmt: skip
    special |= {char: f"\\{char}" for char in "&%$#_{}"}
    return "".join(special.get(char, char) for char in text)


def words_of(column: str) -> Callable[[Row], str]:
    """Return the function that formats a column's values; measured sizes are marked."""
    if column in SIZES:
        return lambda row: size_text(row, column)
    number = _share if "recall" in column else human
    return lambda row: _shown(row[column], number)


def _share(value: float) -> str:
    """A recall with enough digits not to round what misses little up to 1."""
    return f"{value:.4f}" if np.isfinite(value) else "n/a"


def _shown(value: object, number: Callable[[float], str]) -> str:
    if isinstance(value, (float, np.floating)):
        return number(float(value))
    return "" if value is None else str(flat(value))


def _with_interval(row: Row, name: str, words: Callable[[float], str]) -> str:
    value, low, high = (row[f"{name}{end}"] for end in ("", "_low", "_high"))
    if not _is_known(value):
        return "n/a"
    bounds = f" [{words(low)}, {words(high)}]" if _is_known(low) and _is_known(high) else ""
    return f"{words(value)}{bounds}"


def _is_known(value: float | None) -> bool:
    return value is not None and bool(np.isfinite(value))


_COLUMNS: dict[str, Callable[[Row], str]] = {
    "dataset": lambda row: str(row["dataset"]),
    "k": lambda row: str(row["k"]),
    "algorithm": lambda row: str(row["curve"]),
    "parameters": lambda row: str(row["parameters"]),
    "recall@k": lambda row: (
        _with_interval(row, "recall", _share)
        + stated_mark(row["has_answers"] or row["status"] != "ok")
    ),
    "QPS": lambda row: _with_interval(row, "qps", human) + mark(row["qps_scope"]),
    "p99": lambda row: human(row["p99_ms"], "ms"),
    "build": lambda row: human(row["build_seconds"], "s"),
    "bytes/vector": size_text,
    "status": lambda row: str(row["status"]),
}
_FIGURES = ("k", "recall@k", "QPS", "p99", "build", "bytes/vector")


def _is_figure(name: str, rows: Sequence[Row]) -> bool:
    values = (row.get(name) for row in rows)
    return name in _FIGURES or any(isinstance(value, (float, np.floating)) for value in values)


def _checked(alignment: str, names: Sequence[str]) -> str:
    letters = alignment.replace("|", "")
    if alignment and (not re.fullmatch("[lrc]+", letters) or len(letters) != len(names)):
        raise UserError(
            "no alignment of these columns",
            where="--align",
            expected=f"{len(names)} of the letters l, r and c, for {', '.join(names)}",
            got=alignment,
        )
    return alignment


def _markdown(text: str) -> str:
    """Text escaped so that it stays in its cell and is not HTML, a link or emphasis."""
    one_line = " ".join(text.split())
    escaped = "".join(f"\\{char}" if char in "\\`*_[]|#~" else char for char in one_line)
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
