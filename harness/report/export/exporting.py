"""The table as a file: CSV, Parquet, JSON, Markdown or LaTeX, by the file's ending."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from harness.contracts import UserError
from harness.files.replacing import write_text, written_whole
from harness.measures.choosing import NOT_REACHED
from harness.report.analysis.points import ComparisonGroup, comparison_groups, prepare, rows_of
from harness.report.analysis.pricing import COST
from harness.report.analysis.recommendations import LEVELS, Recommendation, recommendations
from harness.report.export.cells import flat, plain_value
from harness.report.export.tables import (
    PLAIN,
    Table,
    TableStyle,
    laid_out,
    latex_text,
    markdown_text,
    table_of_points,
    words_of,
)
from harness.report.texts import size_notes, stated_mark, stated_notes
from harness.results.table.columns import COLUMNS, RECALL_KS, Column, Row
from harness.text import Json, counted

# A spreadsheet reads a cell that begins with these as a formula.
_FORMULA_STARTS = ("=", "+", "-", "@")


def export(
    table: pd.DataFrame, path: Path, *, per_query: bool = False, style: TableStyle = PLAIN
) -> None:
    """Write the table in the format of the file's ending.

    Parameters
    ----------
    table
        As from `harness.load_results`.
    path
        Ends in `.csv`, `.parquet`, `.json`, `.md` or `.tex`.
    per_query
        Parquet only: a row per point and query, with its recall, seconds and difficulty (local
        intrinsic dimensionality from the true neighbours; NaN for inner products).
    style
        How the tables for people, `.md` and `.tex`, are laid out.

    Raises
    ------
    UserError
        If the ending is unknown, the file cannot be written, `per_query` or `style` is asked of
        another format, or no point has the answers that rows of queries come from.
    """
    ending = path.suffix.lower()
    _check_ending(path)
    _check_style(path, style)
    if per_query and ending != ".parquet":
        raise UserError(
            "one row per query goes to Parquet only", where=str(path), hint="a name in .parquet"
        )
    if per_query:
        _check_answers(table)
    if ending in _FOR_PEOPLE:
        _write_for_people(table_of_points(table, style), path, style)
    else:
        (_write_queries if per_query else _WRITERS[ending])(table, path)


def _check_answers(table: pd.DataFrame) -> None:
    """Raise a `UserError` if no point has answers; warn of those that have none."""
    answerless = int(((table["status"] == "ok") & ~table["has_answers"]).sum())
    if answerless and not table["has_answers"].any():
        raise UserError(
            "no point has the answers of its queries",
            expected="results that were measured here, or are from a whole package",
        )
    if answerless:
        text = f"{counted(answerless, 'point')} without answers: left out of the rows of queries"
        warnings.warn(text, stacklevel=3)


def export_recommendations(
    table: pd.DataFrame,
    path: Path,
    levels: Sequence[float] = LEVELS,
    style: TableStyle = PLAIN,
) -> None:
    """Write the recommendation at each level of recall as a row; the ending is the format.

    Chosen by recall on the tuning queries; recall is of the held-out queries, QPS is cross-fitted.

    Raises
    ------
    UserError
        If the ending is unknown, the file cannot be written, or `style` is asked of another format
        than `.md` and `.tex`.
    """
    ending = path.suffix.lower()
    _check_ending(path)
    _check_style(path, style)
    rows, names = _recommendation_rows(table, levels), _RECOMMENDATIONS
    if ending == ".parquet":
        _write_frame(pd.DataFrame(rows, columns=names), path)
    elif ending == ".json":
        plain = [{name: plain_value(value) for name, value in row.items()} for row in rows]
        write_text(path, json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    elif ending == ".csv":
        cells = [[_cell(row[name]) for name in names] for row in rows]
        write_text(path, pd.DataFrame(cells, columns=names).to_csv(index=False))
    else:
        usual = {name: words_of(name) for name in names}
        usual["recall"] = _recall_words
        usual["level"] = lambda row: f"{row['level']:g}"
        below = size_notes(row["size_scope"] for row in rows)
        below += stated_notes(row["has_answers"] for row in rows)
        _write_for_people(laid_out(rows, usual, (), style, below), path, style)


def _recall_words(row: Row) -> str:
    return words_of("recall")(row) + stated_mark(row["has_answers"])


def table_of_recommendations(table: pd.DataFrame, levels: Sequence[float] = LEVELS) -> pd.DataFrame:
    """Return the rows that `export_recommendations` writes."""
    return pd.DataFrame(_recommendation_rows(table, levels), columns=_RECOMMENDATIONS)


def _recommendation_rows(table: pd.DataFrame, levels: Sequence[float]) -> list[Json]:
    return [
        _recommendation(group, one)
        for group in comparison_groups(prepare(table, stale=True))
        for one in recommendations(group, levels)
    ]


_RECOMMENDATIONS = (
    *("dataset", "k", "mode", "threads", "machine", "level", "algorithm", "label", "parameters"),
    *("recall", "recall_low", "recall_high", "qps", "qps_low", "qps_high", "bytes_per_vector"),
    *("build_seconds", "equal_within_5_percent", "undecided", "reached", "qps_scope", "qps_report"),
    *("size_scope", "has_answers", COST),
)


def _recommendation(group: ComparisonGroup, one: Recommendation) -> Json:
    row = one.row
    return {
        "dataset": group.dataset, "k": group.k, "mode": group.mode, "threads": group.threads,
        "machine": group.machine, "level": one.level, "algorithm": row["algorithm"],
        "label": row["curve"], "parameters": row["parameters"],
        **{name: row[f"held_out_{name}"] for name in ("recall", "recall_low", "recall_high")},
        "qps": one.qps, "qps_low": one.qps_low, "qps_high": one.qps_high,
        "bytes_per_vector": row["bytes_per_vector"], "build_seconds": row["build_seconds"],
        "equal_within_5_percent": ", ".join(one.equal_names), "undecided": one.undecided_text,
        "reached": "with confidence" if one.reached else NOT_REACHED,
        "qps_scope": row["qps_scope"], "qps_report": one.report, "size_scope": row["size_scope"],
        "has_answers": bool(row["has_answers"]), COST: row[COST],
    }  # fmt: skip


def csv_text(table: pd.DataFrame) -> str:
    """Return the CSV of the design, one row per point, safe to open in a spreadsheet."""
    names = [column.name for column in _exported(table) if column.export == "all"]
    cells = {name: list(map(_cell, table[name].tolist())) for name in names}
    text: str = pd.DataFrame(cells, dtype=object).to_csv(index=False, lineterminator="\n")
    return text


def json_text(table: pd.DataFrame) -> str:
    """Return the points as a JSON list, a line for each, unknown figures as null."""
    names = [column.name for column in _exported(table)]
    columns = [list(map(plain_value, table[name].tolist())) for name in names]
    # Point by point: with an indent, or for a whole list of many, json is several times as slow.
    encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
    lines = [encode(dict(zip(names, row, strict=True))) for row in zip(*columns, strict=True)]
    return "[\n" + ",\n".join(lines) + "\n]\n"


def _write_parquet(table: pd.DataFrame, path: Path) -> None:
    columns = {
        column.name: [flat(value) for value in table[column.name].tolist()]
        for column in _exported(table)
    }
    _write_frame(pd.DataFrame(columns), path)


def _exported(table: pd.DataFrame) -> list[Column]:
    """The columns of the exports: the recalls reach as far as the largest k."""
    most = int(table["k"].max()) if len(table) else RECALL_KS[-1]
    return [column for column in COLUMNS if column.export and column.from_k <= most]


def _write_frame(frame: pd.DataFrame, path: Path) -> None:
    with written_whole(path) as temporary:
        frame.to_parquet(temporary, index=False)


def query_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each point and query: what `export` writes with `per_query`."""
    names = ("key", "dataset", "algorithm", "label", "build", "search", "k", "threads")
    parts = []
    for row in rows_of(table):
        recall, seconds = row["query_recall"], row["query_seconds"]
        if isinstance(recall, np.ndarray) and isinstance(seconds, np.ndarray):
            queries = np.arange(len(recall))
            difficulty = row["query_difficulty"]
            hard = difficulty if isinstance(difficulty, np.ndarray) else np.nan
            figures = {"recall": recall, "seconds": seconds, "difficulty": hard}
            part = pd.DataFrame({"query": queries, **figures})
            fixed = {name: [flat(row[name])] * len(part) for name in names}
            parts.append(pd.concat([part, pd.DataFrame(fixed)], axis=1))
    columns = [*names, "query", "recall", "seconds", "difficulty"]
    frame = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
    return frame[columns]


def _write_queries(table: pd.DataFrame, path: Path) -> None:
    _write_frame(query_rows(table), path)


def _cell(value: object) -> object:
    """A value of the CSV: parameters as JSON, text that no spreadsheet runs."""
    if type(value) is float:
        return value
    if isinstance(value, (Mapping, tuple)):
        value = flat(value)
    if isinstance(value, str):
        clean = value.replace("\x00", "").replace("\r\n", "\n").replace("\r", "\n")
        return f"'{clean}" if clean.lstrip().startswith(_FORMULA_STARTS) else clean
    return value


def _write_as(text: Callable[[pd.DataFrame], str], table: pd.DataFrame, path: Path) -> None:
    write_text(path, text(table))


_WRITERS: dict[str, Callable[[pd.DataFrame, Path], None]] = {
    ".csv": partial(_write_as, csv_text),
    ".parquet": _write_parquet,
    ".json": partial(_write_as, json_text),
}
_FOR_PEOPLE = (".md", ".tex")


def _write_for_people(table: Table, path: Path, style: TableStyle) -> None:
    is_latex = path.suffix.lower() == ".tex"
    write_text(path, latex_text(table, style.caption) if is_latex else markdown_text(table))


def _check_style(path: Path, chosen: TableStyle) -> None:
    """Raise a `UserError` for settings that the format cannot show."""
    ending = path.suffix.lower()
    for_latex = {"--caption": chosen.caption, "--align": chosen.alignment}
    for_people = {"--columns": chosen.columns, "--highlight": chosen.highlight}
    for endings, asked in (((".tex",), for_latex), (_FOR_PEOPLE, for_people)):
        for option, value in asked.items():
            if value and ending not in endings:
                raise UserError(
                    f"{option} is for {' and '.join(endings)}", where=str(path), got=ending
                )


def _check_ending(path: Path) -> None:
    if path.suffix.lower() not in (*_WRITERS, *_FOR_PEOPLE):
        raise UserError(
            f"no export format ends in {path.suffix or 'nothing'!r}",
            where=str(path),
            expected=", ".join((*_WRITERS, *_FOR_PEOPLE)),
        )
