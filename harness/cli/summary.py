"""The summary of a run: Pareto points, failures, and the paths of the results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from math import isnan

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.api import RunResult
from harness.report.comparing.recall_differences import RecallDifference, sentence
from harness.report.export.printing import print_frontiers
from harness.report.texts import corrected_text, difference_text
from harness.running.listener import Imprecise, failure_line
from harness.text import counted, percent

_SHOWN = 20
_ENDLESS = 10_000_000  # more queries than anyone will collect


def print_summary(console: Console, found: RunResult) -> None:
    """Print the Pareto points of every dataset and k, the failures and the paths."""
    summary = found.summary
    print_frontiers(console, found.table)
    if found.baseline is not None:
        _print_differences(console, found.recall_differences)
    _print_list(console, "failed", "red", list(map(failure_line, summary.failures)))
    unsupported = list(map(failure_line, summary.unsupported))
    _print_list(console, "unsupported", "yellow", unsupported)
    _print_list(console, "marked by a warning", "yellow", _warning_lines(found.table))
    imprecise = list(map(_imprecise_line, summary.imprecise))
    _print_list(console, "with QPS less precise than asked for", "", imprecise)
    if summary.failures:
        statuses = sorted({failure.status for failure in summary.failures})
        options = " ".join(f"--retry {status}" for status in statuses)
        console.print(f"to try them again: {options}", highlight=False)
    console.print(
        f"{counted(summary.measured, 'point')} measured now, {summary.kept} kept from before, "
        f"{len(summary.failures)} failed, {len(summary.unsupported)} unsupported"
    )
    console.print(Text(f"results: {found.results.resolve()}"), soft_wrap=True)


def _print_differences(console: Console, found: Sequence[RecallDifference]) -> None:
    """Print the differences in recall to the baseline, paired over the queries."""
    for (dataset, label), group in groupby(found, key=lambda one: (one.dataset, one.label)):
        console.print(_differences_of_label(dataset, label, list(group)))
    console.print(Text(f"verdict: {sentence(found)}"))
    console.print()


def _differences_of_label(dataset: str, label: str, found: Sequence[RecallDifference]) -> Table:
    baseline = found[0].baseline
    table = Table(
        title=f"{dataset}: {label} against {baseline}, paired over the same queries",
        caption=f"over queries and builds: {corrected_text(found[0].difference.level)}",
        title_justify="left",
        caption_justify="left",
        title_style="bold",
        box=None,
    )
    table.add_column("measure")
    for column in (baseline, "here", "difference", "real?", "queries needed"):
        table.add_column(column, justify="right", no_wrap=True)
    for one in found:
        change = one.difference
        table.add_row(
            one.measure,
            f"{one.theirs:.3f}",
            f"{one.ours:.3f}",
            difference_text(change.value, change.low, change.high),
            Text("yes", style="bold") if change.real else "no",
            _needed(one),
        )
    return table


def _needed(one: RecallDifference) -> str:
    if one.queries_needed < _ENDLESS:
        return f"{one.queries_needed:,.0f}"
    return "more builds" if one.builds_differ else "endless"


def _print_list(console: Console, title: str, style: str, lines: Sequence[str]) -> None:
    """Print a title with the number of lines, and the first of them."""
    if not lines:
        return
    console.print(Text(f"{len(lines)} {title}", style=f"bold {style}"))
    for line in lines[:_SHOWN]:
        console.print(Text(f"  {line}"), soft_wrap=True)
    if len(lines) > _SHOWN:
        console.print(f"  ... and {len(lines) - _SHOWN} more")
    console.print()


def _warning_lines(table: pd.DataFrame) -> list[str]:
    """The warnings stored with points, each once with the number of its points."""
    found = Counter(
        (label, warning)
        for label, warnings in zip(table["label"], table["warnings"], strict=True)
        for warning in warnings
    )
    return [f"{label}, {counted(count, 'point')}: {text}" for (label, text), count in found.items()]


def _imprecise_line(one: Imprecise) -> str:
    header, half = one.header, one.half_width
    width = "unknown" if isnan(half) else f"±{percent(half)}"
    point = f"{header.identity.dataset} k={header.identity.k} {header.label} {header.name}"
    return f"{width}: {point.strip()}: {one.reason}"
