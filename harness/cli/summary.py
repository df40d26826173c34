"""The end of a run: the best points, the failures, and where everything lies."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from harness.cli.live import failure_line
from harness.report.answers import print_frontiers
from harness.results.point import Failure
from harness.results.store import ResultStore
from harness.results.table import table_of
from harness.running.planning import Plan
from harness.running.progress import RunSummary

_SHOWN = 20


def print_summary(console: Console, plan: Plan, store: ResultStore, summary: RunSummary) -> None:
    """Print the Pareto points of every dataset and k, the failures and the paths."""
    found = [store.find(point.header) for point in plan.points]
    table = table_of(store, found)
    print_frontiers(console, table)
    _print_failures(console, "failed", summary.failures, "red")
    _print_failures(console, "unsupported", summary.unsupported, "yellow")
    console.print(
        f"{summary.measured} points measured now, {summary.kept} kept from before, "
        f"{len(summary.failures)} failed, {len(summary.unsupported)} unsupported"
    )
    console.print(f"results: {store.root.resolve()}", soft_wrap=True)


def _print_failures(console: Console, title: str, failures: Sequence[Failure], style: str) -> None:
    if not failures:
        return
    console.print(Text(f"{len(failures)} {title}", style=f"bold {style}"))
    for failure in failures[:_SHOWN]:
        console.print(Text(f"  {failure_line(failure)}"), soft_wrap=True)
    if len(failures) > _SHOWN:
        console.print(f"  ... and {len(failures) - _SHOWN} more")
    console.print()
