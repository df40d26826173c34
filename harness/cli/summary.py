"""The end of a run: the best points, the failures, and where everything lies."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.cli.live import failure_line
from harness.report.answers import print_frontiers
from harness.report.recall_differences import (
    RecallDifference,
    recall_differences,
    sentence,
)
from harness.results.point import Failure
from harness.results.store import ResultStore
from harness.results.table import table_of
from harness.running.planning import Plan
from harness.running.progress import RunSummary

_SHOWN = 20
_ENDLESS = 10_000_000  # queries that nobody will collect


def print_summary(console: Console, plan: Plan, store: ResultStore, summary: RunSummary) -> None:
    """Print the Pareto points of every dataset and k, the failures and the paths."""
    found = [store.find(point.header) for point in plan.points]
    table = table_of(store, found, per_query=plan.suite.baseline is not None)
    print_frontiers(console, table)
    if plan.suite.baseline is not None:
        _print_differences(console, recall_differences(table, plan.suite.baseline))
    _print_failures(console, "failed", summary.failures, "red")
    _print_failures(console, "unsupported", summary.unsupported, "yellow")
    console.print(
        f"{summary.measured} points measured now, {summary.kept} kept from before, "
        f"{len(summary.failures)} failed, {len(summary.unsupported)} unsupported"
    )
    console.print(f"results: {store.root.resolve()}", soft_wrap=True)


def _print_differences(console: Console, found: Sequence[RecallDifference]) -> None:
    """The verdict on recall: differences to the baseline, paired over the queries."""
    for (dataset, label), group in groupby(found, key=lambda one: (one.dataset, one.label)):
        console.print(_differences_of_label(dataset, label, list(group)))
    console.print(Text(f"verdict: {sentence(found)}"))
    console.print()


def _differences_of_label(dataset: str, label: str, found: Sequence[RecallDifference]) -> Table:
    baseline = found[0].baseline
    table = Table(
        title=f"{dataset}: {label} against {baseline}, paired over the same queries",
        title_justify="left",
        title_style="bold",
        box=None,
    )
    table.add_column("measure")
    for column in (baseline, "here", "difference", "95 % interval", "real?", "queries needed"):
        table.add_column(column, justify="right", no_wrap=True)
    for one in found:
        change = one.difference
        table.add_row(
            one.measure,
            f"{one.theirs:.3f}",
            f"{one.ours:.3f}",
            f"{change.value:+.3f}",
            f"{change.low:+.3f} {change.high:+.3f}",
            Text("yes", style="bold") if one.real else "no",
            f"{one.queries_needed:,.0f}" if one.queries_needed < _ENDLESS else "endless",
        )
    return table


def _print_failures(console: Console, title: str, failures: Sequence[Failure], style: str) -> None:
    if not failures:
        return
    console.print(Text(f"{len(failures)} {title}", style=f"bold {style}"))
    for failure in failures[:_SHOWN]:
        console.print(Text(f"  {failure_line(failure)}"), soft_wrap=True)
    if len(failures) > _SHOWN:
        console.print(f"  ... and {len(failures) - _SHOWN} more")
    console.print()
