"""Answers for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from harness.report.fastest import answers, pareto_points
from harness.report.points import Scene, prepare, rows_of, scenes
from harness.report.quantities import human

_MOST_ROWS = 24
_WIDE = 100
_CAPTION = (
    "Chosen on one half of the queries; recall and QPS are of the other half. "
    "Bold: nothing is better in both."
)
_NEAR = " *: within a factor of 2 of the harness's own limit."


def print_frontiers(console: Console, table: pd.DataFrame) -> None:
    """Print the Pareto points of each scene of the table, and the fastest at usual recalls.

    Parameters
    ----------
    console
        Where to print.
    table
        As from `harness.load_results`, or a part of it.
    """
    for scene in scenes(prepare(table)):
        if scene.points.empty:
            continue
        console.print(pareto_table(scene, console.width))
        for line in _fastest(scene):
            console.print(line, highlight=False)
        console.print()


def pareto_table(scene: Scene, width: int = 120) -> Table:
    """Return the Pareto points of a scene, those of the overall frontier in bold.

    Below 100 columns, p99 and build time are left out so that names stay whole.
    """
    points = pareto_points(scene)
    table = Table(
        title=f"[bold]{escape(scene.dataset)}[/]: Pareto points",
        caption=f"{escape(scene.conditions)}. {_CAPTION}{_near(points)}",
        title_justify="left",
        caption_justify="left",
        box=None,
        pad_edge=False,
    )
    wide = width >= _WIDE
    table.add_column("algorithm", no_wrap=True, max_width=32)
    table.add_column("parameters")
    for name in (f"recall@{scene.k}", "QPS", "bytes/vec.", *(("p99", "build") if wide else ())):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows_of(points.tail(_MOST_ROWS)):
        table.add_row(*_cells(row, wide=wide), style="bold" if row["overall"] else "")
    return table


def _cells(row: Mapping[str, Any], *, wide: bool) -> list[str]:
    more = [human(row["p99_ms"], "ms"), human(row["build_seconds"], "s")] if wide else []
    return [
        escape(str(row["curve"])),
        escape(str(row["words"])),
        f"{row['reporting_recall']:.3f}{_half_width(row, 'reporting_recall', '.3f')}",
        f"{human(row['reporting_qps'])}{'*' if row['near_ceiling'] else ''}"
        f"{_half_width(row, 'reporting_qps', '.0%')}",
        human(row["bytes_per_vector"]),
        *more,
    ]


def _half_width(row: Mapping[str, Any], name: str, style: str) -> str:
    """Half the interval, of QPS as a share; nothing if unknown."""
    half = (row[f"{name}_high"] - row[f"{name}_low"]) / 2
    half = half / row[name] if name.endswith("qps") else half
    return "" if pd.isna(half) else f" ±{half:{style}}"


def _near(points: pd.DataFrame) -> str:
    return _NEAR if len(points) and points["near_ceiling"].any() else ""


def _fastest(scene: Scene) -> list[str]:
    lines, found = [], answers(scene)
    for answer in found:
        row = answer.row
        name = escape(f"{row['curve']} {row['words']}".strip())
        tied = f", tied with {escape(', '.join(answer.tied))}" if answer.tied else ""
        lines.append(
            f"fastest at recall {answer.level:g}: [bold]{name}[/], recall "
            f"{row['reporting_recall']:.3f}, {human(row['reporting_qps'])} queries/s{tied}"
        )
    if lines:
        gap = sum(answer.optimism for answer in found) / len(found)
        side = "higher" if gap >= 0 else "lower"
        lines.append("[dim]Reported on the half of the queries that they were chosen on, their "
                     f"recall would be {abs(gap):.4f} {side} on average.[/]")  # fmt: skip
    return lines
